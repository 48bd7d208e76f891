"""Several optimisers in one step, each for parameters of its own."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, cast

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.learning.optimizers.base import AVERAGED, Optimizer, Slots
from graphcnn.learning.optimizers.groups import RATE, Groups
from graphcnn.learning.optimizers.wrapper import Wrapper
from graphcnn.learning.patterns import shared_out
from graphcnn.learning.schedules import Schedule, schedule


@dataclass(frozen=True, repr=False)
class Optimizers(Optimizer):
    """An optimiser for each set of parameters: `{"D.*": Adam(1e-4), "G.*": EMA(Adam(2e-4))}`, which
    `fit(optimizer=...)` takes as it is.

    Each has its own learning rate or schedule, its own settings, groups and averages, and clips the
    gradients that are its own. `learning_rate` is a factor on all of their rates, 1 by default: a
    number or a schedule, and what `run.learning_rate` and `fit(learning_rate=...)` set.

    Every parameter that is trained belongs to exactly one; frozen ones need none.

    Args:
        optimizers: by patterns of the names of parameters.

    Raises:
        GraphError: what is given is no pattern or no optimiser; and when it is used, a pattern that
            fits no parameter, or two that fit the same one.
    """

    optimizers: Mapping[str, Optimizer] | tuple[tuple[str, Optimizer], ...]
    learning_rate: float | Schedule = field(default=1.0, kw_only=True)
    weight_decay: float = field(init=False, default=0.0, repr=False, compare=False)
    clip_norm: float | None = field(init=False, default=None, repr=False, compare=False)
    clip_norm_each: float | None = field(init=False, default=None, repr=False, compare=False)
    clip_value: float | None = field(init=False, default=None, repr=False, compare=False)
    groups: Groups | Mapping[str, Mapping[str, Any]] = field(
        init=False, default=Groups(), repr=False, compare=False
    )
    decay_all: bool = field(init=False, default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = self.optimizers
        pairs = tuple(given.items()) if isinstance(given, Mapping) else tuple(given)
        if not pairs:
            raise GraphError("optimizer={pattern: optimiser, ...} names no parameters")
        for pattern, each in pairs:
            if not isinstance(pattern, str) or not isinstance(each, Optimizer):
                raise GraphError(
                    "several optimisers are given by patterns of names of parameters, "
                    f'{{"D.*": Adam(1e-4), ...}}, found {pattern!r}: {each!r}'
                )
            if isinstance(each, Optimizers):
                raise GraphError(f"optimizer[{pattern!r}] is several optimisers itself")
        object.__setattr__(self, "optimizers", pairs)
        super().__post_init__()

    def __repr__(self) -> str:
        said = ", ".join(f"{pattern!r}: {each!r}" for pattern, each in self.pairs)
        rate = "" if self.learning_rate == 1.0 else f", learning_rate={self.learning_rate!r}"
        return f"Optimizers({{{said}}}{rate})"

    @property
    def pairs(self) -> tuple[tuple[str, Optimizer], ...]:
        """Each pattern and its optimiser."""
        return cast(tuple[tuple[str, Optimizer], ...], self.optimizers)

    @property
    def counters(self) -> tuple[str, ...]:
        return tuple(_of(name, p) for p, each in self.pairs for name in each.counters)

    @cached_property
    def settings(self) -> dict[str, Schedule]:
        found = {}
        for pattern, each in self.pairs:
            own = {RATE: schedule(each.learning_rate), **each.settings}
            found.update({_of(name, pattern): follows for name, follows in own.items()})
        return found

    @property
    def averages(self) -> bool:
        return any(each.averages for _, each in self.pairs)

    def over(self, steps_per_epoch: int | None, epochs: float = 1) -> Self:
        own = tuple((pattern, each.over(steps_per_epoch, epochs)) for pattern, each in self.pairs)
        rate = schedule(self.learning_rate).over(steps_per_epoch, epochs)
        new = replace(self, optimizers=own)
        new = new if rate == schedule(self.learning_rate) else new.at_rate(rate)
        return self if new == self else new

    def of_each(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The names that belong to each pattern.

        Raises:
            GraphError: a pattern fits none (the message has the nearest), or two fit the same one.
        """
        return shared_out(
            {pattern: (pattern,) for pattern, _ in self.pairs},
            names,
            lambda _, pattern: f"optimizer[{pattern!r}]",
            lambda name, one, other: (
                f"{name} would be changed by two optimisers, of {one!r} and of {other!r}: each "
                "parameter has one"
            ),
        )

    def parts(self, names: Sequence[str]) -> dict[str, tuple[Optimizer, tuple[str, ...]]]:
        own = self.of_each(names)
        return {f"[{pattern}]": (each, own[pattern]) for pattern, each in self.pairs}

    def grouped(
        self, names: Mapping[str, Any] | tuple[str, ...]
    ) -> dict[str, tuple[Self, float | str]]:
        own = self.of_each(tuple(names))
        found: dict[str, tuple[Any, float | str]] = {}
        for pattern, each in self.pairs:
            for name, (rule, factor) in each.grouped(own[pattern]).items():
                found[name] = _Named(rule, each, pattern, factor), 1.0
        return found

    def rests_from(self, parameters: Mapping[str, Value]) -> dict[str, int]:
        found: dict[str, int] = {}
        for pattern, names in self.of_each(tuple(parameters)).items():
            each = dict(self.pairs)[pattern]
            own = each.rests_from({name: parameters[name] for name in names})
            zero = schedule(each.learning_rate).zero_from()
            if zero is not None and each.clip_norm is None:
                for name, (rule, _) in each.grouped(names).items():
                    if rule.stays(parameters[name]):
                        own[name] = min(zero, own.get(name, zero))
            found |= own
        return found

    def averaged_counter(self, name: str) -> str:
        return _of(AVERAGED, next(p for p, _ in self.pairs if fnmatch.fnmatch(name, p)))

    def describe(self, parameters: Mapping[str, Array]) -> str:
        own = self.of_each(tuple(parameters))
        left = [name for names in own.values() for name in names]
        lines = []
        for pattern, each in self.pairs:
            lines.append(f"{pattern}:")
            shown = _Part({name: parameters[name] for name in own[pattern]})
            shown.undecayed = getattr(parameters, "undecayed", ())
            lines += [f"  {line}" for line in each.describe(shown).splitlines()]
        if len(left) < len(parameters):
            others = (name for name in parameters if name not in left)
            lines.append(f"without an optimiser: {', '.join(others)}")
        return "\n".join(lines)

    def decay_of(self, rank: int, decays: bool = True) -> float:
        return max(each.decay_of(rank, decays) for _, each in self.pairs)


