"""Moving elements: new shapes, parts, joins, indicator vectors."""

from collections.abc import Sequence
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import (
    Dim,
    DType,
    N,
    Shape,
    affine,
    is_open,
    known_size,
    remaining_size,
    times_n,
)
from graphcnn.language.arguments import dims, ints, is_int, positive, scoped
from graphcnn.language.axes import one_axis
from graphcnn.language.errors import located
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.shape import Concat, Flatten, OneHot, Reshape, Slice, StopGradient, Transpose


@located
def flatten(x: Value, *, name: str = "") -> Value:
    """All numbers of an item in one row: (N, C, H, W) -> (N, C·H·W)."""
    return Flatten()(x, name=scoped(name, Flatten.name))


@located
def reshape(x: Value, shape: Sequence[Dim], *, name: str = "") -> Value:
    """The same elements, row-major, under another shape.

    Args:
        x: a tensor.
        shape: sizes of one item, without the batch axis, where x is a batch (N, ...); else, or
            where multiples of `N` are among them, all sizes: (4 * N, 2, 24). One of them may be
            -1: it takes what is left.

    Raises:
        GraphError: the number of elements would change.
    """
    sizes = dims(shape, "shape")
    batch = x.shape[:1] if x.shape[:1] == (N,) and not is_open(sizes) else ()
    if sizes.count(-1) > 1:
        raise GraphError(f"shape may hold -1 once, found {sizes}")
    if -1 in sizes:
        others = tuple(d for d in sizes if d != -1)
        left = remaining_size(x.shape, (*batch, *others))
        if left is None:
            raise GraphError(
                f"cannot reshape {x.type} to {sizes}: {known_size(x.shape)} elements are not "
                f"divisible by {known_size(others)}"
            )
        sizes = tuple(left if d == -1 else d for d in sizes)
    return Reshape((*batch, *sizes))(x, name=scoped(name, Reshape.name))


@located
def stop_gradient(x: Value, *, name: str = "") -> Value:
    """x itself, which a gradient takes for a constant: y = x, dx = 0."""
    return StopGradient()(x, name=scoped(name, StopGradient.name))


@located
def transpose(x: Value, perm: Sequence[int], *, name: str = "") -> Value:
    """Axis i of the result is axis `perm[i]` of x, the batch axis counted: perm (0, 2, 3, 1)
    makes (N, C, H, W) into (N, H, W, C)."""
    rank = x.type.rank
    axes = tuple(a + rank if -rank <= a < 0 else a for a in ints(perm, "perm"))
    return Transpose(axes)(x, name=scoped(name, Transpose.name))


@located
def concat(xs: Sequence[Value], axis: int = 1, *, name: str = "") -> Value:
    """The tensors one after the other along `axis`, by default the channels.

    Raises:
        GraphError: they differ in another axis, or the axis is the batch.
    """
    if isinstance(xs, Value) or not xs:
        raise GraphError("xs must be a list of at least one tensor")
    return Concat(one_axis(xs[0], axis))(*xs, name=scoped(name, Concat.name))


@located
def slice(
    x: Value,
    axis: int,
    start: Dim = 0,
    stop: Dim | None = None,
    step: int = 1,
    *,
    name: str = "",
) -> Value:
    """x[start:stop:step] along one axis, as in Python; of an axis k·N, whole multiples of N.

    Args:
        axis: negative counts from the last axis.
        start: first index; negative counts from the end.
        stop: index after the last; negative counts from the end, None is the end.
        step: distance from one taken index to the next, at least 1.

    Raises:
        GraphError: the range is empty or leaves the axis, or may do so for some N.
    """
    axis = one_axis(x, axis)
    size = x.shape[axis]
    if not isinstance(size, int):
        first, last = dims((start, size if stop is None else stop), "start and stop")
        length = _length(first, last, positive(step, "step"))
        return _part(x, axis, first, length, step, scoped(name, Slice.name))
    (start, *_), step = ints((start,), "start"), positive(step, "step")
    first = start + size if start < 0 else start
    last = size if stop is None else ints((stop,), "stop")[0]
    last = last + size if last < 0 else last
    if not 0 <= first < last <= size:
        raise GraphError(
            f"start {start} and stop {stop} take the range [{first}, {last}) of axis {axis} of "
            f"{x.type}; it must not be empty and lie in [0, {size})"
        )
    return _part(x, axis, first, -(-(last - first) // step), step, scoped(name, Slice.name))


@located
def split(x: Value, sections: int | Sequence[Dim], axis: int = 1, *, name: str = "") -> list[Value]:
    """x cut along `axis` into equal parts (`sections` an int) or parts of the given sizes.

    An axis of size k·N is cut into multiples of N.

    Raises:
        GraphError: the size is not divisible, or the sizes do not sum to it.
    """
    axis = one_axis(x, axis)
    size = x.shape[axis]
    sizes: Shape
    if is_int(sections):
        parts = positive(sections, "sections")
        if times_n(size) % parts:
            raise GraphError(f"axis {axis} of {x.type} does not split into {parts} equal parts")
        sizes = (size // parts,) * parts
    else:
        sizes = dims(sections, "sections")
        total = sum(sizes)
        if total != size or min(map(times_n, sizes)) < 1:
            raise GraphError(
                f"sections {sizes} must be at least 1 and sum to {size}, the size of axis {axis} "
                f"of {x.type}; their sum is {total}"
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    name = scoped(name, "split")
    return [_part(x, axis, s, d, 1, name) for s, d in zip(starts, sizes, strict=True)]


@located
def one_hot(labels: Value, depth: int, *, dtype: Any = "float32", name: str = "") -> Value:
    """y[..., k] = 1 where k is the label, else 0: (N,) -> (N, depth). Labels are integers."""
    op = OneHot(positive(depth, "depth"), DType.of(dtype))
    return op(as_labels(labels), name=scoped(name, op.name))


def as_labels(labels: Value) -> Value:
    """Integer labels of any width as i64; other types are left for the operator to refuse."""
    if labels.dtype in (DType.UINT8, DType.INT32):
        return Cast(DType.INT64)(labels)
    return labels


def _length(first: Dim, last: Dim, step: int) -> Dim:
    """Elements from `first` to before `last`, every `step`-th, along an axis k·N."""
    if not all(d >= 0 for d in (first, last) if isinstance(d, int)):
        raise GraphError(f"the end of a batch axis is unknown: found start {first}, stop {last}")
    (a, b), (c, d) = affine(last), affine(first)
    if a < c:
        raise GraphError(f"{last} - {first} is no size for every N")
    count = -(-(b - d) // step)
    return (a - c) * N // step + count if a > c else count


def _part(x: Value, axis: int, start: Dim, size: Dim, step: int, name: str) -> Value:
    """`size` elements of one axis, and all of the others."""
    starts: list[Dim] = [0] * x.type.rank
    sizes, steps = list(x.shape), [1] * x.type.rank
    starts[axis], sizes[axis], steps[axis] = start, size, step
    return Slice(tuple(starts), tuple(sizes), tuple(steps))(x, name=name)
