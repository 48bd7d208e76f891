"""The dossier of a unit: all that is known of one channel or one dense unit, on a page."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.analysis.receptive_field import receptive_fields
from graphcnn.data.dataset import Dataset
from graphcnn.errors import GradientError, LensError
from graphcnn.ir.node import Array, Value
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.dossier import Made, dossier
from graphcnn.lens.study.filters import weights_of
from graphcnn.lens.study.layers import FOLLOWING, finite, looked_at, numbered
from graphcnn.lens.study.patches import Answers, answers, cropped, patch_box
from graphcnn.lens.study.stream import class_names, images_of, labelled
from graphcnn.lens.synthesis.maximise import maximise
from graphcnn.lens.synthesis.search import settings
from graphcnn.lens.target import selected, unit_target
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import gradients
from graphcnn.pictures.raster.tiles import number, percent

#: Kernels that a unit reads most through.
_READ = 6


def unit(core: Core, layer: str, channel: Any, data: Any, steps: int, seed: int) -> Finding:
    """See `Study.unit`."""
    value = looked_at(core, layer)
    target = unit_target(layer, value, numbered(core, value, channel))
    index, name = target.index, f"{layer}[{target.index}]"
    known = labelled(core, data) if isinstance(data, Dataset | tuple) else None
    images = known.first_items if known is not None else images_of(core, data)
    if len(images) < 2:
        raise LensError(f"a unit is known by what it answers to many images, found {len(images)}")
    found = answers(core, layer, value, index, images)
    if found.maxima.max() == found.maxima.min():
        raise LensError(
            f"{name} answers {number(found.maxima[0])} to all {len(images):,} images: it is dead"
        )
    seen = receptive_fields(core.network.graph, core.image)[value]
    boxes = [patch_box(core, seen, value, place) for place in found.places]
    looks, fed = core.images(images[found.items])
    parts = [cropped(image, box, 0.5) for image, box in zip(looks, boxes, strict=True)]
    arrays: dict[str, Array] = {
        "patches": np.stack([part for part, _ in parts]),
        "items": found.items,
        "values": found.values,
        "places": found.places,
        "boxes": np.stack(boxes),
        "maxima": found.maxima,
    }
    place = tuple(found.places[0].tolist()) if value.type.rank == 4 else None
    for rule, title in (("plain", "gradient"), ("guided", "guided")):
        derivative = _derivative(core, layer, value, index, place, fed[:1], rule)
        if derivative is not None:
            arrays[title] = cropped(derivative, boxes[0])[0]
    incoming, readers = _incoming(core, value, index)
    if incoming is not None:
        arrays["incoming"], arrays["incoming_channels"] = incoming, readers
    names: list[str] = []
    if known is not None:
        names = class_names(core, known, int(known.labels.max()) + 1)
        arrays["class_means"] = class_means(found.maxima, known.labels, len(names))
    labels = known.labels[found.items] if known is not None else None
    made = [_made(core, layer, value, index, found, negative, steps, seed)
            for negative in (False, True)] if steps else []  # fmt: skip
    for one, title in zip(made, ("maximised", "minimised"), strict=False):
        if one.image is not None:
            arrays[title] = one.image
    facts = {
        "unit": name,
        "data": f"{known.name if known is not None else 'images'}, {len(images):,} images",
        "answers": _activity(found, value.type.rank == 4),
        "percentiles": "of the largest number in its map for each image",
        **({"most for": _selectivity(arrays["class_means"], names)} if names else {}),
        "grey": "outside the image" if any(beyond for _, beyond in parts) else "",
        **({"maximised": f"{steps} steps", "seed": f"{seed}"} if steps else {}),
        **core.settings(),
    }
    facts = {key: text for key, text in facts.items() if text}
    captions = _captions(found, labels, names)
    title = f"what {name} answers to"
    return Finding(
        title, arrays, facts, lambda f: dossier(f, found, captions, names, made, core.image)
    )


def class_means(maxima: Array, labels: Array, count: int) -> Array:
    """The mean of the images of each class, NaN where there is none."""
    sums = np.zeros(count)
    inside = (labels >= 0) & (labels < count)
    np.add.at(sums, labels[inside], maxima[inside].astype(np.float64))
    of = np.bincount(labels[inside], minlength=count)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / of)


def _derivative(
    core: Core, layer: str, value: Value, index: int, place: Any, fed: Array, rule: str
) -> Array | None:
    """The derivative (C, H, W) of the unit at a place by the image, by a backward rule; None where
    the rule changes nothing."""

    def parts() -> Any:
        weights, score = selected(value)
        (found,) = gradients(Sum((0,))(score), [core.image], rules=rule)
        return (core.image, weights), {"derivative": found}

    try:
        probe = core.probe(("unit", layer, rule), parts)
    except GradientError:
        return None
    weights = unit_target(layer, value, index, place).selector(value)
    found = probe(fed, weights)["derivative"][0]
    return finite(found, f"the {rule} derivative of {layer!r}")


def _incoming(core: Core, value: Value, index: int) -> tuple[Array | None, Array]:
    """The kernels that the unit reads most through, (k, KH, KW) or (k, 1, 1), and their channels;
    None of a unit without weights, such as of pooling."""
    node = value.node
    while node.op.family in FOLLOWING and node.inputs:
        node = node.inputs[0].node
    try:
        weights = weights_of(core, node.name)[1][index]
    except LensError:
        return None, np.zeros(0, np.int64)
    kernels = weights if weights.ndim == 3 else weights[:, None, None]
    norms = np.square(kernels, dtype=np.float64).sum((1, 2))
    order = np.argsort(-norms, kind="stable")[:_READ]
    return np.asarray(kernels[order]), np.asarray(order)


def _made(
    core: Core, layer: str, value: Value, index: int, found: Answers, negative: bool, steps: int,
    seed: int,
) -> Made:  # fmt: skip
    """The image that excites the unit most, or least, and where its answer lies in the data."""
    how = settings(core, "dct", steps, 0.05, None, 0.0, 1.0, None, 1)
    title = "least" if negative else "most"
    try:
        result = maximise(core, layer, [index], None, None, negative, seed, how)
    except LensError as error:
        return Made(title, None, (str(error).split(":")[0],), None)
    image = result["images"][0]
    if negative:
        score = number(result["scores"][-1, 0])
        return Made(title, image, ("before its activation,", f"mean {score}"), None)
    probe = core.probe(("layer", layer), lambda: ((core.image,), {"layer": value}))
    largest = float(probe(core.network.prepare(image[None]))["layer"][0, index].max())
    share, most = found.percentile(largest), float(found.maxima.max())
    where = f"percentile {100 * share:.1f}"
    if share == 1:
        where = f"{largest / most:.2g} × the largest" if most > 0 else "above all images"
    return Made(title, image, (f"reaches {number(largest)}", where), largest)


def _activity(found: Answers, has_map: bool) -> str:
    """How often the unit answers at all."""
    on = float(np.mean(found.maxima > 0))
    if found.least > 0:
        return "above 0 to every image" + ", at every place" * has_map + ": it is always on"
    if found.least < 0:
        return f"from {number(found.least)} to {number(found.maxima.max())}"
    where = f", at {percent(1 - found.quiet, 1)} of all places" if has_map else ""
    return f"in {percent(on, 1)} of the images{where}"


def _selectivity(means: Array, names: Sequence[str]) -> str:
    """The class with the largest mean, and how far it stands above the others: (a - b) / (a + b)
    with its mean a and b that of the others (A. Morcos et al., arXiv:1803.06959)."""
    best = int(np.nanargmax(means))
    others = np.delete(means, best)
    if np.isnan(others).all():
        return f"{names[best]!r}, the only class"
    a, b = float(means[best]), float(np.nanmean(others))
    index = f", selectivity {(a - b) / (a + b):.2f} of 1" if min(a, b) >= 0 and a + b > 0 else ""
    return f"{names[best]!r}{index}"


def _captions(found: Answers, labels: Array | None, names: Sequence[str]) -> list[tuple[str, ...]]:
    """What stands below each patch."""
    lines: list[tuple[str, ...]] = []
    for i, (value, item) in enumerate(zip(found.values, found.items, strict=True)):
        own: tuple[str, ...] = ()
        if labels is not None and labels[i] >= 0:
            name = names[int(labels[i])]
            own = (f"class {name}" if name.isdecimal() else name,)
        lines.append((number(value), *own, f"image {item}"))
    return lines
