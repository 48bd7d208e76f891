"""Any number of items for a graph whose batch size is a number: in pieces of that size.

A piece of b items is what the file says, so nothing of it is in question; proven is where the items
stand in the outputs, and that they do not influence each other. Then the last piece may be filled
up with copies of its last item. A piece of one item is whole whatever the file computes of it. A
data set, whose items come in batches of any size, is fed to the same model with N in place of that
number.
"""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from graphcnn.analysis.batch_choices import FixedBatch, fixed_batch
from graphcnn.analysis.batch_split import Collected
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.batch import Batch, items
from graphcnn.ir.item_places import fill_items, take_items
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import Shape, format_shape, known_size
from graphcnn.network.network import Network
from graphcnn.passes.exchange.open_batch import open_batch

if TYPE_CHECKING:
    from graphcnn.compile.runner import Runner

Arrays = Mapping[str, Array]
Prepare = Callable[[Array], Array]

#: Where the items of a file with a fixed batch are.
_FIRST = items(0)


def cut_inputs(runner: "Runner", feeds: Arrays) -> tuple[Value, ...]:
    """The inputs that are fed another number of items than the graph is made for.

    An input that is fed exactly what it takes is whole: it is the same for every piece. A vector
    alone is no batch of its numbers; beside items it has one for each.
    """
    if not runner.is_bound:
        return ()
    cut = tuple(v for v in runner.graph.inputs if _has_others(feeds[v.node.name], v.shape))
    return cut if any(v.type.rank > 1 for v in cut) else ()


def _has_others(array: Array, shape: Shape) -> bool:
    """Whether these are items for an input, if not as many as it takes."""
    if not shape or not array.ndim or not len(array) or len(array) == shape[0]:
        return False
    grey = len(shape) == 4 and shape[1] == 1 and array.shape[1:] == shape[2:]
    return array.shape[1:] == shape[1:] or grey


def run_pieces(
    runner: "Runner", feeds: Arrays, cut: tuple[Value, ...], states: Arrays, prepare: Prepare
) -> dict[str, Array]:
    """All outputs for the items of the inputs `cut`, each as its piece has it alone.

    Args:
        prepare: what becomes of the first input before it is fed.

    Raises:
        DataError: the inputs differ in their numbers of items, or items meet; the node is named.
    """
    found = _proven(runner, feeds, cut, states)
    size, count, first = found.size, _count(feeds, cut), next(iter(feeds))
    names = {v.node.name for v in cut}
    whole = {key: array for key, array in feeds.items() if key not in names}
    if first in whole:
        whole[first] = prepare(whole[first])
    places = found.pieces or {}
    together = Collected(places)
    for start in range(0, count, size):
        stop = min(start + size, count)
        piece = {key: take_items(feeds[key], _FIRST, start, stop) for key in names}
        if first in piece:
            piece[first] = prepare(piece[first])
        full = {key: fill_items(array, _FIRST, size) for key, array in piece.items()}
        outputs, _ = runner.run({**whole, **full}, states)
        together.add(_first_items(outputs, places, found.size, stop - start), stop - start)
    return together.results()


def _first_items(outputs: Arrays, places: Mapping[str, Batch], size: int, count: int) -> Arrays:
    if count == size:
        return outputs
    return {
        key: take_items(array, places[key], 0, count) if places[key].is_items else array
        for key, array in outputs.items()
    }


def _proven(runner: "Runner", feeds: Arrays, cut: tuple[Value, ...], states: Arrays) -> FixedBatch:
    """The proof for these inputs, kept by the runner."""
    name = runner.graph.name
    found = runner.fixed.get(cut)
    if found is None or not found.holds(states):
        sizes = {v.node.name: v.shape[0] for v in cut}
        if len(set(sizes.values())) > 1:
            given = ", ".join(f"{len(feeds[key])} of {key}" for key in sizes)
            wanted = ", ".join(f"{size} of {key}" for key, size in sizes.items())
            raise DataError(f"{name} takes {wanted}, no batches of one size: found {given}")
        size = known_size((next(iter(sizes.values())),))
        found = fixed_batch(runner.graph, dict.fromkeys(cut, 0), size, states)
        runner.fixed[cut] = found
    if found.pieces is None:
        v, count = cut[0], len(feeds[cut[0].node.name])
        raise DataError(
            f"{name} is made for batches of {found.size}, input {v.node.name!r} being "
            f"{format_shape(v.shape)}, and {count} items cannot run in pieces of that: "
            f"{found.reason}; feed exactly {found.size}"
        )
    return found


def _count(feeds: Arrays, cut: tuple[Value, ...]) -> int:
    counts = {v.node.name: len(feeds[v.node.name]) for v in cut}
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{count} of {key}" for key, count in counts.items())
        raise DataError(f"the inputs must have equally many items, found {given}")
    return next(iter(counts.values()))


def opened_model(model: Network) -> Network:
    """The model with N items in place of a number, sharing its states; itself where N is open.

    Raises `DataError` where that is not proven to be the same function of every item.
    """
    graph = model.graph
    sizes = {v.shape[0] if v.type.rank > 1 else None for v in graph.inputs}
    size = next(iter(sizes), None)
    if not graph.is_bound or len(sizes) != 1 or not isinstance(size, int):
        return model
    proof = fixed_batch(graph, dict.fromkeys(graph.inputs, 0), size, model.states.snapshot())
    try:
        opened = open_batch(proof)
    except GraphError as error:
        raise DataError(
            f"the items of a data set are fed one by one, but {graph.name} is made for batches of "
            f"{size}, which cannot be cut: {error}"
        ) from None
    made = copy.copy(model)
    made.graph = opened
    return made
