"""Lists of tensors, and tensors that may be absent, while importing.

A sequence exists only then: how many elements it has is known, and what is done to it becomes
nodes of the graph for its elements.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value
from graphcnn.onnx.importing.context import Call, Known, Operand, imports, reshaped
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.shape import Concat


@dataclass(eq=False)
class SequenceItems(Known):
    """A sequence, or (`absent`) an optional without a value."""

    array: Array = field(default_factory=lambda: np.empty(0, object))
    items: tuple[Operand, ...] = ()
    absent: bool = False

    is_tensor: ClassVar[bool] = False


def items_of(given: Any) -> Known:
    """What a caller gives for an input: an array, a list of arrays, or None."""
    if given is None:
        return SequenceItems(absent=True)
    if isinstance(given, list | tuple):
        return SequenceItems(items=tuple(Known(np.asarray(a)) for a in given))
    return Known(np.asarray(given))


def sequence(call: Call, index: int) -> SequenceItems:
    found = call.inputs[index] if index < len(call.inputs) else None
    if not isinstance(found, SequenceItems) or found.absent:
        raise ImportModelError(f"input {index} must be a sequence")
    return found


def place(call: Call, index: int, count: int) -> int:
    """An input that is a position in a sequence, from either end."""
    at = int(call.scalar(index, "the position"))
    if not -count <= at < count:
        raise ImportModelError(f"position {at} must be from {-count} to {count - 1}")
    return at % count


@imports("SequenceEmpty")
def empty(call: Call) -> SequenceItems:
    return SequenceItems()


@imports("SequenceConstruct")
def construct(call: Call) -> SequenceItems:
    return SequenceItems(items=tuple(call.given(i) for i in range(len(call.inputs))))


@imports("SequenceInsert")
def insert(call: Call) -> SequenceItems:
    old = list(sequence(call, 0).items)
    at = int(call.scalar(2, "the position")) if call.has(2) else len(old)
    if not -len(old) <= at <= len(old):
        raise ImportModelError(f"position {at} must be from {-len(old)} to {len(old)}")
    old.insert(at, call.given(1))
    return SequenceItems(items=tuple(old))


@imports("SequenceErase")
def erase(call: Call) -> SequenceItems:
    old = list(sequence(call, 0).items)
    del old[place(call, 1, len(old)) if call.has(1) else -1]
    return SequenceItems(items=tuple(old))


@imports("SequenceAt")
def at(call: Call) -> Operand:
    items = sequence(call, 0).items
    return items[place(call, 1, len(items))]


@imports("SequenceLength")
def length(call: Call) -> Array:
    return np.array(len(sequence(call, 0).items), np.int64)


@imports("Optional")
def optional(call: Call) -> Operand:
    found = call.inputs[0] if call.inputs else None
    return SequenceItems(absent=True) if found is None else found


@imports("OptionalHasElement")
def has_element(call: Call) -> Array:
    found = call.inputs[0] if call.inputs else None
    return np.array(found is not None and not (isinstance(found, SequenceItems) and found.absent))


@imports("OptionalGetElement")
def get_element(call: Call) -> Operand:
    found = call.inputs[0] if call.inputs else None
    if found is None or (isinstance(found, SequenceItems) and found.absent):
        raise ImportModelError("the optional holds nothing")
    return found


@imports("SplitToSequence")
def split_to_sequence(call: Call) -> SequenceItems:
    """Parts of equal or of listed sizes along an axis; of size 1, and without it, by default."""
    x = call.value(0)
    axis = call.axis(call.attribute("axis", 0), x.type.rank)
    size = size_of(x, axis)
    given = call.known(1, "the sizes of the parts") if call.has(1) else np.array(1)
    if given.ndim:
        sizes = [int(d) for d in given]
    else:
        step = int(given)
        if step < 1:
            raise ImportModelError(f"parts of size {step}, expected at least 1")
        sizes = [min(step, size - start) for start in range(0, size, step)]
    if sum(sizes) != size or min(sizes) < 1 or len(sizes) > call.limits.pieces:
        raise ImportModelError(f"the sizes {sizes[:16]} of the parts must add up to {size}")
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = [cut(x, axis, start, d) for start, d in zip(starts, sizes, strict=True)]
    if not call.has(1) and not call.attribute("keepdims", 1):
        parts = [reshaped(p, (*x.shape[:axis], *x.shape[axis + 1 :])) for p in parts]
    return SequenceItems(items=tuple(parts))


@imports("ConcatFromSequence")
def concat_from_sequence(call: Call) -> Value:
    parts = [call.store.value(p) for p in sequence(call, 0).items]
    if not parts:
        raise ImportModelError("a join of nothing")
    new = bool(call.attribute("new_axis", 0))
    axis = call.axis(call.attribute("axis", 0), parts[0].type.rank + new)
    if new:
        parts = [reshaped(p, (*p.shape[:axis], 1, *p.shape[axis:])) for p in parts]
    return parts[0] if len(parts) == 1 else Concat(axis)(*parts)
