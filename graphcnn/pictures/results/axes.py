"""Axes of charts: which numbers are marked, and where a number lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Numbers whose largest is so many times the least are drawn on a logarithmic scale.
_MANY_TIMES: Final = 100.0


@dataclass(frozen=True)
class Axis:
    """A scale from `low`, at the pixel `start`, to `high`, at `end`; linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> "Axis":
        """A scale that holds all values, from a marked number to a marked one.

        It is logarithmic where all are positive and the largest is more than 100 times the least.
        """
        low, high = min(values), max(values)
        if low > 0 and high / low > _MANY_TIMES:
            return cls(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)),
                       start, end, True)  # fmt: skip
        if low == high:
            room = abs(low) * 0.1 or 1.0
            low, high = low - room, high + room
        step = _step(high - low)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step, start, end)

    def place(self, value: float) -> float:
        """The pixel of a number."""
        if self.log:
            share = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """The marked numbers, about five of them."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            each = max(1, -(-(last - first) // 5))
            return [10.0**power for power in range(first, last + 1, each)]
        step = _step(self.high - self.low)
        count = round((self.high - self.low) / step)
        return [self.low + i * step for i in range(count + 1)]

    def words(self, value: float) -> str:
        """A marked number as it is written: `0.25`, `1e-05`."""
        if not self.log and abs(value) < 1e-9 * (self.high - self.low):
            return "0"
        digits = 4
        if not self.log:  # so many that neighbours differ
            most = max(abs(self.low), abs(self.high))
            digits = max(4, math.ceil(math.log10(most / _step(self.high - self.low))) + 1)
        text = f"{value:.{digits}g}"
        return text.replace("-", "−", 1) if value < 0 else text


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that about five steps fill the span."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(m * power for m in (1, 2, 5, 10) if m * power * 6 >= span)


def whole_ticks(count: int, most: int) -> list[int]:
    """Of the numbers 1 to `count` the multiples of a round number, at most `most`, and 1."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            found = [i for i in range(step, count + 1, step)]
            if len(found) <= most:
                return found if step == 1 else [1, *found]
        power *= 10
