"""Using a trained model: predicting, measuring."""

from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.feeding import Data, as_dataset, at_least_one, feeds_for, targets_for
from graphcnn.ir import Array
from graphcnn.objective import TARGET, Metrics, Objective, with_loss
from graphcnn.runner import Runner
from graphcnn.runtime.data.dataset import Dataset

if TYPE_CHECKING:
    from graphcnn.model import Model


def predict(model: "Model", images: Any, batch_size: int, runner: Runner) -> dict[str, Array]:
    """All outputs by name, batch after batch."""
    batch_size = at_least_one(batch_size, "batch_size")
    (first, array), *others = feeds_for(model, images)
    feeds = (
        {first: model.prepare(array[i : i + batch_size])}
        | {name: each[i : i + batch_size] for name, each in others}
        for i in range(0, max(1, len(array)), batch_size)
    )
    results = [runner.run(feed, model.states)[0] for feed in feeds]
    return {key: np.concatenate([r[key] for r in results]) for key in model.graph.outputs}


def evaluate(
    model: "Model",
    data: Data,
    loss: str | Objective,
    batch_size: int,
    metrics: Metrics,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
) -> dict[str, float]:
    """Loss and metrics as means over all items, summed in float64."""
    dataset, batch_size = as_dataset(data, model), at_least_one(batch_size, "batch_size")
    graph = with_loss(model.graph, loss, metrics)
    runner = Runner(graph, runtime, threads, precision, tune)
    return measure(model, runner, dataset, batch_size)


def measure(model: "Model", runner: Runner, data: Dataset, batch_size: int) -> dict[str, float]:
    """Means of the scalar outputs of a graph with a loss over a data set."""
    name = model.graph.inputs[0].node.name
    kind = next(v.type for v in runner.graph.inputs if v.node.name == TARGET)
    totals = dict.fromkeys(runner.graph.outputs, 0.0)
    for images, targets in data.batches(batch_size):
        feeds = {name: model.prepare(images), TARGET: targets_for(model, kind, targets)}
        outputs, _ = runner.run(feeds, model.states)
        for key, value in outputs.items():
            totals[key] += float(value) * len(images)
    return {key: total / len(data) for key, total in totals.items()}
