"""RISE: the mean of random masks, each by what the network says to the image behind it."""

from typing import Any

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.lens.attribution.baselines import baseline_of
from graphcnn.lens.attribution.maps import map_finding
from graphcnn.lens.attribution.refusals import check_maps
from graphcnn.lens.attribution.responses import in_pieces, responses
from graphcnn.lens.attribution.samples import MASKS, uniform
from graphcnn.lens.attribution.subject import Subject, subject
from graphcnn.lens.checks import check_count, check_number
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.training.session import checked_seed


def rise(
    lens: Core,
    x: Any,
    target: Any,
    masks: int,
    cells: int,
    share: float,
    seed: int,
    baseline: Any,
    layer: str | None,
    at: Any,
) -> Finding:
    """See `Attribution.rise`."""
    check_count("masks", masks)
    check_count("cells", cells, 2)
    check_number("share", share, 0, 1)
    seed = checked_seed(seed)
    about = subject(lens, x, target, layer, at)
    start, words = baseline_of(lens, about, baseline)
    each = [about.alone(i) for i in range(len(about.fed))]
    scores = [responses(lens, one, 1, one.copies).score[0] for one in each]
    maps = [_one(lens, one, start[i], masks, cells, share, seed) for i, one in enumerate(each)]
    arrays = {"map": np.stack(maps), "score": np.array(scores, np.float32)}
    check_maps(lens, about, arrays["map"], "RISE")
    settings = {
        "map": "mean score behind the mask" if about.layer else "mean probability behind the mask",
        "masks": f"{masks} of {cells}×{cells} cells, {100 * share:g} % open",
        "covered with": words,
        "seed": str(seed),
    }
    return map_finding(lens, about, "RISE", arrays, settings, arrays["score"])


def _one(
    lens: Core, about: Subject, start: Array, masks: int, cells: int, share: float, seed: int
) -> Array:
    """Σ f(x · m + x₀ · (1 - m)) · m / (masks · share), f32 (H, W)."""
    image, sizes = about.fed[0], about.fed.shape[2:]
    total = np.zeros(sizes)
    drawn: list[Array] = []

    def make(first: int, last: int) -> Array:
        drawn[:] = [masks_of(seed, first, last, sizes, cells, share)]
        open_ = drawn[0][:, None]
        behind: Array = image * open_ + start * (1 - open_)
        return behind

    for _, _, said in in_pieces(lens, about, masks, make):
        for chance, mask in zip(said.chance, drawn[0], strict=True):
            total += np.float64(chance) * mask
    return (total / (masks * share)).astype(np.float32)


def masks_of(
    seed: int, first: int, last: int, sizes: tuple[int, ...], cells: int, share: float
) -> Array:
    """The masks from a number to before another, f32 (n, H, W) in [0, 1].

    Cells are open with probability `share`, moved by a random part of a cell, and bilinear between
    their corners.
    """
    count, corners = last - first, cells + 1
    drawn = uniform(seed, first, last, MASKS, corners * corners + 2)
    grid = (drawn[:, 2:] < share).astype(np.float32).reshape(count, corners, corners)
    for axis, size in enumerate(sizes[:2], 1):
        cell = size / (cells - 1)  # moved, all pixels lie between the corners
        at = np.arange(size) / cell + drawn[:, axis - 1, None]
        low = np.minimum(at.astype(np.intp), cells - 1)
        part = (at - low).astype(np.float32)
        wide = (slice(None), slice(None), None) if axis == 1 else (slice(None), None)
        below = np.take_along_axis(grid, low[wide], axis)
        above = np.take_along_axis(grid, low[wide] + 1, axis)
        grid = below + (above - below) * part[wide]
    return grid
