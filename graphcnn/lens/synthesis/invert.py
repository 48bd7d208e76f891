"""Images back from what a layer makes of them.

    image = argmin over x of ‖code(x) - code(given)‖² / ‖code(given)‖² + Σ weight · penalty(x)

A. Mahendran, A. Vedaldi, "Understanding Deep Image Representations by Inverting Them",
arXiv:1412.0035. What comes back is what the layer has kept; the rest is the noise of the start, or
what the penalties prefer.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import layers
from graphcnn.lens.synthesis.search import Settings, Way, in_pieces, searched
from graphcnn.lens.synthesis.seen import code_of, given, normalisation_words, seen
from graphcnn.lens.synthesis.strip import film
from graphcnn.ops.broadcast import Sum
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, hundredths, number
from graphcnn.training.session import checked_seed

#: Images that the picture of a reconstruction shows, at most.
MOST = 16


def invert(core: Core, layer: str, like: Any, seed: int, how: Settings) -> Finding:
    """See `Lens.invert`."""
    looks, _ = core.images(like)
    way = _inverted(core, layer, core.value(layer), looks, checked_seed(seed), how)
    images, errors = way.frames[-1], _errors(core, layer, way.frames, looks)
    alike = correlation(images, looks)
    facts = {
        "layer": f"{layer}, {core.value(layer).type}",
        "error": f"{number(errors[-1].mean())} of the code's square, {number(errors[0].mean())} at "
        "first",
        "correlation": f"{number(alike.mean())} of the pixels with those given",
        "method": f"inversion: an image with the same code; {how}",
        "seed": str(seed),
        "pixels": normalisation_words(core),
        **core.settings(),
    }
    arrays = {
        "images": np.array(images),
        "like": looks,
        "errors": errors,
        "correlation": alike,
        "frames": way.frames,
    }
    words = [f"image {i}: correlation {number(r)}" for i, r in enumerate(alike)]
    lines = np.vectorize(lambda e: f"error {number(e)}", otypes=[object])(errors)
    title = f"images back from {layer}"
    return Finding(title, arrays, facts, lambda found: film(found, words, way.steps, lines))


def reconstruct(
    core: Core, x: Any, names: Sequence[str] | None, seed: int, how: Settings
) -> Finding:
    """See `Lens.reconstruct`."""
    looks, fed = core.images(x)
    values = layers(core) if names is None else {name: core.value(name) for name in names}
    scores = core.probe("scores", lambda: ((core.image,), {"scores": core.scores}))
    classes = _classes(scores(fed)["scores"])
    found, errors, alike, kept = [], [], [], []
    for name, value in values.items():
        way = _inverted(core, name, value, looks, checked_seed(seed), how)
        images = way.frames[-1]
        found.append(images)
        errors.append(_errors(core, name, way.frames[-1:], looks)[0])
        alike.append(correlation(images, looks))
        kept.append(_classes(scores(core.network.prepare(images))["scores"]) == classes)
    arrays = {
        "images": np.stack(found),
        "like": looks,
        "errors": np.stack(errors),
        "correlation": np.stack(alike),
        "class_kept": np.stack(kept),
    }
    facts = {
        "layers": ", ".join(
            f"{name} {hundredths(r.mean())}" for name, r in zip(values, alike, strict=True)
        ),
        "numbers": "correlation of the pixels with those given; error of the code, of its square; "
        "how many images are still read as the same class",
        "method": f"inversion of each layer's code; {how}",
        "seed": str(seed),
        "pixels": normalisation_words(core),
        **core.settings(),
    }
    title = f"images back from each layer of {core.model.name}"
    return Finding(title, arrays, facts, lambda each: _picture(each, [*values]))


def correlation(images: Array, others: Array) -> Array:
    """Of the pixels of each image with those of another, (n,); 0 where one is of one colour."""
    a, b = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (images, others))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    size = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    found: Array = np.divide((a * b).sum(1), size, out=np.zeros(len(a)), where=size > 0)
    return found


def _inverted(core: Core, layer: str, value: Value, looks: Array, seed: int, how: Settings) -> Way:
    """The way from noise to images with the codes of those given."""
    code = code_of(core, layer, looks)
    size = np.square(code, dtype=np.float64).reshape(len(code), -1).sum(1)
    if not np.isfinite(size).all() or not size.all():
        what = "is 0" if np.isfinite(size).all() else "is not finite"
        raise LensError(
            f"the code of {layer!r} {what} for image {int(np.argmin(size))}: nothing can come back"
        )
    weight = (1 / size).astype(np.float32)

    def scores(pixels: Value) -> Value:
        (found,) = seen(core, pixels, [value])
        code = given("code", found.shape)
        weight = given("weight", found.shape[:1])
        rest = found - code
        return Sum(tuple(range(1, found.type.rank)))(rest * rest) * -weight

    start = np.stack([how.canvas.noise(seed, i) for i in range(len(looks))])

    def piece(span: slice) -> Way:
        feeds = {"lens.code": code[span], "lens.weight": weight[span]}
        return searched(core, ("invert", value), how, scores, start[span], feeds, seed)

    return in_pieces(start, piece)


def _errors(core: Core, layer: str, frames: Array, looks: Array) -> Array:
    """‖code - wanted‖² / ‖wanted‖² of frames (frames, n, C, H, W): (frames, n)."""
    wanted = code_of(core, layer, looks).astype(np.float64).reshape(len(looks), -1)
    size = np.square(wanted).sum(1)
    codes = (code_of(core, layer, frame).reshape(len(looks), -1) for frame in frames)
    return np.stack([np.square(code - wanted).sum(1) / size for code in codes])


def _classes(scores: Array) -> Array:
    """The class of each item; that of the mean of its scores over its pixels, if it has any."""
    flat = scores.reshape(*scores.shape[:2], -1).mean(2)
    return cast(Array, flat.argmax(1))


def _picture(finding: Finding, names: Sequence[str]) -> Picture:
    """The images in the first row, what came back from each layer below; one image beside what
    came back of it."""
    if len(finding["like"]) == 1:
        return sheet_picture(
            _one(finding, names), finding.title, finding.facts["model"], (finding.caption,)
        )
    count = min(MOST, len(finding["like"]))
    tiles = [Tile(image, group="the images") for image in finding["like"][:count]]
    rows = (finding[key] for key in ("images", "correlation", "errors", "class_kept"))
    for name, images, alike, errors, kept in zip(names, *rows, strict=True):
        group = (
            f"{name}: correlation {hundredths(alike.mean())}, error {number(errors.mean())}, "
            f"class kept in {int(kept.sum())} of {len(kept)}"
        )
        tiles += [Tile(image, group=group) for image in images[:count]]
    columns = min(count, 8) if count < 16 else 16
    return sheet_picture(
        tiles, finding.title, finding.facts["model"], (finding.caption,), columns=columns
    )


def _one(finding: Finding, names: Sequence[str]) -> list[Tile]:
    tiles = [Tile(finding["like"][0], title="the image", lines=("", "", ""))]
    rows = (finding[key][:, 0] for key in ("images", "correlation", "errors", "class_kept"))
    for name, image, alike, error, kept in zip(names, *rows, strict=True):
        told = (f"correlation {hundredths(alike)}", f"error {number(error)}", "class kept")
        tiles.append(Tile(image, title=name, lines=told if kept else (*told[:2], "another class")))
    return tiles
