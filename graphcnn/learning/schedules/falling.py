"""Rates that fall, by steps or along a curve. p is the part of `steps` done, (step - 1) / steps,
at most 1: after `steps` steps the rate stays where it is."""

import math
from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.learning.schedules.base import Epochs, Length, Schedule, is_number


@dataclass(frozen=True)
class Step(Schedule):
    """initial · factor^floor((step - 1) / every): a staircase."""

    initial: float
    factor: float = 0.1
    every: int | Epochs = 1000

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.initial * self.factor ** ((step - 1) // self._count(self.every)))


@dataclass(frozen=True)
class Steps(Schedule):
    """initial · factor^(how many of the milestones are done): a staircase of one's own lengths.

    A milestone is a number of steps, or of `epochs`: `Steps(0.1, (epochs(30), epochs(60)))`.
    """

    initial: float
    milestones: tuple[int | Epochs, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        if is_number(self.milestones) or isinstance(self.milestones, Epochs | str):
            raise GraphError(
                f"Steps: milestones must be several numbers of steps, found {self.milestones!r}"
            )
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self._check(but=("milestones",))
        if not all(isinstance(m, Epochs) or (is_number(m) and m > 0) for m in self.milestones):
            raise GraphError(
                f"Steps: milestones must be numbers greater than 0, found {self.milestones!r}"
            )

    def at(self, step: int) -> float:
        done = sum(step > self._count(milestone) for milestone in self.milestones)
        return float(self.initial * self.factor**done)


@dataclass(frozen=True)
class Exponential(Schedule):
    """initial · factor^((step - 1) / every): the staircase as a smooth curve."""

    initial: float
    factor: float = 0.1
    every: int | Epochs = 1000

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        return float(self.initial * self.factor ** ((step - 1) / self._count(self.every)))


@dataclass(frozen=True)
class Linear(Schedule):
    """initial + (final - initial) · p: a straight line, down or up."""

    initial: float
    final: float = 0.0
    steps: Length = None

    def __post_init__(self) -> None:
        self._check(zero=("initial", "final"))

    def at(self, step: int) -> float:
        p = min(1.0, (step - 1) / self._count(self.steps))
        return float(self.initial + (self.final - self.initial) * p)

    def zero_from(self) -> int | None:
        return None if self.final else self._count(self.steps) + 1


@dataclass(frozen=True)
class Polynomial(Schedule):
    """final + (initial - final) · (1 - p)^power."""

    initial: float
    steps: Length = None
    power: float = 2.0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check(zero=("final",))

    def at(self, step: int) -> float:
        p = min(1.0, (step - 1) / self._count(self.steps))
        return float(self.final + (self.initial - self.final) * (1 - p) ** self.power)

    def zero_from(self) -> int | None:
        return None if self.final else self._count(self.steps) + 1


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave from `initial` down to `final` (arXiv:1608.03983).

    rate = final + (initial - final) · (1 + cos(π·p)) / 2
    p    = (step - 1 - warmup) / (steps - warmup), at most 1

    The first `warmup` steps rise in equal parts, initial · step / warmup. After `steps` steps the
    rate stays at `final`.
    """

    initial: float
    steps: Length = None
    warmup: int | Epochs = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check(zero=("warmup", "final"))
        if is_number(self.steps) and is_number(self.warmup) and self.warmup >= self.steps:  # type: ignore[operator]
            raise GraphError(f"Cosine: warmup {self.warmup} must be less than steps {self.steps}")

    def at(self, step: int) -> float:
        steps, warmup = self._count(self.steps), self._count(self.warmup)
        if step <= warmup:
            return self.initial * step / warmup
        p = min(1.0, (step - 1 - warmup) / (steps - warmup))
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * p)) / 2

    def zero_from(self) -> int | None:
        return None if self.final else self._count(self.steps) + 1


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """peak · min(step / warmup, sqrt(warmup / step)): up in equal parts, then down for ever.

    A. Vaswani et al., arXiv:1706.03762, section 5.3, with the largest rate as the first argument.
    """

    peak: float
    warmup: int | Epochs = 1

    def __post_init__(self) -> None:
        self._check()

    def at(self, step: int) -> float:
        warmup = self._count(self.warmup)
        return float(self.peak * min(step / warmup, math.sqrt(warmup / step)))
