"""Using a trained model: predicting, measuring."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.analysis.batch_split import BatchSplit, Collected
from graphcnn.compile.runner import Runner
from graphcnn.data.batch_parts import items_of
from graphcnn.data.dataset import Dataset
from graphcnn.data.prefetching import drawn
from graphcnn.data.streams import Stream
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.item_places import take_items
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import is_open, item_axis
from graphcnn.learning.aim import Losses
from graphcnn.learning.metrics import Measure, Metrics
from graphcnn.learning.metrics.base import numbers
from graphcnn.learning.objective import measures_of, tell_losses, with_loss
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import (
    Data,
    as_dataset,
    at_least_one,
    check_has_inputs,
    feeds_for,
    item_feeds,
    own_labels,
)
from graphcnn.network.network import Network
from graphcnn.network.pieces import cut_inputs, opened_model, run_pieces
from graphcnn.network.views import viewed_model
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.reference import Reference

#: Items that `predict` runs at a time, where they may be cut apart.
PIECE = 256
#: Bytes of scores that are kept at most, where a metric needs those of all items.
MOST_KEPT = 2**31
#: Where the results of all operators are kept.
PIECE_OF_ALL = 32


def predict(
    model: Network, images: Any, batch_size: int | None, runner: Runner
) -> dict[str, Array]:
    """All outputs by name: of pieces of the batch, joined where items stand, or of the whole.

    Raises `DataError` where pieces are asked for and outputs depend on all items together.
    """
    if batch_size is not None:
        batch_size = at_least_one(batch_size, "batch_size")
    feeds = feeds_for(model, images)
    count = runner.count(feeds)
    first = next(iter(feeds), None)
    size = _piece(model, runner, count, batch_size)
    states = model.states.snapshot()  # all pieces with those of one moment
    cut = cut_inputs(runner, feeds)
    if cut:
        return _own(runner, run_pieces(runner, feeds, cut, states, model.prepare))
    if size >= count:
        if first is not None:
            feeds[first] = model.prepare(feeds[first])
        return _own(runner, runner.run(feeds, states)[0])
    together = Collected(runner.axes.outputs)
    for start in range(0, count, size):
        stop = min(start + size, count)
        piece = {
            key: take_items(array, runner.item_places[key], start, stop)
            if key in runner.item_places
            else array
            for key, array in feeds.items()
        }
        piece[first] = model.prepare(piece[first])  # type: ignore[index]
        together.add(runner.run(piece, states)[0], stop - start)
    return _own(runner, together.results())


def activations(
    model: Network, images: Any, batch_size: int | None, execution: Execution
) -> dict[str, Array]:
    """The results of all operators by name, of pieces of the batch. See `Model.activations`."""
    runner = model.runner_of("all", lambda: _everything(model.graph), execution)
    if batch_size is None and runner.joints:
        batch_size = PIECE_OF_ALL
    return predict(model, images, batch_size, runner)


def _everything(graph: Graph) -> Graph:
    """The result of every input and operator as an output of its name."""
    own = {*graph.operations, *(v.node for v in graph.inputs)}
    return graph.with_outputs({n.name: n.output for n in graph.nodes if n in own})


def _piece(model: Network, runner: Runner, count: int, batch_size: int | None) -> int:
    """How many items run at a time. Raises `DataError` where they cannot be cut apart so."""
    size = PIECE if batch_size is None else batch_size
    if count <= size or runner.joints:
        return size
    if batch_size is None:
        return count
    mixing = runner.axes.mixing
    assert mixing is not None
    raise DataError(
        f"{model.name} cannot predict {count} items {batch_size} at a time, because its outputs "
        f"depend on all items of a batch: {runner.axes.reason(mixing)}; without batch_size they "
        "run all at once"
    )


def _own(runner: Runner, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs in arrays of their own: the reference may give parts of what was fed."""
    if runner.execution.runtime != "reference":
        return dict(outputs)
    return {key: np.array(array, order="C") for key, array in outputs.items()}


