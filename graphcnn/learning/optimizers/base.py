"""What an optimiser is: the settings that all have, and the update of one parameter as nodes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import State
from graphcnn.ir.tensor_type import DType
from graphcnn.learning.optimizers.groups import RATE, Groups, assigned, table
from graphcnn.learning.schedules import Epochs, Schedule, schedule
from graphcnn.learning.schedules.base import in_steps, is_number
from graphcnn.ops.elementwise import as_type

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture

Slots = dict[str, Value]


#: The slot of the mean of a parameter, and the counter of what it is made of.
AVERAGE, AVERAGED = "average", "averaged"
#: Of a setting that is told, by `repr` and in checkpoints, only where it is not the default.
QUIET = {"quiet": True}
_NO_GROUPS = Groups()


def told(owner: Any) -> dict[str, Any]:
    """The settings of an optimiser by name, without options that are not used."""
    found = {f.name: (f, getattr(owner, f.name)) for f in fields(owner) if f.init}
    return {
        name: value
        for name, (f, value) in found.items()
        if not f.metadata.get("quiet") or value != f.default
    }


@dataclass(frozen=True, repr=False)
class Optimizer:
    """`learning_rate` is a number, a `Schedule`, or a function of the step.

    Attributes:
        weight_decay: wd of the formulas. It pulls kernels and matrices towards 0; biases, and the
            gamma and beta of normalisations, are left alone, unless `decay_all` says otherwise.
        clip_norm: c scales all gradients so that their common norm is at most c, before anything
            else happens: min(1, c / (norm + 1e-6)).
        clip_norm_each: the same for each gradient by its own norm.
        clip_value: every element is moved into [-c, c]. Only one of the three can be set.
        groups: other settings for some parameters, by patterns of their names:
            {"head.*": {"learning_rate": 10, "weight_decay": 0}, "*.bias": {...}}. `learning_rate`
            is a factor there, a number or a schedule, which the rate of all is multiplied by; all
            else replaces the setting of that name. The first pattern that
            fits wins; one that fits nothing is an error. A weight decay in a group is that of all
            its parameters, biases too. `describe` tells who is where.
        decay_all: weight decay for parameters of one axis and of norms, too.

    `suggested_rate` and `suggested_momentum` of a class suit small networks: `suggested` takes them
    where nobody says another, as the command line does. None is the default of the class.
    """

    suggested_rate: ClassVar[float | None] = None
    suggested_momentum: ClassVar[float | None] = None
    #: Whether p' = p - lr·(...): at a rate of 0 a parameter stays, whatever its gradient is.
    stays_at_zero: ClassVar[bool] = False

    learning_rate: float | Schedule
    _: KW_ONLY
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_norm_each: float | None = field(default=None, metadata=QUIET)
    clip_value: float | None = field(default=None, metadata=QUIET)
    groups: Groups | Mapping[str, Mapping[str, Any]] = field(default=_NO_GROUPS, metadata=QUIET)
    decay_all: bool = field(default=False, metadata=QUIET)

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", _rate(self.learning_rate))
        self._check_truths()
        self._check("weight_decay", 0)
        clips = [n for n in ("clip_norm", "clip_norm_each", "clip_value") if getattr(self, n) is not
                 None]  # fmt: skip
        for name in clips:
            self._check(name, 0, open_below=True)
        if len(clips) > 1:
            raise GraphError(f"{type(self).__name__}: only one of {' and '.join(clips)} can be set")
        if not isinstance(self.groups, Groups):
            object.__setattr__(self, "groups", Groups(self.groups))
        self._check_groups()

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in told(self).items())
        return f"{type(self).__name__}({said})"

    @classmethod
    def suggested(cls, **settings: Any) -> Self:
        """One with these settings, and for the others with what its class suggests."""
        found = {"learning_rate": cls.suggested_rate, "momentum": cls.suggested_momentum}
        return cls(**{key: x for key, x in found.items() if x is not None} | settings)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the tensors, one of each per parameter and of its shape, kept between steps."""
        return ()

    def slots_of(self, parameter: Value) -> tuple[str, ...]:
        """Those of one parameter."""
        return self.slots

    @property
    def counters(self) -> tuple[str, ...]:
        """Names of whole numbers that the updates of all parameters share, 0 at first."""
        return ()

    @cached_property
    def settings(self) -> dict[str, Schedule]:
        """What follows a schedule besides the learning rate, such as the momentum."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != RATE}
        own = {name: value for name, value in found.items() if isinstance(value, Schedule)}
        return own | self._groups.schedules

    @property
    def averages(self) -> bool:
        """Whether a running mean of the parameters is kept beside them, in the slot `average`."""
        return False

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, 1 for the first."""
        return schedule(self.learning_rate).at(step)

    def at_rate(self, learning_rate: float | Schedule) -> Self:
        """With another learning rate."""
        return replace(self, learning_rate=learning_rate)

    def over(self, steps_per_epoch: int | None, epochs: float = 1) -> Self:
        """With the schedules and lengths of a run of so many epochs; see `Schedule.over`."""

        def resolved(value: Any) -> Any:
            if isinstance(value, Schedule | Optimizer | Groups):
                return value.over(steps_per_epoch, epochs)
            if isinstance(value, Epochs) and steps_per_epoch is not None:
                return in_steps(value, steps_per_epoch)
            return value

        changed = {f.name: resolved(getattr(self, f.name)) for f in fields(self) if f.init}
        new: Self = replace(self, **changed)
        return self if new == self else new

    def grouped(
        self, names: Mapping[str, Any] | tuple[str, ...]
    ) -> dict[str, tuple[Self, float | str]]:
        """For each parameter its optimiser and the factor on its learning rate, or the name of that
        among `settings`, where it follows a schedule.

        Raises:
            GraphError: a pattern of `groups` fits none of the names; the message has the nearest.
        """
        patterns = assigned(self._groups, tuple(names), type(self).__name__)
        rules = {pattern: self._of_group(pattern) for pattern in {*patterns.values()}}
        return {name: rules[pattern] for name, pattern in patterns.items()}

    @property
    def counts_steps(self) -> bool:
        """Whether the step that updates are told is to be that of the run, and not how often they
        were made."""
        return False

    def parts(self, names: Sequence[str]) -> "dict[str, tuple[Optimizer, tuple[str, ...]]]":
        """Who clips the gradients of which parameters, by what stands behind the name of their
        norm."""
        return {"": (self, tuple(names))}

    def averaged_counter(self, name: str) -> str:
        """The counter of what the average of a parameter is made of."""
        return AVERAGED

    def rests_from(self, parameters: Mapping[str, Value]) -> dict[str, int]:
        """The parameters that come to rest, each with the step from which on none changes it: the
        factor of its group has fallen to 0 for good. Gradients need not be computed of it then.

        None do where the gradients of all are scaled by their common norm.
        """
        zero = {name: rate.zero_from() for name, rate in self._groups.schedules.items()}
        if self.clip_norm is not None or not any(zero.values()):
            return {}
        found = {}
        for name, (rule, factor) in self.grouped(tuple(parameters)).items():
            first = zero.get(factor) if isinstance(factor, str) else None
            if first is not None and rule.stays(parameters[name]):
                found[name] = first
        return found

    def stays(self, parameter: Value) -> bool:
        """Whether a parameter stays where it is at a learning rate of 0."""
        # Not inherited: a class made of this one may update in another way.
        return bool(vars(type(self)).get("stays_at_zero", False))

    def describe(self, parameters: Mapping[str, Array]) -> str:
        """Which parameters are in which group, and what is set there, as a table.

        `parameters` are `model.parameters`.
        """
        return table(self, self._groups, parameters)

    def picture(self, shape: tuple[int, ...] = (16, 8, 3, 3), title: str = "") -> "Picture":
        """The update of a parameter of this shape: every operator with what it reads, and the
        formula."""
        from graphcnn.learning.brief import brief
        from graphcnn.learning.optimizers.drawing import formula, update_graph
        from graphcnn.pictures.results.updates import update_picture

        return update_picture(update_graph(self, shape), title or brief(self), formula(self))

    def draw(
        self,
        path: str | os.PathLike[str],
        shape: tuple[int, ...] = (16, 8, 3, 3),
        title: str = "",
    ) -> Path:
        """Write `picture(...)` in the format of the file's suffix."""
        return self.picture(shape, title).save(path)

    def decays(self, parameter: Value) -> bool:
        """Whether weight decay applies: to matrices and kernels; see `is_weight`."""
        return bool(self.decay_of(parameter.type.rank, is_weight(parameter)))

    def decay_of(self, rank: int, decays: bool = True) -> float:
        """The weight decay of a parameter of so many axes, and whether it was made to have one."""
        return self.weight_decay if self.decay_all or (decays and rank >= 2) else 0.0

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        """(new parameter, new slots and counters) after one step.

        Args:
            slots: one value for each name of `slots_of`, of the parameter's type; for each of
                `counters`, i64[]; and for each of `settings`, f32[].
            learning_rate: f32[].
            step: i64[], counting from 1.
        """
        raise NotImplementedError

    def _decayed(self, parameter: Value, gradient: Value) -> Value:
        """g + wd·p: the gradient of the loss plus wd/2 times the sum of all squared weights."""
        return gradient + parameter * self.weight_decay if self.decays(parameter) else gradient

    def _shrunk(self, parameter: Value, learning_rate: Value) -> Value:
        """p - lr·wd·p: weight decay that no statistics of the gradient see."""
        if not self.decays(parameter):
            return parameter
        return parameter - as_type(learning_rate, parameter.dtype) * self.weight_decay * parameter

    def _setting(self, name: str, slots: Slots, dtype: DType) -> Any:
        """A number, or where it follows a schedule the value of this step."""
        number = getattr(self, name)
        return as_type(slots[name], dtype) if isinstance(number, Schedule) else number

    @property
    def _groups(self) -> Groups:
        assert isinstance(self.groups, Groups)
        return self.groups

    def _of_group(self, pattern: str) -> tuple[Self, float | str]:
        settings, factor = dict(self._groups.get(pattern, {})), self._groups.factor(pattern)
        settings.pop(RATE, None)
        if "weight_decay" in settings:
            settings.setdefault("decay_all", True)
        if not self._groups:
            return self, 1.0
        new: Self = replace(self, **{"groups": Groups(), **settings})
        return new, factor

    def _check_groups(self) -> None:
        known = {f.name for f in fields(self) if f.init and not f.name.startswith("clip_")}
        self._groups.check(type(self).__name__, known - {"groups"})
        for pattern in self._groups:
            try:
                self._of_group(pattern)
            except GraphError as error:
                raise GraphError(f"groups[{pattern!r}]: {error}") from None

    def _check(
        self, name: str, low: float, high: float | None = None, open_below: bool = False
    ) -> None:
        """Raise `GraphError` unless low <= field < high (low < field where `open_below`)."""
        x = getattr(self, name)
        if is_number(x) and (x > low or (x == low and not open_below)):
            if high is None or x < high:
                return
        least = f"greater than {low}" if open_below else f"at least {low}"
        most = "" if high is None else f" and less than {high}"
        raise GraphError(
            f"{type(self).__name__}: {name} must be a number {least}{most}, found {x!r}"
        )

    def _check_truths(self) -> None:
        """Raise `GraphError` for a text or a number where the setting is True or False."""
        for each in fields(self):
            x = getattr(self, each.name) if each.init and each.type is bool else True
            if not isinstance(x, bool | np.bool_):
                raise GraphError(
                    f"{type(self).__name__}: {each.name} must be True or False, found {x!r}"
                )

    def _check_scheduled(self, name: str) -> None:
        """Raise `GraphError` unless a field is at least 0 and less than 1, or a schedule."""
        x = getattr(self, name)
        if callable(x):
            object.__setattr__(self, name, schedule(x))
        elif not isinstance(x, Schedule):
            self._check(name, 0, 1)


def is_weight(parameter: Value) -> bool:
    """Whether it is a matrix or kernel: of two and more axes, and not made with `decays=False`, as
    the scales and shifts of norms."""
    op = parameter.node.op
    return parameter.type.rank >= 2 and (not isinstance(op, State) or op.decays)


def _rate(rate: Any) -> float | Schedule:
    """A learning rate as it is kept: numbers stay numbers."""
    found = schedule(rate)
    return found if callable(rate) else rate
