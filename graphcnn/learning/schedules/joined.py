"""Schedules made of others: one after the other, and with a warm-up."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from graphcnn.errors import GraphError
from graphcnn.learning.schedules.base import (
    Epochs,
    Length,
    Schedule,
    in_steps,
    is_number,
    schedule,
)


@dataclass(frozen=True)
class Join(Schedule):
    """Schedules one after the other; each counts its own steps from 1.

    `starts` are the lengths of the run after which the second begins, the third, and so on. Where a
    part says `steps=None`, these are all that it has: the last one has the rest of the run.
    """

    parts: tuple[Schedule, ...]
    starts: tuple[int | Epochs, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(map(schedule, self.parts)))
        object.__setattr__(self, "starts", tuple(self.starts))
        if len(self.parts) != len(self.starts) + 1:
            raise GraphError(
                f"join: {len(self.parts)} schedules have {len(self.parts) - 1} places where one "
                f"follows another, found at={self.starts!r}"
            )
        wrong = [x for x in self.starts if not isinstance(x, Epochs) and not is_number(x)]
        told = [x for x in self.starts if is_number(x)]
        if wrong or any(b <= a for a, b in pairwise((0, *told))):  # type: ignore[operator]
            raise GraphError(f"join: at= must be lengths that grow, found {self.starts!r}")

    def at(self, step: int) -> float:
        begins = [0, *map(self._count, self.starts)]
        i = sum(step > begin for begin in begins) - 1
        return self.parts[i].at(step - begins[i])

    def zero_from(self) -> int | None:
        found, begin = self.parts[-1].zero_from(), self._count(self.starts[-1])
        return None if found is None else begin + found

    def open_lengths(self) -> Iterator[tuple[str, Length]]:
        """Those of the places and of the parts."""
        for start in self.starts:
            if isinstance(start, Epochs):
                yield "at", start
        for part in self.parts:
            yield from part.open_lengths()

    def _over(self, per_epoch: int, steps: int) -> Self:
        starts = tuple(in_steps(start, per_epoch) for start in self.starts)
        lengths = [max(1, b - a) for a, b in pairwise((0, *starts, steps))]
        parts = [p._over(per_epoch, n) for p, n in zip(self.parts, lengths, strict=True)]
        return type(self)(tuple(parts), starts)


def join(*parts: float | Schedule, at: Any) -> Join:
    """Schedules one after the other: `join(Linear(0.01, 0.1), Cosine(0.1), at=epochs(5))`.

    Args:
        parts: schedules, or numbers for constant ones.
        at: the length of the run after which the second begins, or all such lengths.
    """
    several = isinstance(at, tuple | list)
    return Join(tuple(map(schedule, parts)), tuple(at) if several else (at,))


@dataclass(frozen=True)
class Warmup(Schedule):
    """The first `steps` steps rise in equal parts to where `then` begins; then come its own.

    rate = start + (then.at(1) - start) · step / steps     where step <= steps
    rate = then.at(step - steps)                           after that
    """

    then: Schedule
    length: int | Epochs
    start: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "then", schedule(self.then))
        self._check(zero=("start",), but=("then",))

    def at(self, step: int) -> float:
        length = self._count(self.length)
        if step > length:
            return self.then.at(step - length)
        return self.start + (self.then.at(1) - self.start) * step / length

    def zero_from(self) -> int | None:
        found = self.then.zero_from()
        return None if found is None else self._count(self.length) + found

    def _over(self, per_epoch: int, steps: int) -> Self:
        length = in_steps(self.length, per_epoch)
        return type(self)(self.then._over(per_epoch, max(1, steps - length)), length, self.start)


def warmup(then: float | Schedule, steps: int | Epochs, start: float = 0.0) -> Warmup:
    """A schedule after a rise to its beginning: `warmup(Cosine(0.1), epochs(2))`."""
    return Warmup(schedule(then), steps, start)
