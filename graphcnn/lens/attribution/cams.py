"""Class activation maps: where in the maps of a layer the evidence for a score lies."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import known_size
from graphcnn.lens.attribution.cam_runs import ablation_weights, score_weights
from graphcnn.lens.attribution.maps import enlarged, map_finding
from graphcnn.lens.attribution.refusals import check_maps, way_to
from graphcnn.lens.attribution.subject import Subject, subject
from graphcnn.lens.core import Core, Parts
from graphcnn.lens.finding import Finding
from graphcnn.lens.target import selected, unit_target
from graphcnn.ops.elementwise import as_type
from graphcnn.ops.random import Dropout
from graphcnn.passes.training.backward import vjp
from graphcnn.pictures.raster.tiles import number

#: The kinds, each with what it is called in captions.
KINDS = {
    "plain": "Grad-CAM",
    "++": "Grad-CAM++",
    "layer": "LayerCAM",
    "score": "Score-CAM",
    "ablation": "Ablation-CAM",
}


def grad_cam(lens: Core, x: Any, target: Any, layer: str | None, kind: str) -> Finding:
    """See `Attribution.grad_cam`."""
    if kind not in KINDS:
        raise LensError(f"no kind of map is called {kind!r}; known are {', '.join(KINDS)}")
    about = subject(lens, x, target)
    key = ("maps", about.targets[0].layer, layer)
    maps, name = lens.kept(key, lambda: _maps_of(lens, about.value, layer))
    method = KINDS[kind]
    activations, slopes, score = _both(lens, about, maps, name)
    if kind in _BY_GRADIENT:
        raw = _BY_GRADIENT[kind](activations, slopes)
    else:
        weigh = score_weights if kind == "score" else ablation_weights
        each = [
            weigh(lens, about.alone(i), maps, name, activations[i]) for i in range(len(about.fed))
        ]
        raw = (np.stack(each)[:, :, None, None] * activations).sum(1)
    _check_speaking(about, raw, slopes, f"{method} of {name}")
    sizes = (known_size((about.fed.shape[2],)), known_size((about.fed.shape[3],)))
    arrays = {
        "map": enlarged(np.maximum(raw, 0), sizes).astype(np.float32),
        "cam": raw.astype(np.float32),
        "score": score,
    }
    check_maps(lens, about, arrays["map"], method)
    grid = f"{raw.shape[1]}×{raw.shape[2]}"
    settings = {"maps": f"{name}, {activations.shape[1]} of {grid}, enlarged to the image"}
    if kind == "score":
        settings["covered with"] = lens.black()[1]
    return map_finding(lens, about, method, arrays, settings, score)


def _maps_of(lens: Core, score: Value, layer: str | None) -> tuple[Value, str]:
    """The maps that are looked at, and their name. Raises `LensError` where they do not matter."""
    maps = last_maps(lens, score) if layer is None else lens.value(layer)
    name = layer or label(maps)
    unit_target(name, maps, 0, (0, 0))  # it has maps
    if maps is score or maps not in way_to(lens.image, score):
        raise LensError(f"{name!r} does not lie between the image and the scores")
    return maps, name


def label(value: Value) -> str:
    """What a tensor is called: that of an activation, as its layer."""
    node = value.node
    name = node.name or node.op.name
    return name.removesuffix(f".{node.op.name}") if node.op.family == "activation" else name


def last_maps(lens: Core, score: Value) -> Value:
    """The last tensor with maps before the score, ahead of pooling and dropout.

    Raises `LensError` where there is none.
    """
    for value in reversed(way_to(lens.image, score)[1:]):
        node = value.node
        passes_on = node.op.family == "pool" or node.op.view or isinstance(node.op, Dropout)
        if value is score or passes_on or value.type.rank != 4 or not value.dtype.is_float:
            continue
        if known_size(value.shape[2:]) > 1:
            return value
    raise LensError(f"{lens.model.name} has no layer with maps before its scores")


def _both(lens: Core, about: Subject, maps: Value, name: str) -> tuple[Array, Array, Array]:
    """The maps, f64 (n, C, h, w), the gradient of the score for them, and the score."""

    def parts() -> Parts:
        weights, score = selected(about.value)
        (found,) = vjp([about.value], [as_type(weights, about.value.dtype)], [maps])
        outputs = {"maps": maps, "score": score} | ({} if found is None else {"slopes": found})
        return (lens.image, weights), outputs

    found = lens.probe(("cam", about.targets[0].layer, name), parts)(about.fed, about.weights())
    activations = found["maps"].astype(np.float64)
    slopes = found.get("slopes", np.zeros(1)).astype(np.float64)
    return activations, np.broadcast_to(slopes, activations.shape), found["score"]


def _plain(maps: Array, slopes: Array) -> Array:
    """Σ over channels of the mean slope times the map."""
    found: Array = (slopes.mean((2, 3), keepdims=True) * maps).sum(1)
    return found


def _plus(maps: Array, slopes: Array) -> Array:
    """As plain, the positive slopes weighed by α = g² / (2 g² + Σ A · g³)."""
    square, sums = slopes**2, maps.sum((2, 3), keepdims=True)
    below = 2 * square + sums * slopes**3
    alpha = np.where(square > 0, square / np.where(below == 0, 1, below), 0)
    weights = (alpha * np.maximum(slopes, 0)).sum((2, 3), keepdims=True)
    found: Array = (weights * maps).sum(1)
    return found


def _layer(maps: Array, slopes: Array) -> Array:
    """Σ over channels of each positive slope times its place of the map."""
    found: Array = (np.maximum(slopes, 0) * maps).sum(1)
    return found


_BY_GRADIENT: dict[str, Callable[[Array, Array], Array]] = {
    "plain": _plain,
    "++": _plus,
    "layer": _layer,
}


def _check_speaking(about: Subject, raw: Array, slopes: Array, what: str) -> None:
    """Raise `LensError` where all of a map speaks against the score: the rectifier leaves 0."""
    most = raw.max((1, 2))
    silent = (most <= 0) & (raw.any((1, 2)) | slopes.any((1, 2, 3)))
    if silent.any():
        first = int(np.argmax(silent))
        whose = f" for image {first}" if len(raw) > 1 else ""
        raise LensError(
            f"{what}{whose}: no place speaks for {about.target(first).words}; before the "
            f"rectifier the largest number is {number(most[first])}. Ask about another class, or "
            "another layer"
        )
