"""Numbers of the reference, with which a page compares itself when it opens."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.page.memory import text_of
from graphcnn.page.programs import FACTOR, FLOOR, OPEN, SEED
from graphcnn.page.samples import Samples
from graphcnn.page.shown import Shown
from graphcnn.runtime.reference import Reference

#: Numbers of each map that are compared; of the scores up to this many.
_EACH, _SCORES = 16, 1000
#: Numbers of an image that is stored; of a larger one only the pattern is computed.
_STORED = 4096


def golden(
    graph: Graph,
    backward: Graph,
    maps: list[Shown],
    states: Mapping[str, Array],
    samples: Samples,
    live: bool,
) -> list[dict[str, Any]]:
    """The maps of a made up image, and of the first sample where it is small; of a network that
    is `live` the gradient of the sum of its scores as well.

    Raises `GraphCnnError` where a map is not finite: nothing could be compared with it.
    """
    (image,) = graph.inputs
    key = image.node.op.attributes["key"]
    shape = tuple(int(d) for d in image.shape if isinstance(d, int))
    plain = graph.with_outputs({s.name: s.value for s in maps[1:]})
    images: list[tuple[str, Array]] = [("", pattern(shape))]
    if samples.fed is not None and len(samples.fed) and images[0][1].size <= _STORED:
        images.append((text_of(samples.fed[0].tobytes()), samples.fed[:1].reshape(shape)))
    found = []
    for text, x in images:
        made, _ = Reference(plain).run({key: x}, states)
        _check_finite(made, maps, graph.name)
        outputs = {s.name: text_of(_some(made[s.name], s is maps[-1])) for s in maps[1:]}
        gradient = ""
        if live:
            slope = _slope(backward, key, x, maps, states)
            gradient = text_of(_some(slope, False)) if slope is not None else ""
        found.append({"image": text, "outputs": outputs, "gradient": gradient})
    return found


def _check_finite(made: Mapping[str, Array], maps: list[Shown], who: str) -> None:
    for s in maps[1:]:
        if not np.isfinite(made[s.name]).all():
            found = "NaN" if np.isnan(made[s.name]).any() else "inf"
            raise GraphCnnError(
                f"a page shows numbers, and {s.name} of {who} is {found} somewhere for an image "
                "between -1 and 1; every map before it is finite"
            )


def pattern(shape: tuple[int, ...]) -> Array:
    """The numbers between -1 and 1 of `patternImage` in check.js."""
    count = int(np.prod(shape))
    return (np.arange(count) * 7919 % 1000 / 500 - 1).astype(np.float32).reshape(shape)


def _some(array: Array, all_of_them: bool) -> bytes:
    """Numbers at the places floor(i · n / k)."""
    flat = np.asarray(array, np.float32).ravel()
    count = min(flat.size, _SCORES if all_of_them else _EACH)
    return flat[np.arange(count) * flat.size // count].tobytes()


def _slope(
    backward: Graph, key: str, x: Array, maps: list[Shown], states: Mapping[str, Array]
) -> Array | None:
    if "image" not in backward.outputs:
        return None
    feeds = {key: x, FLOOR: np.float32(-np.inf), OPEN: np.float32(0)}
    for v in backward.inputs:
        if (port := v.node.op.attributes["key"]).startswith(FACTOR):
            feeds[port] = np.ones(tuple(int(d) for d in v.shape if isinstance(d, int)), np.float32)
    for s in maps[1:]:
        shape = tuple(int(d) for d in s.value.shape if isinstance(d, int))
        feeds[SEED + s.name] = np.full(shape, s is maps[-1], np.float32)
    kept = {v.node.op.attributes["key"] for v in backward.inputs}
    run = Reference(backward.with_outputs({"image": backward.outputs["image"]}))
    made, _ = run.run({k: np.asarray(v) for k, v in feeds.items() if k in kept}, states)
    found: Array = made["image"]
    return found
