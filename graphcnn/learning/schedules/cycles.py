"""Rates that rise and fall."""

import math
from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.learning.schedules.base import Epochs, Length, Schedule


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to `peak` over the part `rise` of the steps, then down to `last` with the last of them.

    Both ways go along half a cosine wave, or with `linear=True` along a straight line. The first
    rate is peak / 25 unless `first` tells another, the last one first / 10000 unless `last` does.
    L. Smith, N. Topin, arXiv:1708.07120, with the lengths of PyTorch's `OneCycleLR`.

    Momentum goes the other way: `SGD(OneCycle(0.4), momentum=OneCycle(0.85, first=0.95,
    last=0.95))`.
    """

    peak: float
    steps: Length = None
    rise: float = 0.3
    first: float | None = None
    last: float | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        unset = [name for name in ("first", "last") if getattr(self, name) is None]
        self._check(zero=("last",), but=("rise", "linear", *unset))
        if not 0 < self.rise < 1:
            raise GraphError(f"OneCycle: rise must be between 0 and 1, found {self.rise!r}")

    def at(self, step: int) -> float:
        steps = self._count(self.steps)
        first = self.peak / 25 if self.first is None else self.first
        last = first / 1e4 if self.last is None else self.last
        top, end = self.rise * steps - 1, steps - 1  # in steps before this one, as is `done`
        done = min(step - 1, end)
        if done <= top:
            return self._between(first, self.peak, done / top if top > 0 else 1.0)
        return self._between(self.peak, last, (done - top) / (end - top))

    def zero_from(self) -> int | None:
        return self._count(self.steps) if self.last == 0 else None

    def _between(self, start: float, end: float, p: float) -> float:
        if self.linear:
            return float(start + (end - start) * p)
        return float(end + (start - end) * (1 + math.cos(math.pi * p)) / 2)


@dataclass(frozen=True)
class Triangular(Schedule):
    """From `low` to `high` in `up` steps and back in `down` (as many, unless told), repeated.

    After every cycle the height is multiplied by `shrink`: 0.5 is Smith's "triangular2". L. Smith,
    arXiv:1506.01186.
    """

    low: float
    high: float
    up: int | Epochs = 1000
    down: int | Epochs | None = None
    shrink: float = 1.0

    def __post_init__(self) -> None:
        self._check(zero=("low",), but=() if self.down is not None else ("down",))
        if self.low >= self.high:
            raise GraphError(f"Triangular: low {self.low} must be less than high {self.high}")

    def at(self, step: int) -> float:
        up = self._count(self.up)
        down = up if self.down is None else self._count(self.down)
        cycle, done = divmod(step - 1, up + down)
        height = done / up if done <= up else (up + down - done) / down
        return float(self.low + (self.high - self.low) * height * self.shrink**cycle)


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine wave from `initial` down to `final`, again and again (arXiv:1608.03983).

    The first takes `period` steps, each next one `growth` times those of the one before.
    """

    initial: float
    period: int | Epochs
    growth: int = 1
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check(zero=("final",))

    def at(self, step: int) -> float:
        done, period = step - 1, self._count(self.period)
        if self.growth == 1:
            done %= period
        while done >= period:
            done, period = done - period, period * self.growth
        wave = (1 + math.cos(math.pi * done / period)) / 2
        return float(self.final + (self.initial - self.final) * wave)
