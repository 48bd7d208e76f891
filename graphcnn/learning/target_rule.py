"""What a graph with a loss takes as targets: type and shape, and which numbers.

Which numbers are allowed is read off the graph. Operators that look a label up, or whose formula
holds for a range only, say so (`Op.limits`); where such an operand is computed from the target
alone, number by number (a cast, `t - 1`, 0 in place of a label that is left out), that little
computation is done with each number found in the data. So labels from 1 on are right for a loss
that subtracts 1, and 255 is right for one that leaves 255 out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from graphcnn.data.normalisation import (
    as_numbers,
    batch_shape,
    check_labels,
    check_targets,
    refuse_labels,
    same_numbers,
    squeezed,
)
from graphcnn.errors import DataError
from graphcnn.ir.evaluate import Evaluator, Results, between, results_of
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ir.tensor_type import TensorType, open_axes
from graphcnn.ops.comparison import Equal, NotEqual
from graphcnn.ops.loss import Probabilities

#: The name of the input that a graph with a loss has for them.
TARGET = "target"
#: The name of the input for how much each item counts in the loss.
WEIGHTS = "weights"
#: Labels this far apart are looked up in a table; others are gone through one by one.
_TABLE = 1 << 16
#: Sums of probabilities in float32 differ from 1 by less.
_ROUNDING = 1e-3


@dataclass
class TargetRule:
    """The check of targets on their way into one graph, its `target` being of type `kind`."""

    kind: TensorType
    target: Value
    #: Values computed from the target alone that have limits: smallest and largest number.
    limited: list[tuple[Value, int, int]]
    #: Numbers that the graph compares with the target.
    compared: list[int]
    #: The axis along which the targets are probabilities that sum to 1.
    shared: int | None = None
    _known: dict[Any, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, name: str = TARGET) -> "TargetRule":
        """The rule of a graph with an input of this name."""
        target = next(v for v in graph.inputs if v.node.name == name)
        derived, numbers = {target}, set()
        limited: dict[tuple[Value, int, int], None] = {}
        compared: list[int] = []
        shared: int | None = None
        for node in graph.nodes:
            if isinstance(node.op, Probabilities) and node.inputs[0] is target:
                shared = node.op.axis if node.op.axis >= 0 else shared
            for at, (low, high) in node.op.limits(*(v.type for v in node.inputs)).items():
                if node.inputs[at] in derived:
                    limited[node.inputs[at], low, high] = None
            if isinstance(node.op, Constant) and node.op.array.size == 1:
                numbers.add(node.output)
            alone = all(v in derived or v in numbers for v in node.inputs)
            if node.op.elementwise and alone and any(v in derived for v in node.inputs):
                derived.update(node.outputs)
                if isinstance(node.op, Equal | NotEqual) and not target.dtype.is_float:
                    constants = (v.node.op for v in node.inputs)
                    compared += [int(c.array.item()) for c in constants if isinstance(c, Constant)]
        return cls(target.type, target, [*limited], compared, shared)

    @cached_property
    def classes(self) -> int | None:
        """The number of classes: one more than the largest label that all operators take."""
        return min(high for _, _, high in self.limited) + 1 if self.limited else None

    @cached_property
    def ignored(self) -> tuple[int, ...]:
        """Labels that no class has, which the graph compares with and leaves out."""
        of_no_class = (i for i in dict.fromkeys(self.compared) if not 0 <= i < (self.classes or 0))
        return tuple(i for i in of_no_class if self.limited and self.accepts(i))

    def accepts(self, number: int | float) -> bool:
        """Whether every limit holds where the target is this number."""
        if number not in self._known:
            self._known[number] = all(
                low <= _computed(value, self.target, number) <= high
                for value, low, high in self.limited
            )
        return self._known[number]

    def check(self, targets: Any) -> Array:
        """The targets as an array of the right type, whose first axis counts the items.

        Raises:
            DataError: another shape or element type, or a number that the loss does not take.
        """
        make = self._floats if self.kind.dtype.is_float else self._labels
        return make(targets, self._item)

    @cached_property
    def _item(self) -> tuple[int, ...]:
        """The shape of the target of one item."""
        shape = self.kind.shape
        batch = (open_axes(shape) or (0,))[0]
        return tuple(d for axis, d in enumerate(shape) if axis != batch and isinstance(d, int))

    def _floats(self, targets: Any, item: tuple[int, ...]) -> Array:
        found, wanted = as_numbers(targets), batch_shape(item)
        if found.dtype.kind in "iu":
            one_hot = self._one_hot(found, item)
            found = self._zeros_and_ones(found, item, wanted) if one_hot is None else one_hot
        found = check_targets(found)
        if found.shape[1:] != item:
            hint = same_numbers(found.shape[1:], item)
            raise DataError(f"targets must have the shape {wanted}, found {found.shape}{hint}")
        if self.limited and found.size:
            for number in (float(found.min()), float(found.max())):
                if not self.accepts(number):
                    row, *place = (int(i) for i in np.argwhere(found == number)[0])
                    at = f" at {tuple(place)}" if place else ""
                    raise DataError(
                        f"targets must lie in {self._range()}, found {number:g} in row {row}{at}"
                    )
        if self.shared is not None and found.size:
            self._check_sums(found)
        return found.astype(self.kind.dtype.numpy, copy=False)

    def _check_sums(self, found: Array) -> None:
        """Refuse probabilities of the classes that do not sum to 1, but for rounding."""
        sums = found.sum(axis=self.shared, dtype=np.float64)
        wrong = abs(sums - 1) > _ROUNDING
        if wrong.any():
            row, *place = (int(i) for i in np.argwhere(wrong)[0])
            at = f" at {tuple(place)}" if place else ""
            raise DataError(
                "soft labels must sum to 1 over the classes, found the sum "
                f"{sums[(row, *place)]:g} in row {row}{at}"
            )

    def _one_hot(self, found: Array, item: tuple[int, ...]) -> Array | None:
        """Class numbers where soft labels are taken: all of an item is of one class."""
        axis = self.shared
        if axis is None or axis < 1 or found.shape[1:] != (*item[: axis - 1], *item[axis:]):
            return None
        classes = item[axis - 1]
        check_labels(found, classes, found.shape[1:])
        return np.moveaxis(np.eye(classes, dtype=np.float32)[found], -1, axis)

    def _range(self) -> str:
        value, low, high = self.limited[0]
        return f"[{low}, {high}]" if value is self.target else "what the loss takes"

    def _zeros_and_ones(self, found: Array, item: tuple[int, ...], wanted: str) -> Array:
        """Whole numbers for a loss of probabilities, where they can mean nothing else."""
        probabilities = any((low, high) == (0, 1) for _, low, high in self.limited)
        if probabilities and squeezed(found.shape[1:]) == squeezed(item) and found.ndim:
            if ((found == 0) | (found == 1)).all():
                return found.astype(self.kind.dtype.numpy).reshape(len(found), *item)
        hint = "the loss of class numbers is cross_entropy, and .astype(np.float32) makes floats"
        if probabilities:
            hint = f"a whole number for each must be 0 or 1; {hint}"
        raise DataError(
            f"this loss takes floats {wanted}, found integers {np.shape(found)}: {hint}"
        )

    def _labels(self, labels: Any, item: tuple[int, ...]) -> Array:
        labels = as_numbers(labels)
        if self.classes is not None and all(value is self.target for value, _, _ in self.limited):
            return check_labels(labels, self.classes, item)
        array = check_labels(labels, None, item)
        if self.classes is not None and array.size:
            wrong = ~self._accepted(array)
            if wrong.any():
                taken = self._taken(self.classes)
                refuse_labels(array, wrong, self.classes, self.ignored, taken)
        return array

    def _taken(self, classes: int) -> str:
        """The labels of classes as ranges, such as 1..3 of a loss that subtracts 1 before it looks
        one of three up; nothing where they lie farther off."""
        known = {i for i in range(2 * classes) if self.accepts(i) and i not in self.ignored}
        begins = sorted(i for i in known if i - 1 not in known)
        ends = sorted(i for i in known if i + 1 not in known)
        return ", ".join(
            str(a) if a == b else f"{a}..{b}" for a, b in zip(begins, ends, strict=True)
        )

    def _accepted(self, array: Array) -> Array:
        low, high = int(array.min()), int(array.max())
        if high - low < _TABLE:
            table = np.array([self.accepts(i) for i in range(low, high + 1)])
            accepted: Array = np.ones((), bool) if table.all() else table[array - low]
            return np.broadcast_to(accepted, array.shape)
        values, places = np.unique(array, return_inverse=True)
        found: Array = np.array([self.accepts(int(i)) for i in values])[places]
        return found.reshape(array.shape)


def _computed(value: Value, target: Value, number: int | float) -> float:
    """`value` where the target is this number everywhere."""
    known: dict[Value, Array] = {target: np.asarray(number, target.dtype.numpy)}

    def one(node: Node, operands: Sequence[Array]) -> Results:
        return tuple(np.asarray(y).reshape(()) for y in results_of(node, operands))

    with np.errstate(all="ignore"):
        found = Evaluator(between(known, [value]), {value}).run(known, one)
    return float(found[value])
