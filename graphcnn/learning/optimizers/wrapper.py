"""An optimiser around another."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.learning.optimizers.base import Optimizer
from graphcnn.learning.optimizers.groups import Groups
from graphcnn.learning.schedules import Epochs, Schedule
from graphcnn.learning.schedules.base import is_number


@dataclass(frozen=True, repr=False)
class Wrapper(Optimizer):
    """What goes on beside another optimiser, whose settings all are: the learning rate, groups and
    clipping of `EMA(SGD(0.1, clip_norm=1))` are those of the `SGD`."""

    learning_rate: float | Schedule = field(init=False, repr=False, compare=False)
    weight_decay: float = field(init=False, repr=False, compare=False)
    clip_norm: float | None = field(init=False, repr=False, compare=False)
    clip_norm_each: float | None = field(init=False, repr=False, compare=False)
    clip_value: float | None = field(init=False, repr=False, compare=False)
    groups: Groups | Mapping[str, Mapping[str, Any]] = field(init=False, repr=False, compare=False)
    decay_all: bool = field(init=False, repr=False, compare=False)
    optimizer: Optimizer

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise GraphError(
                f"{type(self).__name__} goes around an optimiser such as SGD(0.05), found "
                f"{self.optimizer!r}"
            )
        twice = {*self.own_slots} & {*self.optimizer.slots}
        if twice:
            raise GraphError(
                f"{type(self).__name__} goes around an optimiser that keeps {twice.pop()!r} "
                f"already: {self.optimizer!r}"
            )
        for f in fields(Optimizer):
            object.__setattr__(self, f.name, getattr(self.optimizer, f.name))

    @property
    def slots(self) -> tuple[str, ...]:
        return (*self.optimizer.slots, *self.own_slots)

    @property
    def own_slots(self) -> tuple[str, ...]:
        """Those that are added."""
        raise NotImplementedError

    def slots_of(self, parameter: Value) -> tuple[str, ...]:
        return (*self.optimizer.slots_of(parameter), *self.own_slots)

    @property
    def counters(self) -> tuple[str, ...]:
        return self.optimizer.counters

    @cached_property
    def settings(self) -> dict[str, Schedule]:
        return self.optimizer.settings

    @property
    def counts_steps(self) -> bool:
        return self.optimizer.counts_steps

    @property
    def averages(self) -> bool:
        return self.optimizer.averages

    def decay_of(self, rank: int, decays: bool = True) -> float:
        return self.optimizer.decay_of(rank, decays)

    def at_rate(self, learning_rate: float | Schedule) -> Self:
        return replace(self, optimizer=self.optimizer.at_rate(learning_rate))

    def grouped(
        self, names: Mapping[str, Any] | tuple[str, ...]
    ) -> dict[str, tuple[Self, float | str]]:
        inner = self.optimizer.grouped(names)
        return {key: (replace(self, optimizer=rule), rate) for key, (rule, rate) in inner.items()}

    def _check_length(self, name: str) -> None:
        x = getattr(self, name)
        if not isinstance(x, Epochs) and (not is_number(x) or x < 1 or x != int(x)):
            raise GraphError(
                f"{type(self).__name__}: {name} must be a whole number of steps, at least 1, or "
                f"epochs(...), found {x!r}"
            )

    def _count(self, name: str) -> int:
        """A length in steps. Raises `GraphError` where it is yet to be told by a run."""
        x = getattr(self, name)
        if isinstance(x, Epochs):
            raise GraphError(
                f"{type(self).__name__}: {name} is {x!r}, which fit knows, and nobody else: give "
                "a number of steps, or take optimizer.over(steps_per_epoch, epochs)"
            )
        return int(x)
