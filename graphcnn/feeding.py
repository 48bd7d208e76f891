"""From what users give to what a graph is fed: data sets, items and targets, all checked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.class_names import places, relabelled
from graphcnn.errors import DataError
from graphcnn.ir import Array
from graphcnn.language.arguments import is_int
from graphcnn.normalisation import as_array, batch_shape, check_items, check_labels, check_targets
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.data.numpy_files import arrays
from graphcnn.tensor_type import N, TensorType

if TYPE_CHECKING:
    from graphcnn.model import Model

#: A data set, or a pair (images, targets) of arrays.
Data = Dataset | tuple[Any, Any]


def as_dataset(data: Data, model: "Model", classes: Sequence[str] = ()) -> Dataset:
    """A `Dataset` whose images and classes fit the model. Raises `DataError` where they do not.

    Labels are found by the names of their classes in those of the model, or in `classes` where
    the model has none yet. Labels without names are class numbers of the model.
    """
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
    return _by_class_names(data, model.classes or classes, model.name)


def _by_class_names(data: Dataset, known: Sequence[str], model: str) -> Dataset:
    """The data set with the class numbers of a model that calls its classes `known`."""
    if data.numbered or not data.classes or not known or data.classes == tuple(known):
        return data
    advice = (
        "  Rename the classes of the data, or give them without names; or set model.classes to "
        "what its outputs stand for."
    )
    whose, others = f"the data set {data.name!r}", f"the model {model!r}"
    numbers = places(data.classes, known, whose, others, advice)
    labels = data.labels if numbers is None else relabelled(data.labels, numbers)
    return replace(data, labels=labels, classes=tuple(known))


def at_least_one(x: Any, name: str) -> int:
    """`x` as an int. Raises `DataError` unless it is a whole number of at least 1."""
    if not is_int(x) or x < 1:
        raise DataError(f"{name} must be at least 1, and whole, found {x!r}")
    return int(x)


def feeds_for(model: "Model", given: Any) -> dict[str, Array]:
    """An array for every input, with equally many items; the first is still to be prepared.

    Inputs that have no batch axis N are given whole. A model without inputs takes None or {}.
    """
    inputs = model.graph.inputs
    if len(inputs) == 1 and isinstance(given, np.ndarray):
        return {inputs[0].node.name: given}
    types = {value.node.name: value.type for value in inputs}
    first, *others = types or ("",)
    arrays = given if isinstance(given, Mapping) else {first: given} if types else {}
    if arrays.keys() != types.keys() or not (types or given is None or arrays is given):
        found = ", ".join(map(str, arrays)) if arrays is given else "one array"
        wanted = f"a dict with {', '.join(types)}" if types else "nothing, it has no inputs"
        raise DataError(f"{model.name} takes {wanted}, found {found or 'an empty dict'}")
    if not types:
        return {}
    feeds = {first: as_array(arrays[first], "images")}
    feeds.update({name: check_items(arrays[name], types[name]) for name in others})
    axes = {name: t.shape.index(N) for name, t in types.items() if N in t.shape}
    counts = {k: feeds[k].shape[axis] for k, axis in axes.items() if feeds[k].ndim > axis}
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise DataError(f"the inputs must have equally many items, found {sizes}")
    return feeds


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
