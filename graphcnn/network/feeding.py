"""From what users give to what a graph is fed: data sets, items and targets, all checked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from graphcnn.data.batch_parts import Labels
from graphcnn.data.class_names import places, relabelled
from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import (
    Normalisation,
    as_array,
    as_numbers,
    as_pixels,
    check_images,
    check_items,
    reach_of,
    refuse_normalised,
)
from graphcnn.data.numpy_files import arrays
from graphcnn.data.rows import with_channel
from graphcnn.data.samples import is_map, samples
from graphcnn.data.streams import Stream, is_stream, stream
from graphcnn.errors import DataError, DataWarning
from graphcnn.ir.item_places import count_items, fed_items
from graphcnn.ir.node import Array, Value
from graphcnn.ir.origin import warn
from graphcnn.ir.tensor_type import N, TensorType, item_axis, open_axes
from graphcnn.language.arguments import is_int
from graphcnn.learning.aim import Losses, terms_of
from graphcnn.learning.objective import with_loss
from graphcnn.learning.target_rule import TargetRule
from graphcnn.learning.targets import Targets, along, by_name, fed_types
from graphcnn.network.network import Network
from graphcnn.runtime.reference import opened_by

#: So many times larger than the largest learned from, float images are in other units.
_FAR = 8
#: A data set, or a pair (inputs, targets). Inputs are an array, or for a model of several inputs a
#: dict from their names to arrays, or a tuple or list of arrays in their order; targets likewise,
#: by outputs. A third entry are weights of the items.
Data = Dataset | tuple[Any, ...]


def as_dataset(
    data: Any,
    model: Network,
    classes: Sequence[str] = (),
    *,
    loss: Losses = "cross_entropy",
    targets: Any = None,
) -> Dataset:
    """A `Dataset` whose items and classes fit the model. Raises `DataError` where they do not.

    Labels are found by the names of their classes in those of the model, or in `classes` where
    the model has none yet. Labels without names are class numbers of the model.

    Args:
        loss: tells which labels of a pair are classes.
        targets: those of `data`, where they do not come with it.
    """
    if targets is not None:
        if isinstance(data, Dataset):
            raise DataError("a Dataset has targets of its own: leave out the second argument")
        data = (data, targets)
    check_has_inputs(model)
    if is_map(data):
        data = samples(data)
    elif is_stream(data):
        data = stream(data, name=getattr(data, "__name__", type(data).__name__))
    if not isinstance(data, Dataset):
        data = _from_pair(data, model, loss)
    data = _with_fitting_items(data, model)
    if isinstance(data, Stream):  # the classes of a batch are found by their names as it comes
        return data
    return _by_class_names(data, model.classes or classes, model.name)


def check_has_inputs(model: Network) -> None:
    """Raise `DataError` where there is nothing that a data set could be fed to."""
    if not model.graph.inputs:
        raise DataError(f"{model.name} has no input that the items of a data set could be fed to")


def _by_class_names(data: Dataset, known: Sequence[str], model: str) -> Dataset:
    """The data set with the class numbers of a model that calls its classes `known`."""
    labels = labels_by_name(data.labels, data, known, model)
    named = not data.numbered and data.classes and known and data.classes != tuple(known)
    return replace(data, labels=labels, classes=tuple(known)) if named else data


def own_labels(targets: Any, model: Network) -> Any:
    """Targets; those that a batch took from a data set, as class numbers of the model."""
    if isinstance(targets, Mapping):
        return {key: own_labels(each, model) for key, each in targets.items()}
    if not isinstance(targets, Labels):
        return targets
    plain = targets.view(np.ndarray)
    return labels_by_name(plain, targets.source, model.classes, model.name)


def labels_by_name(labels: Any, data: Dataset | None, known: Sequence[str], model: str) -> Any:
    """Labels from `data`, as the class numbers of a model that calls its classes `known`.

    Labels without names, or from nobody knows where, are such numbers already. Raises `DataError`
    where the names do not fit.
    """
    if data is None or data.numbered or not data.classes or not known:
        return labels
    if isinstance(labels, Mapping):  # the classes are those of the first
        first = next(iter(labels))
        return {**labels, first: labels_by_name(labels[first], data, known, model)}
    names, others = f"the data set {data.name!r}", f"the model {model!r}"
    numbers = _places(data.classes, tuple(known), names, others)
    if labels.dtype.kind == "f":  # shares of the classes, of mixed images
        shares = np.zeros((len(labels), len(known)), labels.dtype)
        shares[:, slice(len(data.classes)) if numbers is None else numbers] = labels
        return shares
    return labels if numbers is None else relabelled(labels, numbers)


@lru_cache(maxsize=16)
def _places(
    names: tuple[str, ...], known: tuple[str, ...], whose: str, others: str
) -> Array | None:
    advice = (
        "  Rename the classes of the data, or give them without names; or set model.classes to "
        "what its outputs stand for."
    )
    return places(names, known, whose, others, advice)


def _with_fitting_items(data: Dataset, model: Network) -> Dataset:
    inputs = model.graph.inputs
    given = data.images if isinstance(data.images, Mapping) else None
    if given is None and len(inputs) == 1:
        fitting = _fitting(model, data, inputs[0], data.images)
        return data if fitting is data.images else replace(data, images=fitting)
    names = [v.node.name for v in inputs]
    if given is None or given.keys() != set(names):
        found = "one array" if given is None else ", ".join(given)
        raise DataError(
            f"{model.name} takes the inputs {', '.join(names)}; {data.name!r} has {found}"
        )
    changed = {v.node.name: _fitting(model, data, v, given[v.node.name]) for v in inputs}
    if all(changed[name] is given[name] for name in names) and [*given] == names:
        return data
    return replace(data, images=changed)


def _from_pair(data: Any, model: Network, loss: Losses) -> Dataset:
    terms = [term for term in terms_of(loss, model.graph) if term.loss.targeted]
    if not terms and not isinstance(data, tuple | list):
        data = (data, None)
    several = isinstance(data, tuple | list)
    sets = sum(isinstance(part, Dataset) for part in data) if several else 0
    if sets or not several or not (len(data) == 2 or (len(data) == 3 and isinstance(data, tuple))):
        hint = f" of {sets} data sets: give one, and fit the other as validation=" if sets else ""
        if isinstance(data, Mapping):
            hint = f" with {', '.join(map(str, data))}; inputs by name are ({{...}}, targets)"
        elif isinstance(data, np.ndarray):
            hint = f" of shape {data.shape}; the targets are missing"
        elif several and not sets:
            hint = f" of {len(data)}"
        raise DataError(
            f"data must be a Dataset or a pair (images, targets), found {type(data).__name__}{hint}"
        )
    images, targets, weights = (*data, None)[:3]
    images = named_inputs(model, images)
    inputs = model.graph.inputs
    if len(inputs) == 1 and _is_image(inputs[0].type) and isinstance(images, Mapping):
        images = images.get(inputs[0].node.name, images)
    if model.normalisation is not None:
        for each in images.values() if isinstance(images, Mapping) else (images,):
            refuse_normalised(each, f"the model {model.name}")
    if not terms:
        first = next(iter(images.values())) if isinstance(images, Mapping) else images
        return Dataset(images, np.zeros(len(first), np.float32), name="arrays", weights=weights)
    if terms[0].target_name:  # one by name, or several
        named_targets = by_name(targets, [term.name for term in terms], model.graph.outputs)
        of_each = {name: as_numbers(each) for name, each in named_targets.items()}
        return Dataset(images, of_each, name="arrays", weights=weights)
    labels = as_numbers(targets)
    rule = target_rule(model, loss, labels)
    counted = labels[~np.isin(labels, rule.ignored)] if rule.ignored else labels
    named = (
        labels.dtype.kind in "iu"
        and not rule.kind.dtype.is_float
        and labels.shape[1:] == rule.kind.shape[1:]
        and counted.size
        and counted.min() >= 0
    )
    if named:
        found = arrays(images, labels, ignore_index=rule.ignored)
        return found if weights is None else replace(found, weights=weights)
    # What is wrong with them the rule will say.
    return Dataset(images, labels, name="arrays", weights=weights)


def _fitting(model: Network, data: Dataset, value: Value, array: Array) -> Any:
    """The items of one input, of its shape. An axis of one grey channel may be left out."""
    t, name = value.type, value.node.name
    if item_axis(t.shape) is None:
        raise DataError(
            f"the items of a data set are fed one by one, but input {name!r} of {model.name} is "
            f"{t}: it must have one batch axis N{opened_by(name, t.shape) if t.is_bound else ''}"
        )
    wanted = tuple(d for d in t.shape if isinstance(d, int))
    image = _is_image(t)
    if image:
        as_pixels(np.empty(0, array.dtype))
    if array.shape[1:] == wanted:
        return array
    if image and wanted[0] == 1 and array.shape[1:] == wanted[1:]:
        return with_channel(array)
    what = "images (C, H, W) =" if image else f"{t.dtype} items"
    which = "" if len(model.graph.inputs) == 1 else f" for {name}"
    hint = ""
    rank = len(array.shape)
    if image and rank == 4 and {array.shape[1], wanted[0]} == {1, 3}:
        made = "grey=True" if wanted[0] == 1 else "grey=False"
        option = "--grey" if wanted[0] == 1 else "--color"
        hint = f"; image_folder(..., {made}), {option} on the command line, reads them so"
    elif image and array.shape == wanted:
        hint = "; a single image is passed as image[None]"
    elif image and rank == 4 and (array.shape[3], *array.shape[1:3]) == wanted:
        hint = "; images with the channels last become images.transpose(0, 3, 1, 2)"
    elif rank > 2 and (array.shape[-1], *array.shape[1:-1]) == wanted:
        hint = "; np.moveaxis(x, -1, 1) moves the channels from the last axis to theirs"
    elif (1, *array.shape[1:]) == wanted:
        hint = "; x[:, None] adds the axis of the channel"
    raise DataError(
        f"{model.name} takes {what} {wanted}{which}, but {data.name!r} has {array.shape[1:]}{hint}"
    )


def _is_image(t: TensorType) -> bool:
    return t.rank == 4 and t.dtype.is_float and open_axes(t.shape) in ((), (0,))


def at_least_one(x: Any, name: str) -> int:
    """`x` as an int. Raises `DataError` unless it is a whole number of at least 1."""
    if not is_int(x) or x < 1:
        raise DataError(f"{name} must be at least 1, and whole, found {x!r}")
    return int(x)


def named_inputs(model: Network, given: Any) -> Any:
    """A dict from the names of the inputs to what is given for each; one array stays as it is."""
    if isinstance(given, Dataset):
        raise DataError(
            f"{model.name} is fed arrays, found a Dataset: pass its images, or use "
            "evaluate to measure on it"
        )
    inputs = model.graph.inputs
    if isinstance(given, Mapping):
        return {str(key): x for key, x in given.items()}
    if isinstance(given, tuple | list) and len(inputs) > 1 and len(given) == len(inputs):
        return {v.node.name: x for v, x in zip(inputs, given, strict=True)}
    if len(inputs) == 1:
        return given if _is_image(inputs[0].type) else {inputs[0].node.name: given}
    return given


def feeds_for(model: Network, given: Any, *, learning: bool = False) -> dict[str, Array]:
    """An array for every input, with equally many items; the first is still to be prepared.

    Inputs that have no batch axis N are given whole. A model without inputs takes None or {}.

    Args:
        learning: these are what the model learns from, so they are in the right units.
    """
    inputs = model.graph.inputs
    look = _refuse_normalised if learning else _look_at
    if len(inputs) == 1 and isinstance(given, np.ndarray):
        look(model, given)
        return {inputs[0].node.name: given}
    types = {value.node.name: value.type for value in inputs}
    first, *others = types or ("",)
    named = named_inputs(model, given)
    arrays = named if isinstance(named, Mapping) else {first: named} if types else {}
    if arrays.keys() != types.keys() or not (
        types or given is None or (isinstance(given, Mapping) and not given)
    ):
        wanted = f"a dict with {', '.join(types)}" if types else "nothing, it has no inputs"
        raise DataError(f"{model.name} takes {wanted}, found {_in_words(given)}")
    if not types:
        return {}
    look(model, arrays[first])
    feeds = {first: as_array(arrays[first], "images")}
    feeds.update({name: _prepared(arrays[name], types[name]) for name in others})
    places = {name: fed_items(t) for name, t in types.items()}
    counts = {
        key: count_items(feeds[key].shape, place)
        for key, place in places.items()
        if place is not None and feeds[key].ndim > place.axis
    }
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise DataError(f"the inputs must have equally many items, found {sizes}")
    return feeds


def _in_words(given: Any) -> str:
    """What was given for the inputs, for messages."""
    if isinstance(given, Mapping):
        return ", ".join(map(str, given)) or "an empty dict"
    if isinstance(given, tuple | list):
        return f"a {type(given).__name__} of {len(given)}"
    return "one array"


def _look_at(model: Network, images: Any) -> None:
    """Refuse images that would be normalised twice; warn of pixels in other units than learned.

    Floats are looked at in the first batches only, and a few of each: it is the units that are
    wrong, and then in all of them. Where nothing was learned since the model was made, they shall
    lie in [0, 1] if there is a normalisation.
    """
    _refuse_normalised(model, images)
    dtype = getattr(images, "dtype", None)
    if not model.looks or dtype is None:
        return
    if dtype == np.uint8:
        if model.reach is not None and model.reach > _FAR and _is_image(model.graph.inputs[0].type):
            _warn_once(
                model,
                f"uint8 images for {model.name} are divided by 255, where it learned from floats "
                f"up to {model.reach:g}: images.astype(np.float32) leaves them as they are",
            )
        return
    array = np.asarray(images)
    if array.dtype.kind != "f" or not array.size or not _is_image(model.graph.inputs[0].type):
        return
    model.looks -= 1
    known = model.reach if model.normalisation is None or model.reach else 1.0
    found = reach_of(array)
    if known and found > _FAR * known:
        _warn_once(
            model,
            f"float images for {model.name} reach {found:g}, where it learned from pixels up to "
            f"{known:g}: floats are taken as they are, while uint8 is divided by 255",
        )


def _warn_once(model: Network, message: str) -> None:
    model.looks = 0
    warn(message, DataWarning)


def _refuse_normalised(model: Network, images: Any) -> None:
    if type(images) is not np.ndarray and getattr(images, "normalised", False):
        if model.normalisation is not None:
            refuse_normalised(images, f"the model {model.name}")


def _prepared(x: Any, t: TensorType) -> Array:
    """Items for an input besides the first: images without a normalisation, others as they are."""
    if not _is_image(t):
        return check_items(x, t)
    pixels = Normalisation().numbers(check_images(x, t.shape[1:]))  # type: ignore[arg-type]
    return pixels.astype(t.dtype.numpy, copy=False)


def prepared_feeds(model: Network, inputs: Any, *, learning: bool = False) -> dict[str, Array]:
    """What every input is fed for one batch: checked, images scaled and normalised."""
    feeds = feeds_for(model, inputs, learning=learning)
    for first in list(feeds)[:1]:
        feeds[first] = model.prepare(feeds[first])
    return feeds


def item_feeds(model: Network, inputs: Any, *, learning: bool = False) -> dict[str, Array]:
    """As `prepared_feeds`, for a batch of a data set, whose items are along the first axis."""
    types = {v.node.name: v.type.shape for v in model.graph.inputs}
    if all(shape[:1] == (N,) for shape in types.values()):
        return prepared_feeds(model, inputs, learning=learning)
    named = named_inputs(model, inputs)
    if not isinstance(named, Mapping):
        named = {next(iter(types)): named}
    moved = {k: along(np.asarray(a), types[k]) for k, a in named.items() if k in types}
    return prepared_feeds(model, moved, learning=learning)


def prediction_type(model: Network) -> TensorType:
    """The type of the first output, which a loss that is given alone compares with the targets."""
    return next(iter(model.graph.outputs.values())).type


def target_rule(model: Network, loss: Losses, labels: Array) -> TargetRule:
    """What a loss on this model takes as targets, those of the data being `labels`."""
    types = fed_types(loss, model.graph, labels)
    rule = Targets.of(with_loss(model.graph, loss, {}, types)).first
    assert rule is not None
    return rule
