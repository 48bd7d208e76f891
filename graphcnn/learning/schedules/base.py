"""What a schedule is: the number of every step, and how its lengths become numbers of steps."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from graphcnn.errors import GraphError

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture


@dataclass(frozen=True, repr=False)
class Epochs:
    """So many epochs, in place of a number of steps: `epochs(10)`."""

    count: float

    def __post_init__(self) -> None:
        if not is_number(self.count) or self.count <= 0:
            raise GraphError(f"epochs must be a number greater than 0, found {self.count!r}")

    def __repr__(self) -> str:
        return f"epochs({self.count:g})"


def epochs(count: float) -> Epochs:
    """A length in epochs, of a schedule whose run is yet to tell how many steps these are."""
    return Epochs(count)


#: A number of steps, or one that a run tells: of epochs, or of all the rest of it.
Length = int | Epochs | None


@dataclass(frozen=True)
class Schedule:
    """A number for every step, such as the learning rate: `at(step)`.

    Steps count from 1, as the step counter of the training graph does.

    Lengths are numbers of steps, or `epochs(10)`; `steps=None` is the rest of the run. `over` makes
    numbers of steps of them; `fit` and `minimise` call it. `0.1 * schedule` and the product of two
    schedules are schedules.
    """

    def at(self, step: int) -> float:
        """The number of step `step`, 1 for the first."""
        raise NotImplementedError

    def zero_from(self) -> int | None:
        """The step from which on the number is 0 for ever; None where none is known."""
        return None

    def over(self, steps_per_epoch: int | None, epochs: float = 1) -> Self:
        """The schedule of a run of so many epochs: every length is a number of steps.

        Raises:
            GraphError: it is to know how many steps an epoch has, and that is None.
        """
        if steps_per_epoch is None:
            self.check_resolved()
            return self
        return self._over(steps_per_epoch, max(1, round(steps_per_epoch * epochs)))

    def check_resolved(self) -> None:
        """Raise `GraphError` where a length is not a number of steps yet."""
        for name, length in self.open_lengths():
            what = "the rest of the run" if length is None else f"{length!r}"
            raise GraphError(
                f"{type(self).__name__}: {name} is {what}, which fit knows, and nobody else: give "
                "a number of steps, or take schedule.over(steps_per_epoch, epochs)"
            )

    def open_lengths(self) -> Iterator[tuple[str, Length]]:
        """Every length that is no number of steps yet, with its name."""
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Schedule):
                yield from value.open_lengths()
            elif isinstance(value, Epochs) or (value is None and f.name == "steps"):
                yield f.name, value
            elif isinstance(value, tuple):
                for part in value:
                    if isinstance(part, Schedule):
                        yield from part.open_lengths()
                    elif isinstance(part, Epochs):
                        yield f.name, part

    def _over(self, per_epoch: int, steps: int) -> Self:
        """With every length a number of steps, in a part of a run that has `steps` of them."""
        if not is_dataclass(self) or not any(True for _ in self.open_lengths()):
            return self

        def resolved(name: str, value: Any) -> Any:
            if isinstance(value, Schedule):
                return value._over(per_epoch, steps)
            if isinstance(value, tuple):
                return tuple(resolved("", part) for part in value)
            return steps if value is None and name == "steps" else in_steps(value, per_epoch)

        return replace(self, **{f.name: resolved(f.name, getattr(self, f.name))
                                for f in fields(self) if f.init})  # fmt: skip

    def _count(self, length: Length) -> int:
        """A length that is a number of steps. Raises `GraphError` for one that is not yet."""
        if length is None or isinstance(length, Epochs):
            self.check_resolved()
            raise AssertionError
        return length

    def _check(self, zero: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> None:
        """Raise `GraphError` unless every number is greater than 0, or at least 0 for `zero`."""
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in but or isinstance(value, Epochs) or (value is None and f.name == "steps"):
                continue
            least = "at least" if f.name in zero else "greater than"
            if not is_number(value) or value < 0 or (value == 0 and f.name not in zero):
                raise GraphError(
                    f"{type(self).__name__}: {f.name} must be a number {least} 0, found {value!r}"
                )

    def __mul__(self, other: "float | Schedule") -> "Product":

        return Product((self, other))

    __rmul__ = __mul__

    def picture(self, steps: int | None = None, title: str = "") -> "Picture":
        """Its numbers as a curve over so many steps, or over all that its lengths tell.

        A schedule that waits for a run is drawn over 10 epochs of 100 steps.
        """
        from graphcnn.learning.brief import brief
        from graphcnn.pictures.results.rates import rates_picture

        waiting = any(True for _ in self.open_lengths())
        drawn = self.over(100, 10) if waiting else self
        steps = steps or (1000 if waiting else max([*_lengths(self)] or [1000]))
        numbers = [drawn.at(step) for step in range(1, steps + 1)]
        return rates_picture(numbers, 100 if waiting else None, title or brief(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the curve, and the settings where drawings are not shown."""
        return {"image/svg+xml": self.picture().svg(), "text/plain": repr(self)}

    def draw(self, path: str | os.PathLike[str], steps: int | None = None, title: str = "") -> Path:
        """Write `picture(...)` in the format of the file's suffix."""
        return self.picture(steps, title).save(path)


