"""Lookahead."""

from dataclasses import dataclass

from graphcnn.ir.node import Value
from graphcnn.language.elementwise import equal, remainder, where
from graphcnn.learning.optimizers.base import Slots
from graphcnn.learning.optimizers.wrapper import Wrapper

SLOW, TAKEN = "slow", "taken"


@dataclass(frozen=True, repr=False)
class Lookahead(Wrapper):
    """Every few steps of another optimiser, back to a part of the way (M. Zhang et al.,
    arXiv:1907.08610): `Lookahead(SGD(0.1), every=5, alpha=0.5)`.

    slow += alpha · (p - slow), p = slow     after steps every, 2·every, 3·every, ...

    The slow weights begin with those before the first step; the slots of the other optimiser go on
    as they are.

    Slots: those of the other optimiser, and slow.
    """

    every: int = 5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_length("every")
        self._check("alpha", 0, open_below=True)

    @property
    def own_slots(self) -> tuple[str, ...]:
        return (SLOW,)

    @property
    def counters(self) -> tuple[str, ...]:
        return (*self.optimizer.counters, TAKEN)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        new, moved = self.optimizer.update(parameter, gradient, slots, learning_rate, step)
        taken = slots[TAKEN]
        count = taken + 1
        due = equal(remainder(count, self._count("every")), 0)
        slow = where(equal(taken, 0), parameter, slots[SLOW])
        slow = where(due, slow + (new - slow) * self.alpha, slow)
        return where(due, slow, new), {**moved, SLOW: slow, TAKEN: count}
