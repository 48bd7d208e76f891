"""An image with the content of one and the style of another.

    loss = ‖F(x) - F(content)‖² / ‖F(content)‖²
           + weight · mean over layers of ‖G(x) - G(style)‖² / ‖G(style)‖²

F are the maps of a layer, G = F Fᵀ the Gram matrix of its channels: which occur together,
wherever in the image. L. Gatys, A. Ecker, M. Bethge, "A Neural Algorithm of Artistic Style",
arXiv:1508.06576; errors are relative here, so that a layer counts as much as another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.language.dense import matmul
from graphcnn.lens.checks import check_weight
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import layers
from graphcnn.lens.synthesis.search import Settings, Way, in_pieces, searched
from graphcnn.lens.synthesis.seen import code_of, given, normalisation_words, pixel_input, seen
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.shape import Reshape
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number


def style_transfer(
    core: Core,
    content: Any,
    style: Any,
    layer: str | None,
    names: Sequence[str] | None,
    weight: float,
    how: Settings,
) -> Finding:
    """See `Lens.style`."""
    check_weight("weight", weight)
    looks, styles = core.images(content)[0], core.images(style)[0]
    if len(styles) not in (1, len(looks)):
        raise LensError(f"{len(styles)} images of style for {len(looks)} of content")
    styles = np.broadcast_to(styles, looks.shape)
    layer, names = _chosen(core, layer, names)
    feeds = _wanted(core, layer, names, looks, styles)
    values = [core.value(name) for name in (layer, *names)]

    def scores(pixels: Value) -> Value:
        kept, *styled = seen(core, pixels, values)
        total = _error(kept, "content")
        for i, maps in enumerate(styled):
            total = total + _error(_gram(maps), f"style{i}") * (weight / len(styled))
        return -total

    def piece(span: slice) -> Way:
        own = {f"lens.{name}": array[span] for name, array in feeds.items()}
        return searched(core, ("style", *values, weight), how, scores, start[span], own, 0)

    start = how.canvas.numbers(looks)
    way = in_pieces(start, piece)
    images = np.array(way.frames[-1])
    found = [_errors(core, layer, names, feeds, each) for each in (way.frames[0], images)]
    arrays = {
        "images": images,
        "content": looks,
        "style": np.array(styles),
        "content_error": np.stack([each[0] for each in found]),
        "style_errors": np.stack([each[1] for each in found]),
        "frames": way.frames,
    }
    before, after = arrays["style_errors"].mean((1, 2))
    facts = {
        "content": f"{layer}: error {number(arrays['content_error'][1].mean())}",
        "style": f"{', '.join(names)}: error {number(before)} at first, {number(after)} at last",
        "method": f"style transfer by Gram matrices, weight {weight:g}; {how}",
        "start": "the image of content; nothing is drawn at random",
        "pixels": normalisation_words(core),
        **core.settings(),
    }
    title = f"the style of another image, seen by {core.model.name}"
    return Finding(title, arrays, facts, _picture)


def _chosen(core: Core, layer: str | None, names: Sequence[str] | None) -> tuple[str, list[str]]:
    """The layer of content, by default the last with maps, and those of style, by default all."""
    maps = [n for n, v in layers(core).items() if v.type.rank == 4 and v.shape[2:] != (1, 1)]
    wanted = maps if names is None else [*names]
    if (layer is None and not maps) or not wanted:
        raise LensError(f"{core.model.name} has no layers with maps; a style is in maps")
    chosen = layer or maps[-1]
    for name in (chosen, *wanted):
        if core.value(name).type.rank != 4:
            raise LensError(f"{name!r} is {core.value(name).type}; content and style are in maps")
    return chosen, wanted


def _wanted(
    core: Core, layer: str, names: Sequence[str], looks: Array, styles: Array
) -> dict[str, Array]:
    """The codes that are wanted, and one over the square of each."""
    codes = {"content": code_of(core, layer, looks)}
    codes.update({f"style{i}": _gram_of(core, n, styles) for i, n in enumerate(names)})
    feeds: dict[str, Array] = {}
    for name, code in codes.items():
        size = np.square(code, dtype=np.float64).reshape(len(code), -1).sum(1)
        if not size.all() or not np.isfinite(size).all():
            place = layer if name == "content" else names[int(name.removeprefix("style"))]
            raise LensError(f"the maps of {place!r} are 0 or not finite: there is nothing to keep")
        feeds.update({name: code, f"{name}.weight": (1 / size).astype(np.float32)})
    return feeds


def _error(found: Value, name: str) -> Value:
    """‖found - wanted‖² · weight of each item, with two inputs: what is wanted, and the weight."""
    wanted, weight = given(name, found.shape), given(f"{name}.weight", found.shape[:1])
    rest = found - wanted
    return Sum(tuple(range(1, found.type.rank)))(rest * rest) * weight


def _gram(maps: Value) -> Value:
    """F Fᵀ of maps (n, C, H, W): (n, C, C)."""
    n, *sizes = maps.shape
    channels, height, width = (int(d) for d in sizes)  # type: ignore[arg-type]
    flat = Reshape((n, channels, height * width))(maps)
    return matmul(flat, flat, transpose_b=True)


def _gram_of(core: Core, layer: str, pixels: Array) -> Array:
    """The Gram matrices of a layer for pixels in [0, 1]."""

    def parts() -> tuple[Sequence[Value], Mapping[str, Value]]:
        x = pixel_input(core)
        return (x,), {"gram": _gram(seen(core, x, [core.value(layer)])[0])}

    return core.probe(("gram", layer, core.network.normalisation), parts)(pixels)["gram"]


def _errors(
    core: Core, layer: str, names: Sequence[str], feeds: Mapping[str, Array], pixels: Array
) -> tuple[Array, Array]:
    """The relative errors of content (n,) and of style (n, layers)."""

    def error(found: Array, name: str) -> Array:
        rest = np.square(found - feeds[name], dtype=np.float64).reshape(len(found), -1).sum(1)
        return np.asarray(rest * feeds[f"{name}.weight"])

    styled = [error(_gram_of(core, n, pixels), f"style{i}") for i, n in enumerate(names)]
    return error(code_of(core, layer, pixels), "content"), np.stack(styled, 1)


def _picture(finding: Finding) -> Picture:
    """Content, style and what came of them, an image in a row."""
    tiles: list[Tile] = []
    rows = zip(*(finding[key] for key in ("content", "style", "images")), strict=True)
    for i, (content, style, image) in enumerate(rows):
        words = f"style error {number(finding['style_errors'][1, i].mean())}"
        tiles += [
            Tile(content, title="content"),
            Tile(style, title="style"),
            Tile(image, title="both", lines=(words,)),
        ]
    return sheet_picture(
        tiles,
        finding.title,
        finding.facts["model"],
        (finding.caption,),
        columns=3 if len(finding["images"]) == 1 else 6,
    )
