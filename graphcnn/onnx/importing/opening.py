"""Files with a fixed batch that are asked for another one: `inputs={"x": ("N", 3, 8, 8)}`.

Numbers of the file may be this batch: `(1, 256)` in a Reshape. Where every size follows from the
inputs, the file is simply read with N. Else it is read as it is, for the batch that it declares,
and its items are followed: `graphcnn.passes.exchange.open_batch` says what is proven of the result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onnx import ModelProto

from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.analysis.batch_choices import fixed_batch
from graphcnn.errors import GraphError, ImportModelError
from graphcnn.ir.batch import FIXED, items
from graphcnn.ir.graph import Graph
from graphcnn.ir.tensor_type import format_shape, open_size
from graphcnn.onnx.importing.file.arrays import sizes_of
from graphcnn.onnx.importing.imported import Imported
from graphcnn.passes.exchange.open_batch import open_batch

Shapes = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Opening:
    """Inputs of a file that are given N, or another number, where it says one.

    Attributes:
        size: the number that the file says.
        axes: of these inputs, and of others that the file itself leaves open.
        shapes: all that were given, with the number of the file.
        number: what was given for it, None for N.
    """

    size: int
    axes: Mapping[str, int]
    shapes: Shapes
    number: int | None = None


def opening(model: ModelProto, given: Shapes) -> Opening | None:
    """What `given` changes of the batch of the file; None where it changes nothing.

    Raises `ImportModelError` where the file declares batches of several sizes.
    """
    declared = {v.name: sizes_of(v.type.tensor_type) for v in model.graph.input}
    found = _changed(declared, given)
    sizes = {key: size for key, (_, size, _) in found.items() if size is not None}
    numbers = {number for _, _, number in found.values()}
    if not sizes or len(numbers) > 1:
        return None
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"{size} of {name!r}" for name, size in sizes.items())
        raise ImportModelError(f"inputs with the batch N must have one batch size, found {each}")
    (size,), (number,) = set(sizes.values()), numbers
    axes = {name: axis for name, (axis, _, _) in found.items()}
    shapes = {key: tuple(shape) for key, shape in given.items()}
    for name, axis in axes.items():
        shapes[name] = (*shapes[name][:axis], size, *shapes[name][axis + 1 :])
    stored = {t.name for t in model.graph.initializer}
    for name in declared.keys() - given.keys() - stored:
        known = declared[name]
        if known[:1] == [None] and None not in known[1:]:
            axes[name], shapes[name] = 0, (size, *known[1:])
    return Opening(size, axes, shapes, number)


def _changed(
    declared: Mapping[str, Sequence[int | None]], given: Shapes
) -> dict[str, tuple[int, int | None, int | None]]:
    """Of inputs with another batch: its axis, what the file says of it, what was given."""
    found: dict[str, tuple[int, int | None, int | None]] = {}
    for name, shape in given.items():
        known = declared.get(name, ())
        if len(known) != len(shape) or not known:
            continue
        open_ = [axis for axis, d in enumerate(shape) if _is_open(d)]
        if len(open_) > 1:
            return {}  # which is told where the inputs are read
        if open_:
            found[name] = (open_[0], known[open_[0]], None)
        elif known[0] not in (None, shape[0]):
            found[name] = (0, known[0], int(shape[0]))
    return found


def _is_open(d: Any) -> bool:
    return open_size(d) is not None


def opened(
    wanted: Opening, given: Shapes, read: Callable[[Shapes, int | None], Imported]
) -> Imported:
    """The model with N items, by `read`, which reads it with shapes and with a number for N.

    Raises `ImportModelError` where no way to it is proven.
    """
    direct: Imported | None = None
    try:
        direct = read(given, None)
        if wanted.number is not None:
            return direct
        direct = direct if _is_proven(direct.graph) else None
        if direct and _first_axes(direct.graph) == len(direct.graph.outputs):
            return direct
    except ImportModelError as error:
        if wanted.number is not None:
            return _for_number(wanted, read, error)
    try:
        found = _opened(wanted, read)
    except ImportModelError:
        if direct is None:
            raise
        return direct
    # `(1, -1)` leaves one axis for all items, where the file means an axis of items
    nearer = direct is not None and _first_axes(direct.graph) >= _first_axes(found.graph)
    return direct if direct and nearer else found


def _for_number(
    wanted: Opening, read: Callable[[Shapes, int | None], Imported], error: ImportModelError
) -> Imported:
    """The model for another number of items, where the file itself does not take it."""
    try:
        found = _opened(wanted, read)
    except ImportModelError:
        raise error from None
    assert wanted.number is not None
    return replace(found, graph=found.graph.bind(N=wanted.number))


def _opened(wanted: Opening, read: Callable[[Shapes, int | None], Imported]) -> Imported:
    found = read(wanted.shapes, wanted.size)
    places = {v: wanted.axes[v.node.name] for v in found.graph.inputs if v.node.name in wanted.axes}
    proof = fixed_batch(found.graph, places, wanted.size, found.states)
    try:
        return replace(found, graph=open_batch(proof))
    except GraphError as error:
        name, axis = next(iter(wanted.axes.items()))
        way = (
            f"read it without inputs= and feed exactly {wanted.size}"
            if proof.pieces is None
            else f"read without inputs=, predict runs any number of items, {wanted.size} at a time"
        )
        raise ImportModelError(
            f"input {name!r} is {format_shape(tuple(wanted.shapes[name]))} in the file, of which "
            f"axis {axis} cannot become N: {error}; {way}"
        ) from None


def _is_proven(graph: Graph) -> bool:
    """Whether every item is computed apart, by one function."""
    return batch_axes(graph).mixing is None


def _first_axes(graph: Graph) -> int:
    """How many outputs have items along their first axis, or are the same for all."""
    found = batch_axes(graph).outputs.values()
    return sum(batch in (FIXED, items(0)) for batch in found)