@dataclass(frozen=True)
class Constant(Schedule):
    """One rate for all steps."""

    rate: float

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.rate)


@dataclass(frozen=True)
class Product(Schedule):
    """Schedules multiplied, step by step, and numbers with them: `0.1 * schedule`."""

    factors: tuple[Schedule | float, ...]

    def __post_init__(self) -> None:
        for factor in self.factors:
            if not isinstance(factor, Schedule) and (not is_number(factor) or factor < 0):
                raise GraphError(
                    "a schedule is multiplied by a number of at least 0 or by another schedule, "
                    f"found {factor!r}"
                )

    def at(self, step: int) -> float:
        numbers = (f.at(step) if isinstance(f, Schedule) else float(f) for f in self.factors)
        return math.prod(numbers)

    def zero_from(self) -> int | None:
        if 0 in self.factors:
            return 1
        found = [f.zero_from() for f in self.factors if isinstance(f, Schedule)]
        return min((step for step in found if step is not None), default=None)


@dataclass(frozen=True)
class Function(Schedule):
    """The numbers of a function of the step, which counts from 1: `SGD(lambda step: 1 / step)`."""

    function: Callable[[int], float]

    def at(self, step: int) -> float:
        found = self.function(step)
        if not is_number(found) or found < 0:
            raise GraphError(
                f"a schedule must give a number of at least 0, found {found!r} at step {step}"
            )
        return float(found)


def schedule(spec: Any) -> Schedule:
    """A schedule from itself, a constant one from a number greater than 0, or one from a function
    of the step."""
    if isinstance(spec, Schedule):
        return spec
    if callable(spec):
        return Function(spec)
    if not is_number(spec) or spec <= 0:
        raise GraphError(
            f"learning_rate must be a number greater than 0 or a Schedule, found {spec!r}; one is "
            "cnn.schedules.Cosine(0.1)"
        )
    return Constant(float(spec))


def in_steps(length: Any, per_epoch: int) -> Any:
    """A length as a number of steps, at least 1; anything else is itself."""
    return max(1, round(length.count * per_epoch)) if isinstance(length, Epochs) else length


def is_number(x: Any) -> bool:
    """A finite real number, of Python or NumPy, and not a truth value."""
    return not isinstance(x, bool) and hasattr(x, "__float__") and math.isfinite(x)


def _lengths(schedule: Schedule) -> Iterator[int]:
    """How many steps show what a schedule does: all of them, or some of its periods."""
    for f in fields(schedule):
        value = getattr(schedule, f.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Schedule):
                yield from _lengths(part)
            elif isinstance(part, int) and not isinstance(part, bool) and part > 0:
                yield part if f.name == "steps" else 4 * part