def evaluate(
    model: Network,
    data: Data,
    loss: Losses | None,
    batch_size: int,
    metrics: Metrics,
    execution: Execution = NATIVE,
    targets: Any = None,
    tta: str | None = None,
) -> dict[str, float]:
    """Loss and metrics of all items; `totals` says how. None is cross-entropy.

    A model whose batch size is a number is measured as the same function of every item, which must
    be proven. Raises `DataError` where it is not.
    """
    return measured(model, data, loss, batch_size, metrics, execution, targets, tta).numbers


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a model: the totals of all outputs of the graph, and what makes numbers
    of those of metrics."""

    model: Network
    data: Dataset
    totals: Mapping[str, Array]
    measures: Mapping[str, Measure]

    @property
    def numbers(self) -> dict[str, float]:
        """Loss and metrics by name."""
        return numbers(self.measures, self.totals, self.model.classes or self.data.classes)


#: Adds outputs to a graph with a loss, given the model, the data set and the loss; names those that
#: have a row for each item.
More = Callable[[Network, Dataset, Losses, Graph], tuple[Graph, Sequence[str]]]


def measured(
    model: Network,
    data: Data,
    loss: Losses | None,
    batch_size: int,
    metrics: Metrics,
    execution: Execution,
    targets: Any,
    tta: str | None = None,
    more: More | None = None,
) -> Measured:
    """As `evaluate`, with all that `more` asks for besides."""
    batch_size = at_least_one(batch_size, "batch_size")
    check_has_inputs(model)
    model = opened_model(model)
    if tta is not None:
        model = viewed_model(model, tta)
    check_measurable(model.graph)
    dataset = as_dataset(data, model, loss=loss or "cross_entropy", targets=targets)
    if loss is None and dataset.first_labels.dtype.kind == "f":
        raise DataError(
            f"no loss is known of {model.name}, and the one of class numbers does not take floats: "
            "give evaluate(..., loss=...)"
        )
    loss = loss or "cross_entropy"
    tell_losses(model.graph, loss)
    types = fed_types(loss, model.graph, dataset.target_sample, dataset.weights)
    graph = with_loss(model.graph, loss, metrics, types)
    measures = measures_of(loss, model.graph, metrics)
    kept = collecting(measures)
    if more is not None:
        graph, others = more(model, dataset, loss, graph)
        kept = (*kept, *others)
    found = totals(model, Runner(graph, execution), dataset, batch_size, kept)
    return Measured(model, dataset, found, measures)


def check_measurable(graph: Graph) -> None:
    """Raise `DataError` unless there is a prediction for every item that is fed."""
    name, prediction = next(iter(graph.outputs.items()))
    if item_axis(prediction.shape) is None:
        raise DataError(
            f"the items of a data set are measured one by one, but output {name!r} of {graph.name} "
            f"is {prediction.type}: it must have one batch axis N"
        )


def measure(
    model: Network,
    runner: Runner,
    data: Dataset,
    batch_size: int,
    measures: Mapping[str, Measure],
    states: Mapping[str, Array] | None = None,
) -> dict[str, float]:
    """The numbers that a graph with a loss gives of all items of a data set, which `measures` make
    of its outputs; see `totals`."""
    found = totals(model, runner, data, batch_size, collecting(measures), states)
    return numbers(measures, found, model.classes or data.classes)


def collecting(measures: Mapping[str, Measure]) -> tuple[str, ...]:
    """The names of those that need all items at once."""
    return tuple(name for name, each in measures.items() if each.collects)


def totals(
    model: Network,
    runner: Runner,
    data: Dataset,
    batch_size: int,
    kept: Sequence[str] = (),
    states: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """The outputs of a graph with a loss, of all items of a data set.

    The items run `batch_size` at a time, and nothing depends on that: means over the items are
    weighted by the sizes of the batches, sums are added up, whole numbers as such and floats in
    float64. Of an output that is neither (a ratio of sums), what it is made of is put together from
    all batches first, and it is computed once: see `graphcnn.analysis.batch_split`. What is `kept`
    has a row for each item. `states` are those of the model, or others in their place. Raises
    `DataError` where what is kept is more than fits.
    """
    head, split = runner.parts
    states = model.states.snapshot() if states is None else states
    wanted, collected = Targets.of(runner.graph, model.graph.outputs), Collected(split.kinds)
    count = 0
    with drawn(data.epoch(None, 0, batch_size), data.costly) as batches:
        for inputs, *targets in batches:
            if isinstance(data, Stream):
                targets[0] = own_labels(targets[0], model)
            feeds = {**item_feeds(model, inputs), **wanted.feeds(*targets)}
            results, items = head.run(feeds, states)[0], items_of((inputs, *targets))
            count += items
            for key in kept:
                _refuse_to_keep(key, results[key], items, data.known_count or count)
            collected.add(results, items)
    found = collected.totals()
    if split.tail is not None:
        found |= _of_the_whole(runner, split, collected.results(), states, count)
    return {key: found[key] for key in runner.graph.outputs}


def _refuse_to_keep(key: str, array: Array, some: int, count: int) -> None:
    """Raise `DataError` where rows like these, of all items, are too many to keep."""
    room = array.nbytes // max(some, 1) * count
    if room > MOST_KEPT:
        raise DataError(
            f"metric {key!r} ranks all {count:,} items at once, whose scores take "
            f"{room / 2**30:.1f} GiB: more than {MOST_KEPT / 2**30:.0f} GiB are not kept; measure "
            "fewer items"
        )


def _of_the_whole(
    runner: Runner,
    split: BatchSplit,
    parts: Mapping[str, Array],
    states: Mapping[str, Array],
    count: int,
) -> dict[str, Array]:
    """The outputs of the tail: compiled where it is heavy, else by the reference."""
    tail = split.tail
    assert tail is not None
    feeds = {v.node.name: parts[v.node.name] for v in tail.inputs}
    heavy = any(node.op.anchor for node in tail.nodes)
    try:
        if heavy and any(is_open(v.shape) for v in tail.inputs):
            outputs, _ = runner.like(tail).run(feeds, states)
        else:
            outputs, _ = Reference(tail.bind(N=count)).run(feeds, states)
    except MemoryError:
        value = next(v for v in runner.graph.outputs.values() if runner.axes[v].is_mixed)
        raise GraphError(
            f"{runner.graph.name} is measured over all {count} items at once, for which the memory "
            f"does not suffice, because {runner.axes.reason(value)}; measure fewer items"
        ) from None
    return dict(outputs)
