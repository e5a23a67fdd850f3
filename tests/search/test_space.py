"""Domains sample inside their bounds, on their steps, and come back from JSON and YAML."""

import json
import math

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evensweep.search.space import (
    ChoiceDomain,
    Domain,
    FloatDomain,
    IntDomain,
    parse_domain,
    sample,
)


def draws(raw: object, count: int = 400, seed: int = 0) -> list[object]:
    domain, rng = parse_domain(raw), np.random.default_rng(seed)
    return [domain.sample(rng) for _ in range(count)]


class TestSampling:
    def test_integers_are_uniform_and_include_both_ends(self) -> None:
        values = draws({"int": [2, 5]}, 4000)
        assert {type(value) for value in values} == {int}
        counts = np.bincount(np.array(values), minlength=6)[2:]
        assert counts.sum() == 4000
        assert (abs(counts - 1000) < 120).all()

    def test_integers_on_steps_reach_an_exact_end_and_never_pass_it(self) -> None:
        assert set(draws({"int": [16, 128], "step": 16})) == set(range(16, 129, 16))
        assert set(draws({"int": [1, 10], "step": 4})) == {1, 5, 9}
        assert set(draws({"int": [3, 3]})) == {3}

    def test_floats_on_steps_are_the_decimals_a_person_would_write(self) -> None:
        expected = {0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5}
        assert set(draws({"float": [0.0, 0.5], "step": 0.05})) == expected
        assert set(draws({"float": [-0.3, 0.3], "step": 0.1})) == {
            -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3,
        }  # fmt: skip
        assert set(draws({"float": [0.1, 0.45], "step": 0.1})) == {0.1, 0.2, 0.3, 0.4}

    def test_small_steps_keep_all_their_digits(self) -> None:
        tiny = {"float": [1e-12, 3e-12], "step": 1e-12}
        assert set(draws(tiny)) == {1e-12, 2e-12, 3e-12}
        low = 0.123456789012345
        assert min(draws({"float": [low, 0.9], "step": 0.1})) == low

    def test_floats_are_uniform(self) -> None:
        values = np.array(draws({"float": [-1.0, 3.0]}, 4000))
        assert values.dtype == np.float64
        assert values.min() >= -1
        assert values.max() <= 3
        np.testing.assert_allclose(np.quantile(values, [0.25, 0.5, 0.75]), [0, 1, 2], atol=0.15)

    def test_log_scale_is_uniform_in_the_exponent(self) -> None:
        values = np.array(draws({"float": [1e-5, 1e-1], "log": True}, 4000))
        assert values.min() >= 1e-5
        assert values.max() <= 1e-1
        exponents = np.quantile(np.log10(values), [0.25, 0.5, 0.75])
        np.testing.assert_allclose(exponents, [-4, -3, -2], atol=0.15)

    def test_log_integers_are_whole_and_inside(self) -> None:
        values = draws({"int": [1, 1000], "log": True}, 2000)
        assert {type(value) for value in values} == {int}
        assert min(values) >= 1
        assert max(values) <= 1000
        assert np.median(np.array(values)) == pytest.approx(math.sqrt(1000), rel=0.2)

    def test_choices_are_equally_likely_and_keep_their_types(self) -> None:
        values = draws({"choice": [3, 2, 0.5, 0.25]}, 2000)
        assert {type(value) for value in values} == {int, float}
        assert all(abs(values.count(choice) - 500) < 90 for choice in (3, 2, 0.5))

    @pytest.mark.parametrize("constant", ["relu", 3, 0.25, True])
    def test_bare_value_is_a_constant(self, constant: object) -> None:
        assert set(draws(constant, 5)) == {constant}

    def test_same_generator_state_gives_the_same_value(self) -> None:
        for raw in ({"int": [0, 10**9]}, {"float": [0, 1]}, {"choice": list(range(100))}):
            assert draws(raw, 5, seed=3) == draws(raw, 5, seed=3)
            assert draws(raw, 5, seed=3) != draws(raw, 5, seed=4)

    def test_configuration_is_drawn_in_the_order_of_names(self) -> None:
        raw = {"b": {"float": [0, 1]}, "a": {"int": [0, 10**9]}, "c": "x"}
        space = {name: parse_domain(value) for name, value in raw.items()}
        turned = dict(reversed(space.items()))
        drawn = [sample(s, np.random.default_rng(1)) for s in (space, turned)]
        assert drawn[0] == drawn[1]
        assert list(drawn[0]) == ["a", "b", "c"]


