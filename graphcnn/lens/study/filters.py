"""Filters: the weights of a layer as pictures, with what is wrong with them."""

from typing import Any, Final

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.lens.checks import check_count
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite
from graphcnn.lens.study.maps import units_as_map
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number
from graphcnn.pictures.scene.units import counted, joined

#: Filters with a smaller share of the largest norm are dead; with a larger cosine, duplicates.
DEAD, SAME = 1e-3, 0.95
#: Kernels of one filter that a picture shows.
_KERNELS: Final = 36


def filters(core: Core, layer: str, most: int) -> Finding:
    """See `Study.filters`."""
    check_count("most", most)
    node, weights = weights_of(core, layer)
    finite(weights, f"the weights of {layer!r}")
    if weights.min() == weights.max():
        raise LensError(f"all weights of {layer!r} are {number(weights.flat[0])}: nothing to see")
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    norm = np.sqrt(np.square(flat).sum(1))
    dead = norm < DEAD * norm.max()
    unit = flat / np.where(norm > 0, norm, 1)[:, None]
    cosine = unit @ unit.T
    alive = ~(dead[:, None] | dead)
    pairs = np.argwhere(np.triu(alive & (cosine > SAME), 1))
    colour = weights.ndim == 4 and weights.shape[1] == 3 and is_first(core, node)
    arrays = {"weights": weights, "norm": norm, "cosine": cosine, "dead": dead, "duplicates": pairs}
    facts = {
        "layer": f"{layer}, {node.op.name}",
        "method": "weights, the largest norm first",
        "scale": f"±{number(np.abs(weights).max())}" + (", 0 is mid grey" if colour else ""),
        "dead": f"{dead.sum() or 'none'}, norm below {DEAD:g} of the largest",
        "duplicates": f"{len(pairs) or 'none'}, cosine above {SAME:g}",
        **core.settings(),
    }
    title = f"{len(weights)} filters of {layer}"
    if node.op.name == "dense":
        title = f"weights of the {len(weights)} units of {layer}"
    return Finding(title, arrays, facts, lambda found: _picture(found, colour, most))


def weights_of(core: Core, layer: str) -> tuple[Node, Array]:
    """The operator of a layer, and its weights: (filters, channels, KH, KW) of a convolution,
    (units, C, H, W) or (units, K) of a dense layer. Raises `LensError`."""
    node = core.network.value(layer, activated=False).node
    if not isinstance(node.op, Conv2d | ConvTranspose2d | Dense):
        kind, before = node.op.name, node
        while before.inputs and not isinstance(before.op, Conv2d | ConvTranspose2d | Dense):
            before = before.inputs[0].node
        near = f", as {before.name!r} before it" if before.inputs else ""
        raise LensError(f"{layer!r} is {kind}; filters have convolutions and dense layers{near}")
    source = node.inputs[1]
    op = source.node.op
    if isinstance(op, Constant):
        weights = np.asarray(op.array)
    elif isinstance(op, State):
        weights = core.network.states[state_of(source).key]
    else:
        raise LensError(f"the weights of {layer!r} are computed by {op.name}, not stored")
    if isinstance(node.op, Conv2d | ConvTranspose2d):
        weights = node.op.masked(weights)  # whatever was stored where it has none
    if isinstance(node.op, ConvTranspose2d):
        groups = node.op.groups
        parts = weights.reshape(groups, -1, *weights.shape[1:])
        weights = parts.swapaxes(1, 2).reshape(-1, parts.shape[1], *weights.shape[2:])
    if isinstance(node.op, Dense):
        weights = _as_maps(weights, node.inputs[0])
    return node, np.array(weights)


def _as_maps(weights: Array, x: Value) -> Array:
    """The weights of dense units in the shape of the maps that they read, if they read some."""
    while x.node.op.view and x.node.inputs and x.type.rank != 4:
        x = x.node.inputs[0]
    sizes: tuple[Any, ...] = x.shape[1:]
    fits = x.type.rank == 4 and np.prod(sizes) == weights.shape[1]
    return weights.reshape(len(weights), *sizes) if fits else weights


def is_first(core: Core, node: Node) -> bool:
    """Whether this is the first convolution that the image comes to."""
    heavy = (n for n in core.network.graph.nodes if n.op.anchor)
    return next(heavy, None) is node


def mosaic(kernels: Array, most: int = _KERNELS) -> tuple[Array, int]:
    """Kernels (channels, KH, KW) side by side, empty lines between, and how many.

    Of many those with the largest norms, in the order of their channels.
    """
    count, height, width = kernels.shape
    if height == width == 1:
        return units_as_map(kernels[:, 0, 0]), count
    norms = np.square(kernels, dtype=np.float64).sum((1, 2))
    kept = np.sort(np.argsort(-norms, kind="stable")[:most])
    wide = int(np.ceil(np.sqrt(len(kept))))
    rows = -(-len(kept) // wide)
    sheet = np.zeros((rows * (height + 1) - 1, wide * (width + 1) - 1), kernels.dtype)
    for i, c in enumerate(kept):
        top, left = i // wide * (height + 1), i % wide * (width + 1)
        sheet[top : top + height, left : left + width] = kernels[c]
    return sheet, len(kept)


def _picture(found: Finding, colour: bool, most: int) -> Picture:
    weights, norm, dead = found["weights"], found["norm"], found["dead"]
    twins: dict[int, list[int]] = {}
    for a, b in found["duplicates"].tolist():
        twins.setdefault(a, []).append(b)
        twins.setdefault(b, []).append(a)
    top = float(np.abs(weights).max())
    told = joined((
        counted(int(dead.sum()), "dead filter") if dead.any() else "",
        counted(len(found["duplicates"]), "pair") + " of duplicates" if twins else "",
        "no dead filters, no duplicates" if not twins and not dead.any() else "",
    ))  # fmt: skip
    if weights.ndim == 2:
        tile = Tile(weights, "signed", "a row for each unit, a column for each input", most=top)
        return sheet_picture([tile], found.title, told, (found.caption,))
    order = np.argsort(-norm, kind="stable")[:most]
    tiles, shown = [], weights.shape[1]
    for i in map(int, order):
        lines = [f"norm {number(norm[i])}"]
        if i in twins:
            lines.append("like " + ", ".join(map(str, twins[i][:3])) + "…" * (len(twins[i]) > 3))
        if dead[i]:
            lines.append("dead")
        if colour:
            looks = weights[i] / (2 * top) + 0.5
            tiles.append(Tile(looks, "image", f"{i}", tuple(lines), crossed=bool(dead[i])))
            continue
        picture, shown = mosaic(weights[i])
        tiles.append(Tile(picture, "signed", f"{i}", tuple(lines), top, crossed=bool(dead[i])))
    subtitle = joined((
        f"the {len(order)} largest" if len(order) < len(weights) else "",
        "×".join(map(str, weights.shape[1:])) + " weights each",
        f"the {shown} largest kernels of each" if shown < weights.shape[1] else "",
        told,
    ))  # fmt: skip
    return sheet_picture(tiles, found.title, subtitle, (found.caption,))
