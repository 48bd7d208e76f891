"""Which thread does what of a plan, and before which steps they meet.

A step that is worth it is divided among all threads; a small one is done whole by one thread, the
one with least to do, while the others go on. Threads meet before a step only if it touches memory
that another thread may still be at work on. Nobody's result depends on any of this: a kernel
writes the same bits into how many parts it is ever divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphcnn.ir.plan import Buffer, Plan, Step

#: A step with less work is not divided, in multiply-adds: some 5 µs, a few meetings' worth.
DIVIDED_FROM = 1 << 18


@dataclass(frozen=True)
class Turn:
    """`shares` parts of a step, done by the threads from `first` on; `meet`: all wait before it."""

    shares: int
    first: int
    meet: bool


def turns(plan: Plan, units: Sequence[int], work: Sequence[int], threads: int) -> list[Turn]:
    """The turns of all steps: `units` into which each can be divided, `work` in multiply-adds."""
    return _Turns(threads).of(plan, units, work)


def worth_dividing(units: int, work: int) -> bool:
    """Whether threads share a step of so many units."""
    return units > 1 and work >= DIVIDED_FROM


@dataclass
class _Since:
    """What happened to a buffer since the threads met, and by which threads."""

    readers: set[int] = field(default_factory=set)
    writers: set[int] = field(default_factory=set)


class _Turns:
    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.busy = [0] * threads  # work of each thread since they met
        self.since: dict[Buffer, _Since] = {}

    def of(self, plan: Plan, units: Sequence[int], work: Sequence[int]) -> list[Turn]:
        return [
            self.turn(step, many, amount)
            for step, many, amount in zip(plan.steps, units, work, strict=True)
        ]

    def turn(self, step: Step, units: int, work: int) -> Turn:
        shares = min(units, self.threads) if worth_dividing(units, work) else 1
        others = self.conflicting(step)
        meet = len(others) > 1 or (bool(others) and shares > 1)
        if meet:
            self.since.clear()
            self.busy = [0] * self.threads
        first = others.pop() if others and not meet else self.busy.index(min(self.busy))
        doing = {(first + i) % self.threads for i in range(shares)}
        for thread in doing:
            self.busy[thread] += work // shares
        for buffer in step.reads:
            self.since.setdefault(buffer, _Since()).readers |= doing
        for buffer in (*step.writes, *((step.scratch,) if step.scratch else ())):
            self.since.setdefault(buffer, _Since()).writers |= doing
        return Turn(shares, first, meet)

    def conflicting(self, step: Step) -> set[int]:
        """Threads that may be at work on memory that the step reads or writes."""
        writes = [*step.writes, *([step.scratch] if step.scratch else [])]
        found: set[int] = set()
        for buffer, since in self.since.items():
            if since.writers and any(buffer.overlaps(b) for b in (*step.reads, *writes)):
                found |= since.writers
            if since.readers and any(buffer.overlaps(b) for b in writes):
                found |= since.readers
        return found
