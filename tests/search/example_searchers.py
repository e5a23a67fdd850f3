"""Searchers as users write them, sound ones and others."""

from typing import Any

import numpy as np

GOOD = {"units": 8, "rate": 1e-4, "kind": "deep"}


class Recording:
    """Keeps what it is told, for the tests."""

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self.seed = space, seed
        self.calls: list[Any] = []

    def suggest(self, number: int, trials: Any) -> Any:
        self.calls.append((number, list(trials)))
        return GOOD


class _Base:
    def __init__(self, space: Any, seed: int) -> None:
        self.space = space


class Failing(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        raise KeyError("x")


class Unmakable:
    def __init__(self) -> None: ...


class Lists(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return [8, 1e-4, "deep"]


class Nothing(_Base):
    def suggest(self, number: int, trials: Any) -> Any: ...


class Missing(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {"units": 8, "kind": "deep"}


class Unknown(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "unit": 8}


class TooWide(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "units": 72}


class BetweenSteps(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "units": 9}


class Fraction(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "units": 8.0}


class TooFast(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "rate": 0.5}


class NotANumber(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "rate": float("nan")}


class NoChoice(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        return {**GOOD, "kind": "flat"}


class Numpy(_Base):
    """The rate misses the end of its domain by a rounding error."""

    def suggest(self, number: int, trials: Any) -> Any:
        return {
            "units": np.int64(16),
            "rate": np.float64(0.01) * (1 + 1e-15),
            "kind": np.str_("deep"),
        }


class Remembering(_Base):
    """Goes on by a step a call, which no resumed run can repeat."""

    calls = 0

    def suggest(self, number: int, trials: Any) -> Any:
        self.calls += 1
        return {name: domain.at(0.1 * self.calls) for name, domain in self.space.items()}


class Unseeded(_Base):
    def suggest(self, number: int, trials: Any) -> Any:
        rng = np.random.default_rng()
        return {name: domain.sample(rng) for name, domain in self.space.items()}