integers = st.integers(-(10**6), 10**6)
finite = st.floats(-1e6, 1e6)


@st.composite
def domains(draw: st.DrawFn) -> dict[str, object]:
    kind = draw(st.sampled_from(["int", "float", "log", "choice"]))
    if kind == "choice":
        kinds = st.sampled_from([st.booleans(), integers | finite, st.text(max_size=5)])
        return {"choice": draw(st.lists(draw(kinds), min_size=1, max_size=5))}
    if kind == "log":
        low = draw(st.floats(1e-9, 1e3))
        return {"float": [low, low * draw(st.floats(1, 1e6))], "log": True}
    bound = integers if kind == "int" else finite
    low, high = sorted([draw(bound), draw(bound)])
    step = draw(st.none() | (st.integers(1, 1000) if kind == "int" else st.floats(1e-3, 1e3)))
    return {kind: [low, high]} | ({"step": step} if step else {})


@settings(deadline=None, max_examples=150)
@given(domains(), st.integers(0, 2**32))
def test_every_sample_is_inside_its_domain(raw: dict, seed: int) -> None:
    domain, rng = parse_domain(raw), np.random.default_rng(seed)
    for value in (domain.sample(rng) for _ in range(5)):
        if "choice" in raw:
            assert value in raw["choice"]
            continue
        [low, high] = raw.get("int") or raw["float"]
        assert low <= value <= high
        if "step" in raw:
            steps = (value - low) / raw["step"]
            assert steps == pytest.approx(round(steps), abs=1e-4)


@settings(deadline=None, max_examples=150)
@given(domains(), st.integers(0, 2**32))
def test_domains_survive_json_and_yaml(raw: dict, seed: int) -> None:
    domain = parse_domain(raw)
    dumped = domain.model_dump(mode="json", by_alias=True)
    for text in (json.loads(json.dumps(dumped)), yaml.safe_load(yaml.safe_dump(dumped))):
        back = parse_domain(text)
        assert back == domain
        values = [d.sample(np.random.default_rng(seed)) for d in (domain, back)]
        assert values[0] == values[1]
        assert type(values[0]) is type(values[1])


