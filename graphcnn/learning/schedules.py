"""Learning rates that change while training. Plain numbers; nothing here builds a graph.

Steps count from 1, as the step counter of the training graph does.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

from graphcnn.errors import GraphError


@dataclass(frozen=True)
class Schedule:
    """The learning rate of every step: `at(step)`."""

    def at(self, step: int) -> float:
        """The rate of step `step`, 1 for the first."""
        raise NotImplementedError

    def _check(self, zero: tuple[str, ...] = ()) -> None:
        """Raise `GraphError` unless every field is greater than 0, or at least 0 for `zero`."""
        for f in fields(self):
            value = getattr(self, f.name)
            least = "at least" if f.name in zero else "greater than"
            if not is_number(value) or value < 0 or (value == 0 and f.name not in zero):
                raise GraphError(
                    f"{type(self).__name__}: {f.name} must be a number {least} 0, found {value!r}"
                )


@dataclass(frozen=True)
class Constant(Schedule):
    """One rate for all steps."""

    rate: float

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.rate)


@dataclass(frozen=True)
class Step(Schedule):
    """initial · factor^floor((step - 1) / every): a staircase."""

    initial: float
    factor: float = 0.1
    every: int = 1000

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.initial * self.factor ** ((step - 1) // self.every))


@dataclass(frozen=True)
class Exponential(Schedule):
    """initial · factor^((step - 1) / every): the staircase as a smooth curve."""

    initial: float
    factor: float = 0.1
    every: int = 1000

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.initial * self.factor ** ((step - 1) / self.every))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave from `initial` down to `final` (arXiv:1608.03983).

    rate = final + (initial - final) · (1 + cos(π·p)) / 2
    p    = (step - 1 - warmup) / (steps - warmup), at most 1

    The first `warmup` steps rise in equal parts, initial · step / warmup. After `steps` steps the
    rate stays at `final`.
    """

    initial: float
    steps: int
    warmup: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check(zero=("warmup", "final"))
        if self.warmup >= self.steps:
            raise GraphError(f"Cosine: warmup {self.warmup} must be less than steps {self.steps}")

    def at(self, step: int) -> float:
        if step <= self.warmup:
            return self.initial * step / self.warmup
        p = min(1.0, (step - 1 - self.warmup) / (self.steps - self.warmup))
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * p)) / 2


def schedule(spec: Any) -> Schedule:
    """A schedule from itself, or a constant one from a number greater than 0."""
    if isinstance(spec, Schedule):
        return spec
    if not is_number(spec) or spec <= 0:
        raise GraphError(
            f"learning_rate must be a number greater than 0 or a Schedule, found {spec!r}"
        )
    return Constant(float(spec))


def is_number(x: Any) -> bool:
    """A finite real number, of Python or NumPy, and not a truth value."""
    return not isinstance(x, bool) and hasattr(x, "__float__") and math.isfinite(x)
