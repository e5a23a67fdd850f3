"""Search spaces: typed, frozen domains that round-trip through JSON and YAML.

A domain is written ``{int: [2, 5]}``, ``{int: [16, 128], step: 16}``, ``{float: [1e-4, 1e-2], log:
true}`` or ``{choice: [relu, tanh]}``; a bare value is a constant.
"""

import math
import reprlib
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Scalar: TypeAlias = bool | int | float | str

_LARGEST = 2**53
"""Up to here every integer is a float64."""
_ROUNDING = 1e-9
"""By how much a number may miss a domain's, relatively."""
_Int: TypeAlias = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]
_Value: TypeAlias = bool | _Int | float | str


def kind_of(value: Scalar) -> str:
    """What a column of such values holds, as a person would say it."""
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "numbers"


class Domain(BaseModel):
    """Base of the domains; immutable and strict about unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False
    )

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As a person would write it: `{int: [2, 5]}`, not `{int: [2, 5], step: null, log: false}`.
        return {key: value for key, value in handler(self).items() if value not in (None, False)}

    def sample(self, rng: np.random.Generator) -> Scalar:
        """Draws one value uniformly (on the log scale if ``log``)."""
        raise NotImplementedError

    def middle(self) -> Scalar:
        """The value in the middle (on the log scale if ``log``), or the first choice."""
        raise NotImplementedError

    def at(self, place: float) -> Scalar:
        """The value at a place from 0 to 1, on the log scale if ``log``; choices share it."""
        raise NotImplementedError

    def place(self, value: Scalar) -> float:
        """Where a value is, as :meth:`at` takes it; the middle of all places that lead to it."""
        raise NotImplementedError

    def accept(self, value: Any) -> Scalar:
        """A value that others have chosen, in Python's own type.

        Raises:
            ValueError: It is none of the domain.
        """
        raise NotImplementedError


class _Range(Domain):
    step: float | None = None
    log: bool = False

    @property
    def _bounds(self) -> tuple[float, float]:
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self._bounds
        if not math.isfinite(high - low):
            raise ValueError(f"the bounds must be finite, got [{low}, {high}]")
        if low > high:
            raise ValueError(f"low must not be above high, got [{low}, {high}]")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ValueError(f"step must be positive, got {self.step}")
        if self.step is not None and (high - low) / self.step > _LARGEST:
            raise ValueError(f"step is too small for [{low}, {high}], got {self.step}")
        if self.log and low <= 0:
            raise ValueError(f"a log scale needs a positive low, got {low}")
        if self.log and self.step is not None:
            raise ValueError("a domain has either step or log, not both")
        return self

    def _draw(self, rng: np.random.Generator) -> float:
        low, high = self._bounds
        if self.log:
            return float(np.clip(np.exp(rng.uniform(np.log(low), np.log(high))), low, high))
        if self.step is None:
            return float(rng.uniform(low, high))
        return self._stepped(lambda steps: int(rng.integers(steps + 1)))

    def _stepped(self, choose: Callable[[int], int]) -> float:
        """The value that many steps above the low bound, of as many as there are."""
        # In decimal, so that 0 + 3 × 0.05 is 0.15, on paper and in files.
        first, step = Decimal(str(self._bounds[0])), Decimal(str(self.step))
        return float(first + choose(self._steps) * step)

    @property
    def _steps(self) -> int:
        low, high = (Decimal(str(bound)) for bound in self._bounds)
        return int((high - low) / Decimal(str(self.step)))

    def _at(self, place: float) -> float:
        low, high = self._bounds
        if self.step is not None:
            return self._stepped(lambda steps: min(int(place * (steps + 1)), steps))
        if self.log:
            low, high = math.log(low), math.log(high)
        value = low + place * (high - low)
        return float(np.clip(math.exp(value) if self.log else value, *self._bounds))

    def place(self, value: Scalar) -> float:
        """See :meth:`Domain.place`."""
        low, high, number = *self._bounds, float(value)
        if self.step is not None:
            return (round((number - low) / self.step) + 0.5) / (self._steps + 1)
        if low == high:
            return 0.5
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return (number - low) / (high - low)

    def _refused(self, kind: str, value: Any) -> ValueError:
        low, high = self._bounds
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        return ValueError(f"must be a {kind} from {low:g} to {high:g}{steps}, got {value!r}")

    def _middle(self) -> float:
        low, high = self._bounds
        if self.step is not None:
            return self._stepped(lambda steps: steps // 2)
        if self.log:
            middle = float(np.exp((np.log(low) + np.log(high)) / 2))
        else:
            middle = low + (high - low) / 2
        # As a person would write it.
        return float(np.clip(float(f"{middle:.6g}"), low, high))


class IntDomain(_Range):
    """Whole numbers from low to high, both included."""

    bounds: tuple[_Int, _Int] = Field(alias="int")
    step: int | None = None

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.bounds

    def sample(self, rng: np.random.Generator) -> int:
        """Draws one value uniformly (on the log scale if ``log``)."""
        if self.log:
            return round(self._draw(rng))
        low, high = self.bounds
        step = self.step or 1
        return low + int(rng.integers((high - low) // step + 1)) * step

    def middle(self) -> int:
        """The whole number in the middle (on the log scale if ``log``)."""
        return round(self._middle())

    def at(self, place: float) -> int:
        """See :meth:`Domain.at`."""
        if self.log or self.step:
            return round(self._at(place))
        low, high = self.bounds
        return min(low + int(place * (high - low + 1)), high)

    def place(self, value: Scalar) -> float:
        """See :meth:`Domain.place`."""
        if self.log or self.step:
            return super().place(value)
        low, high = self.bounds
        return (int(value) - low + 0.5) / (high - low + 1)

    def accept(self, value: Any) -> int:
        """See :meth:`Domain.accept`."""
        low, high = self.bounds
        value = _pythons(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high or (value - low) % (self.step or 1):
            raise self._refused("whole number", value)
        return int(value)


class FloatDomain(_Range):
    """Real numbers from low to high; with a step only low, low + step, …."""

    bounds: tuple[float, float] = Field(alias="float")

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.bounds

    def sample(self, rng: np.random.Generator) -> float:
        """Draws one value uniformly (on the log scale if ``log``)."""
        return self._draw(rng)

    def middle(self) -> float:
        """The value in the middle (on the log scale if ``log``)."""
        return self._middle()

    def at(self, place: float) -> float:
        """See :meth:`Domain.at`."""
        return self._at(place)

    def accept(self, value: Any) -> float:
        """See :meth:`Domain.accept`; rounding errors are mended."""
        value = _pythons(value)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise self._refused("number", value)
        low, high = self._bounds
        nearest = min(max(float(value), low), high)
        if self.step is not None:
            steps = round((nearest - low) / self.step)
            nearest = self._stepped(lambda most: min(steps, most))
        if not math.isclose(nearest, value, rel_tol=_ROUNDING, abs_tol=_ROUNDING * (high - low)):
            raise self._refused("number", value)
        return nearest


class ChoiceDomain(Domain):
    """One of the listed values, each as likely as the others."""

    choice: tuple[_Value, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        kinds = sorted({kind_of(value) for value in self.choice})
        if len(kinds) > 1:  # they go into one column
            raise ValueError(f"a choice has values of one kind, got {' and '.join(kinds)}")
        return self

    def sample(self, rng: np.random.Generator) -> Scalar:
        """Draws one value uniformly."""
        return self.choice[int(rng.integers(len(self.choice)))]

    def middle(self) -> Scalar:
        """The first choice."""
        return self.choice[0]

    def at(self, place: float) -> Scalar:
        """See :meth:`Domain.at`."""
        return self.choice[min(int(place * len(self.choice)), len(self.choice) - 1)]

    def place(self, value: Scalar) -> float:
        """See :meth:`Domain.place`."""
        return (self.choice.index(value) + 0.5) / len(self.choice)

    def accept(self, value: Any) -> Scalar:
        """See :meth:`Domain.accept`."""
        value = _pythons(value)
        for known in self.choice:
            # True is no 1.
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return known
        raise ValueError(f"must be one of {', '.join(map(str, self.choice))}, got {value!r}")


def _pythons(value: Any) -> Any:
    """A NumPy scalar in Python's own type."""
    return value.item() if isinstance(value, np.generic) else value


AnyDomain: TypeAlias = IntDomain | FloatDomain | ChoiceDomain

_BY_KEY: dict[Literal["int", "float", "choice"], type[AnyDomain]] = {
    "int": IntDomain,
    "float": FloatDomain,
    "choice": ChoiceDomain,
}


def parse_domain(raw: Any) -> AnyDomain:
    """The domain that a configuration writes.

    Raises:
        ValueError: It is none (pydantic.ValidationError, a subclass, for a wrong detail).
    """
    if isinstance(raw, Domain):
        return raw  # type: ignore[return-value]
    if isinstance(raw, Scalar):
        return ChoiceDomain(choice=(raw,))
    for key, domain in _BY_KEY.items():
        if isinstance(raw, dict) and key in raw:
            return domain.model_validate(raw)
    raise ValueError(
        "a domain is {int: [low, high]}, {float: [low, high]}, {choice: [a, b]} or one value, "
        f"got {reprlib.repr(raw)}"
    )


def sample(space: dict[str, AnyDomain], rng: np.random.Generator) -> dict[str, Scalar]:
    """Draws one configuration, in the order of the hyperparameters' names."""
    return {name: space[name].sample(rng) for name in sorted(space)}
