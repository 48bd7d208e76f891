"""Using a trained model: predicting, measuring."""

from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.normalisation import check_labels, check_targets
from graphcnn.objective import TARGET, Metrics, Objective, with_loss
from graphcnn.runner import Runner
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.data.numpy_files import arrays
from graphcnn.tensor_type import TensorType

if TYPE_CHECKING:
    from graphcnn.model import Model

#: A data set, or a pair (images, targets) of arrays.
Data = Dataset | tuple[Any, Any]


def as_dataset(data: Data, model: "Model") -> Dataset:
    """A `Dataset` whose images fit the model. Raises `DataError` where they do not."""
    if not isinstance(data, Dataset):
        if not isinstance(data, tuple) or len(data) != 2:
            raise DataError(
                f"data must be a Dataset or a pair (images, targets), found {type(data).__name__}"
            )
        data = arrays(*data)
    shape = model.graph.inputs[0].shape[1:]
    if len(shape) == 3 and data.image_shape != shape:
        raise DataError(
            f"{model.name} takes images (C, H, W) = {shape}, but {data.name!r} has "
            f"{data.image_shape}"
        )
    return data


def predict(model: "Model", images: Any, batch_size: int, runner: Runner) -> dict[str, Array]:
    """All outputs by name, batch after batch."""
    name = model.graph.inputs[0].node.name
    feeds = (
        {name: model.prepare(images[i : i + batch_size])}
        for i in range(0, max(1, len(images)), batch_size)
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
    dataset = as_dataset(data, model)
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


def targets_for(model: "Model", kind: TensorType, targets: Any) -> Array:
    """Targets of type `kind`; labels must lie within the classes of the prediction."""
    if kind.dtype.is_float:
        return check_targets(targets).astype(kind.dtype.numpy, copy=False)
    prediction = next(iter(model.graph.outputs.values())).shape
    classes = prediction[1] if len(prediction) > 1 else 2
    return check_labels(targets, classes)  # type: ignore[arg-type]
