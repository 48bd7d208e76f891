"""Using a trained model: predicting, measuring."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.language.arguments import is_int
from graphcnn.normalisation import as_array, batch_shape, check_items, check_labels, check_targets
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


def at_least_one(x: Any, name: str) -> int:
    """`x` as an int. Raises `DataError` unless it is a whole number of at least 1."""
    if not is_int(x) or x < 1:
        raise DataError(f"{name} must be at least 1, and whole, found {x!r}")
    return int(x)


def predict(model: "Model", images: Any, batch_size: int, runner: Runner) -> dict[str, Array]:
    """All outputs by name, batch after batch."""
    batch_size = at_least_one(batch_size, "batch_size")
    (first, array), *others = _feeds(model, images)
    feeds = (
        {first: model.prepare(array[i : i + batch_size])}
        | {name: each[i : i + batch_size] for name, each in others}
        for i in range(0, max(1, len(array)), batch_size)
    )
    results = [runner.run(feed, model.states)[0] for feed in feeds]
    return {key: np.concatenate([r[key] for r in results]) for key in model.graph.outputs}


def _feeds(model: "Model", images: Any) -> list[tuple[str, Array]]:
    """An array for every input, with equally many items; the first is still to be prepared."""
    if isinstance(images, np.ndarray) and images.ndim and len(model.graph.inputs) == 1:
        return [(model.graph.inputs[0].node.name, images)]
    inputs = {value.node.name: value.type for value in model.graph.inputs}
    first, *others = inputs
    given = images if isinstance(images, Mapping) else {first: images}
    if given.keys() != inputs.keys():
        found = ", ".join(map(str, given)) if given is images else "one array"
        raise DataError(f"{model.name} takes a dict with {', '.join(inputs)}, found {found}")
    arrays = {first: np.atleast_1d(as_array(given[first], "images"))}
    arrays.update({name: check_items(given[name], inputs[name]) for name in others})
    if len(set(map(len, arrays.values()))) > 1:
        sizes = ", ".join(f"{len(array)} of {name}" for name, array in arrays.items())
        raise DataError(f"the inputs must have equally many items, found {sizes}")
    return [*arrays.items()]


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


def targets_for(model: "Model", kind: TensorType, targets: Any) -> Array:
    """Targets of type `kind`; labels must lie within the classes of the prediction."""
    item = tuple(int(d) for d in kind.shape[1:] if isinstance(d, int))
    if kind.dtype.is_float:
        wanted = batch_shape(item)
        if np.asarray(targets).dtype.kind in "iu":
            raise DataError(
                f"this loss takes floats {wanted}, found integers {np.shape(targets)}: the loss "
                "of class numbers is cross_entropy, and .astype(np.float32) makes floats"
            )
        found = check_targets(targets)
        if found.shape[1:] != item:
            raise DataError(f"targets must have the shape {wanted}, found {found.shape}")
        return found.astype(kind.dtype.numpy, copy=False)
    prediction = next(iter(model.graph.outputs.values())).shape
    classes = prediction[1] if len(prediction) > 1 else 2
    return check_labels(targets, classes, item)  # type: ignore[arg-type]
