"""Occlusion: what becomes of the prediction when a patch of the image is covered."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import is_int
from graphcnn.lens.attribution.baselines import baseline_of
from graphcnn.lens.attribution.maps import map_finding
from graphcnn.lens.attribution.refusals import check_maps
from graphcnn.lens.attribution.responses import Responses, responses
from graphcnn.lens.attribution.subject import Subject, subject
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.pictures.raster.tiles import Tile

#: Along each side so many places of the patch, at most, where nobody gives the stride.
_PLACES = 24


def occlude(
    lens: Core,
    x: Any,
    target: Any,
    patch: Any,
    stride: Any,
    baseline: Any,
    layer: str | None,
    at: Any,
) -> Finding:
    """See `Attribution.occlude`."""
    about = subject(lens, x, target, layer, at)
    sizes = about.fed.shape[2:]
    tall, wide = _pair(max(1, round(min(sizes) * 5 / 28)) if patch is None else patch, "patch")
    if tall > sizes[0] or wide > sizes[1]:
        raise LensError(f"a patch of {tall}×{wide} covers all of an image of {sizes[0]}×{sizes[1]}")
    steps = _strides(sizes, (tall, wide)) if stride is None else _pair(stride, "stride")
    start, words = baseline_of(lens, about, baseline)
    rows, columns = (
        range(0, size - length + step, step)
        for size, length, step in zip(sizes, (tall, wide), steps, strict=True)
    )
    boxes = [(slice(r, r + tall), slice(c, c + wide)) for r in rows for c in columns]
    found = [_one(lens, about.alone(i), start[i], boxes) for i in range(len(about.fed))]
    grid = (len(rows), len(columns))

    covered = np.maximum(_spread(np.ones(len(boxes)), grid, (tall, wide), steps), 1)

    def falls(values: Array) -> Array:
        drops = float(values[0]) - values[1:].astype(np.float64)
        total = _spread(drops, grid, (tall, wide), steps)
        mean: Array = (total / covered)[: sizes[0], : sizes[1]].astype(np.float32)
        return mean

    arrays = {
        "map": np.stack([falls(r.chance) for r in found]),
        "score_map": np.stack([falls(r.score) for r in found]),
        "chance": np.stack([r.chance[1:].reshape(grid) for r in found]).astype(np.float32),
        "winner": np.stack([r.winner[1:].reshape(grid) for r in found]),
        "score": np.array([r.score[0] for r in found], np.float32),
    }
    if about.layer:
        del arrays["score_map"], arrays["winner"]
    check_maps(lens, about, arrays["map"], "occlusion")
    settings = {
        "map": "drop of the score" if about.layer else "drop of the probability",
        "patch": f"{tall}×{wide}",
        "stride": f"{steps[0]}×{steps[1]}",
        "covered with": words,
        "runs": str(len(boxes)),
    }
    return map_finding(
        lens, about, "occlusion", arrays, settings, arrays["score"],
        lambda i: () if about.layer else (_winners(lens.model.classes, found[i], grid),),
        (0.0, 0.0, float(wide), float(tall)),
    )  # fmt: skip


def _one(lens: Core, about: Subject, start: Array, boxes: list[tuple[slice, slice]]) -> Responses:
    """What the network says to the image itself, first, and with each of the boxes covered."""
    image = about.fed[0]

    def make(first: int, last: int) -> Array:
        copies = np.repeat(image[None], last - first, 0)
        for copy, box in zip(copies, _boxes(boxes, first, last), strict=True):
            if box is not None:
                copy[:, *box] = start[:, *box]
        return copies

    return responses(lens, about, len(boxes) + 1, make)


def _boxes(boxes: list[tuple[slice, slice]], first: int, last: int) -> Iterator[Any]:
    for i in range(first, last):
        yield boxes[i - 1] if i else None


def _spread(
    values: Array, grid: tuple[int, int], patch: tuple[int, int], steps: tuple[int, int]
) -> Array:
    """For each pixel that a patch reaches, the sum of the values of the patches that cover it."""
    values = values.reshape(grid)
    ends = [step * count for step, count in zip(steps, grid, strict=True)]
    reach = [end - step + size for end, step, size in zip(ends, steps, patch, strict=True)]
    total = np.zeros(reach)
    for r in range(patch[0]):
        for c in range(patch[1]):
            total[r : r + ends[0] : steps[0], c : c + ends[1] : steps[1]][: grid[0], : grid[1]] += (
                values
            )
    return np.pad(total, [(0, step) for step in steps])  # where no patch was, if strides are wide


def _pair(value: Any, name: str) -> tuple[int, int]:
    pair = (value, value) if is_int(value) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(map(is_int, pair)):
        raise LensError(f"{name} is a number of pixels or (height, width), found {value!r}")
    if min(pair) < 1:
        raise LensError(f"{name} must be at least 1, found {value!r}")
    return int(pair[0]), int(pair[1])


def _strides(sizes: tuple[int, ...], patch: tuple[int, int]) -> tuple[int, int]:
    """Steps for at most so many places along each side."""
    tall, wide = (
        max(1, -(-(size - length) // (_PLACES - 1)))
        for size, length in zip(sizes, patch, strict=True)
    )
    return tall, wide


#: Colours of classes that win, by what they are called: the palette of M. Okabe and K. Ito.
_COLORS = {
    "grey": "#bbbbbb", "orange": "#e69f00", "sky blue": "#56b4e9", "green": "#009e73",
    "yellow": "#f0e442", "blue": "#0072b2", "red": "#d55e00", "pink": "#cc79a7",
}  # fmt: skip


def _winners(classes: Sequence[str], found: Responses, grid: tuple[int, int]) -> Tile:
    """Which class wins where the patch lies there; that of the whole image is grey."""
    whole, each = int(found.winner[0]), found.winner[1:]
    others = sorted((set(each.tolist()) - {whole}), key=lambda k: (-(each == k).sum(), k))
    order = [whole, *others][: len(_COLORS)]
    pixels = np.zeros((3, each.size))
    lines = []
    for (name, color), k in zip(_COLORS.items(), order, strict=False):
        share = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        pixels[:, each == k] = np.array(share)[:, None]
        label = classes[k] if k < len(classes) else str(k)
        lines.append(f"{name}: {label}, {(each == k).sum()} of {each.size}")
    rest = len({whole, *others}) - len(order)
    lines += [f"black: {rest} other classes"] * (rest > 0)
    return Tile(pixels.reshape(3, *grid), "image", "the winning class", tuple(lines))
