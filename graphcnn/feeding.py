"""From what users give to what a graph is fed: data sets, items and targets, all checked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.language.arguments import is_int
from graphcnn.normalisation import as_array, batch_shape, check_items, check_labels, check_targets
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


def feeds_for(model: "Model", images: Any) -> list[tuple[str, Array]]:
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