class _Part(dict[str, Array]):
    """Some of the parameters, with which of them do not decay."""

    undecayed: Sequence[str] = ()


def _of(name: str, pattern: str) -> str:
    """What a setting or counter of one of several optimisers is called among those of all."""
    return f"{name}[{pattern}]"


@dataclass(frozen=True, repr=False)
class _Named(Wrapper):
    """A rule of one of several optimisers, `whole`: it finds its rate, settings and counters by
    their names among all.

    Attributes:
        factor: on its rate, a number or the name of what follows a schedule.
    """

    whole: Optimizer
    pattern: str
    factor: float | str

    @property
    def own_slots(self) -> tuple[str, ...]:
        return ()

    def stays(self, parameter: Value) -> bool:
        return self.optimizer.stays(parameter)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        names = (*self.whole.counters, *self.whole.settings)
        own = {name: slots[_of(name, self.pattern)] for name in names}
        rate = learning_rate * slots[_of(RATE, self.pattern)]
        if self.factor != 1:
            rate = rate * (own[self.factor] if isinstance(self.factor, str) else self.factor)
        given = {**slots, **own}
        new, moved = self.optimizer.update(parameter, gradient, given, rate, step)
        counters = self.whole.counters
        return new, {_of(n, self.pattern) if n in counters else n: v for n, v in moved.items()}
