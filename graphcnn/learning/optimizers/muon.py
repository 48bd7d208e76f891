"""Muon."""

from dataclasses import dataclass, field, replace
from typing import Self

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.language.arguments import is_int
from graphcnn.language.dense import matmul
from graphcnn.language.elementwise import maximum
from graphcnn.language.shape import reshape
from graphcnn.learning.optimizers.adam import AdamW
from graphcnn.learning.optimizers.base import QUIET, Optimizer, Slots, is_weight
from graphcnn.learning.optimizers.norms import norm
from graphcnn.learning.schedules import Schedule
from graphcnn.learning.schedules.base import is_number
from graphcnn.ops.elementwise import as_type

#: a, b, c of x ↦ a·x + b·x³ + c·x⁵, which moves every x of (0, 1] to somewhere near 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
_OTHERS = AdamW(0.015, 0.9, 0.95, 1e-10, weight_decay=0.0)


@dataclass(frozen=True, repr=False)
class Muon(Optimizer):
    """Momentum, made orthogonal (K. Jordan, https://kellerjordan.github.io/posts/muon, 2024).

    v = m·v + (1 - m)·g       u = m·v + (1 - m)·g, or v without nesterov
    p -= lr·wd·p              decoupled, as in AdamW
    p -= lr · sqrt(max(1, rows / columns)) · orthogonal(u)

    where u is a matrix, and a kernel (O, I, kh, kw) the matrix (O, I·kh·kw). `orthogonal` sets all
    singular values to about 1 by `steps` steps of Newton and Schulz, in the parameter's type (the
    authors take bfloat16):

    X = u / max(‖u‖, 1e-7)    A = X·Xᵀ     X = 3.4445·X + (-4.775·A + 2.0315·A²)·X

    With `normalised` the matrices keep their length: p *= sqrt(rows) / max(‖p‖, 1e-7) before
    the update, so that the learning rate alone says how far they turn, as where batch norm follows
    (airbench94).

    Parameters of one axis, scales and shifts of norms, and those of groups with
    {"orthogonal": False} (the authors advise so for the last layer), are updated by `others`, whose
    learning rate is a factor on that of Muon.

    Slot: velocity (v); of the others theirs.
    """

    suggested_rate = 0.02

    learning_rate: float | Schedule = 0.02
    momentum: float | Schedule = 0.95
    nesterov: bool = True
    steps: int = 5
    normalised: bool = field(default=False, metadata=QUIET)
    others: Optimizer = field(default=_OTHERS, metadata=QUIET)
    orthogonal: bool = field(default=True, metadata=QUIET)

    def __post_init__(self) -> None:
        self._check_scheduled("momentum")
        if not is_int(self.steps) or self.steps < 1:
            raise GraphError(f"Muon: steps must be an int of at least 1, found {self.steps!r}")
        other = self.others
        if not isinstance(other, Optimizer) or not is_number(other.learning_rate) or other.counters:
            raise GraphError(
                "Muon: others must be an optimiser whose learning rate is a number, a factor on "
                f"that of Muon, found {other!r}"
            )
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",)

    def slots_of(self, parameter: Value) -> tuple[str, ...]:
        return self.slots if self._takes(parameter) else self.others.slots_of(parameter)

    @property
    def settings(self) -> dict[str, Schedule]:
        return self.others.settings | super().settings

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        if not self._takes(parameter):
            rate = learning_rate * self.others.learning_rate
            return self.others.update(parameter, gradient, slots, rate, step)
        m = self._setting("momentum", slots, parameter.dtype)
        part = gradient * (1 - m)
        v = slots["velocity"] * m + part
        direction = v * m + part if self.nesterov else v
        rows = int(parameter.shape[0])  # type: ignore[arg-type]
        matrix = reshape(direction, (rows, -1))
        columns = int(matrix.shape[1])  # type: ignore[arg-type]
        rate = as_type(learning_rate, parameter.dtype)
        if rows > columns:
            rate = rate * (rows / columns) ** 0.5
        turned = reshape(orthogonal(matrix, self.steps), parameter.shape)
        if self.normalised:
            parameter = parameter * (rows**0.5 / maximum(norm(parameter), 1e-7))  # of zeros 0
        return self._shrunk(parameter, learning_rate) - rate * turned, {"velocity": v}

    def stays(self, parameter: Value) -> bool:
        return not self.normalised if self._takes(parameter) else self.others.stays(parameter)

    def decay_of(self, rank: int, decays: bool = True) -> float:
        taken = self.orthogonal and decays and rank >= 2
        return super().decay_of(rank) if taken else self.others.decay_of(rank, decays)

    def _of_group(self, pattern: str) -> tuple[Self, float | str]:
        """A weight decay of a group is that of all in it, whoever updates them."""
        new, factor = super()._of_group(pattern)
        settings = self._groups.get(pattern, {})
        if "weight_decay" in settings and "others" not in settings:
            others = replace(new.others, weight_decay=new.weight_decay, decay_all=new.decay_all)
            new = replace(new, others=others)
        return new, factor

    def _takes(self, parameter: Value) -> bool:
        return self.orthogonal and is_weight(parameter)


def orthogonal(x: Value, steps: int) -> Value:
    """A matrix of about the same singular vectors whose singular values are about 1."""
    a, b, c = QUINTIC
    tall = int(x.shape[0]) > int(x.shape[1])  # type: ignore[arg-type]
    x = x / maximum(norm(x), 1e-7)
    for _ in range(steps):  # on the shorter side, where the squares are smaller
        square = matmul(x, x, transpose_a=tall, transpose_b=not tall)
        polynomial = square * b + matmul(square, square) * c
        x = x * a + (matmul(x, polynomial) if tall else matmul(polynomial, x))
    return x