@pytest.mark.parametrize(
    "raw",
    [
        {"int": [2, 5]},
        {"int": [16, 128], "step": 16},
        {"float": [0.0, 0.5], "step": 0.05},
        {"float": [1e-4, 1e-2], "log": True},
        {"choice": ["relu", "tanh"]},
        {"int": [0, 0]},
    ],
)
def test_domain_is_written_as_it_was_read(raw: dict) -> None:
    assert parse_domain(raw).model_dump(mode="json", by_alias=True) == raw


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"int": [5, 2]}, "low must not be above high, got [5, 2]"),
        ({"float": [0.2, 0.1]}, "low must not be above high, got [0.2, 0.1]"),
        ({"float": [0, 1], "step": 0}, "step must be positive, got 0"),
        ({"float": [0, 1], "step": -0.1}, "step must be positive, got -0.1"),
        ({"float": [0, 1], "step": 1e-300}, "step is too small"),
        ({"float": [-1e308, 1e308]}, "the bounds must be finite"),
        ({"float": [0, 1], "log": True}, "a log scale needs a positive low, got 0.0"),
        ({"float": [1, 2], "log": True, "step": 0.1}, "either step or log, not both"),
        ({"flaot": [1, 2]}, "a domain is {int: [low, high]}"),
        ({}, "a domain is {int: [low, high]}"),
        (["relu", "tanh"], "{choice: [a, b]} or one value, got ['relu', 'tanh']"),
        (None, "got None"),
        ({"float": [0, math.nan]}, "finite number"),
        ({"float": [0, math.inf]}, "finite number"),
        ({"float": [0, 1], "step": math.nan}, "finite number"),
        (math.nan, "finite number"),
        ({"int": [1, 10**30]}, "less than or equal to"),
        ({"int": [1.5, 2]}, "valid integer"),
        ({"int": [1]}, "Field required"),
        ({"int": [1, 2, 3]}, "at most 2"),
        ({"int": 3}, "valid tuple"),
        ({"int": [1, 2], "float": [1, 2]}, "Extra inputs"),
        ({"int": [1, 2], "lgo": True}, "Extra inputs"),
        ({"choice": []}, "at least 1"),
        ({"choice": [1, True]}, "values of one kind, got numbers and true or false"),
        ({"choice": [[1]]}, "valid"),
    ],
)
def test_unfit_domains_are_refused(raw: object, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_domain(raw)
    assert message in str(error.value)


def test_domains_are_frozen_and_pass_through() -> None:
    domain = parse_domain({"int": [1, 2]})
    assert parse_domain(domain) is domain
    with pytest.raises(ValidationError, match="frozen"):
        domain.step = 3  # type: ignore[misc]
    kinds = [type(parse_domain(r)) for r in ({"int": [1, 2]}, {"float": [1, 2]}, "relu")]
    assert kinds == [IntDomain, FloatDomain, ChoiceDomain]
    assert all(issubclass(kind, Domain) for kind in kinds)


@pytest.mark.parametrize(
    ("raw", "value", "accepted"),
    [
        ({"int": [2, 5]}, 5, 5),
        ({"int": [16, 128], "step": 16}, np.int32(48), 48),
        ({"float": [0.0, 0.5], "step": 0.05}, 0.1 + 0.05, 0.15),
        ({"float": [1e-4, 1e-2], "log": True}, math.exp(math.log(1e-2)), 1e-2),
        ({"float": [0, 3]}, 2, 2.0),
        ({"choice": [2, 1, 0.5]}, 1, 1),
        ({"choice": [True, False]}, np.True_, True),
    ],
)
def test_values_of_a_domain_are_accepted_in_pythons_types(
    raw: dict, value: object, accepted: object
) -> None:
    found = parse_domain(raw).accept(value)
    assert found == accepted
    assert type(found) is type(accepted)


@pytest.mark.parametrize(
    ("raw", "value", "message"),
    [
        ({"int": [2, 5]}, 6, "must be a whole number from 2 to 5, got 6"),
        ({"int": [2, 5]}, True, "must be a whole number from 2 to 5, got True"),
        ({"int": [2, 5]}, np.float64(3), "must be a whole number from 2 to 5, got 3.0"),
        ({"int": [1, 9], "step": 2}, 2, "from 1 to 9 in steps of 2, got 2"),
        ({"float": [0, 1]}, 1.001, "must be a number from 0 to 1, got 1.001"),
        ({"float": [0, 1]}, "0.5", "must be a number from 0 to 1, got '0.5'"),
        ({"float": [0, 1], "step": 0.25}, 0.3, "from 0 to 1 in steps of 0.25, got 0.3"),
        ({"float": [0, 1], "step": 0.3}, 1.0, "from 0 to 1 in steps of 0.3, got 1.0"),
        ({"choice": [1, 2]}, True, "must be one of 1, 2, got True"),
    ],
)
def test_values_outside_a_domain_are_refused(raw: dict, value: object, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_domain(raw).accept(value)
    assert message in str(error.value)


def test_places_of_all_domains_go_from_0_to_1() -> None:
    choice = parse_domain({"choice": ["a", "b", "c", "d"]})
    assert [choice.at(place) for place in (0, 0.24, 0.26, 0.74, 0.99, 1)] == list("aabcdd")
    assert [choice.place(value) for value in "ad"] == [0.125, 0.875]
    for raw in ({"int": [2, 5]}, {"float": [0.0, 0.5], "step": 0.05}, {"float": [1e-4, 1e-2]}):
        domain = parse_domain(raw)
        assert [domain.at(0), domain.at(1)] == pytest.approx(list(domain.bounds))
