"""Similarity of layers: whether two of them tell the same images apart (linear CKA)."""

import math
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite, layers, looked_at
from graphcnn.lens.study.stream import evenly, images_of, piece_for
from graphcnn.network.network import Network
from graphcnn.pictures.parts.charts import matrix
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import page_picture, single
from graphcnn.pictures.scene.units import joined


def similarity(
    core: Core, other: Any, data: Any, names: Any, others: Any, most: int | None
) -> Finding:
    """See `Study.similarity`."""
    if other is not None and not isinstance(other, Network | Core):
        raise LensError(f"similarity is to another model or lens, found {type(other).__name__}")
    theirs: Core | None = other if isinstance(other, Core) else None
    if isinstance(other, Network):
        theirs = Core(other)
        theirs.execution = core.execution
    images = images_of(core, data)
    chosen = evenly(len(images), most)
    if len(chosen) < 3:
        raise LensError(f"similarity needs at least 3 images, found {len(chosen)}")
    sides = [_Side(core, names)]
    if theirs is not None or others is not None:
        sides.append(_Side(theirs or core, others))
    found = _gram_products(sides, images, chosen)
    rows, columns = sides[0].names, sides[-1].names
    cka = found[: len(rows), -len(columns) :]
    arrays = {"cka": cka, "rows": np.array(rows), "columns": np.array(columns)}
    against = core.model.name if theirs is None else theirs.model.name
    weights = "" if theirs is None else theirs.settings().get("weights", "")
    how = " (the same)" if theirs is None else f", {weights}" * bool(weights)
    facts = {
        "rows": f"layers of {core.model.name}",
        "columns": f"layers of {against}" + how,
        "method": "linear CKA, exact: from all pairs of images, in blocks",
        "data": f"{len(chosen):,} of {len(images):,} images"
        + (", evenly spaced" if len(chosen) < len(images) else ""),
        **core.settings(),
    }
    title = f"similar layers of {core.model.name} and "
    title += against if against != core.model.name else f"another {against}"
    if theirs is None:
        title = f"similar layers of {core.model.name}"
    return Finding(title, arrays, facts, _picture)


class _Side:
    """The layers of a model, their means over the images, and the images in blocks."""

    def __init__(self, core: Core, names: Any) -> None:
        self.core = core
        if isinstance(names, str):
            names = [names]
        self.values = layers(core) if names is None else {k: looked_at(core, k) for k in names}
        if not self.values:
            raise LensError(f"name at least one layer of {core.model.name}")
        self.names = [*self.values]
        self.key = ("maps", None) if names is None else ("similarity", *self.names)
        self.means: list[Array] = []
        self.size = piece_for(*self.values.values())

    def codes(self, images: Array, block: Array) -> list[Array]:
        """The layers for these images, one after the other, each (images, numbers)."""
        probe = self.core.probe(
            ("similarity", *self.names), lambda: ((self.core.image,), self.values)
        )
        found = probe(self.core.network.prepare(images[block]), piece=len(block))
        return [
            finite(found[name].reshape(len(block), -1), f"the layer {name!r}")
            for name in self.names
        ]

    def centred(self, images: Array, block: Array) -> list[Array]:
        """The same without their means, in float64."""
        return [a - mean for a, mean in zip(self.codes(images, block), self.means, strict=True)]


def _gram_products(sides: list[_Side], images: Array, chosen: Array) -> Array:
    """CKA between all layers of all sides.

    With X the centred numbers of a layer, (n, d), and K = X Xᵀ, CKA is <K, L> / √(<K, K> <L, L>).
    The sums run over pairs of images, of which a block times a block is held at a time.
    """
    size = min(len(chosen), *(side.size for side in sides))
    blocks = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    for side in sides:
        totals = [np.zeros(1)] * len(side.names)
        largest = [0.0] * len(side.names)
        for block in blocks:
            for i, a in enumerate(side.codes(images, block)):
                totals[i] = totals[i] + a.sum(0, dtype=np.float64)
                largest[i] = max(largest[i], float(np.abs(a).max()))
        side.means = [total / len(chosen) for total in totals]
        _check_alive(side, images, blocks, largest)
    products: Any = 0.0
    for i, first in enumerate(blocks):
        left = [a for side in sides for a in side.centred(images, first)]
        for j, second in enumerate(blocks[i:]):
            right = left if j == 0 else [
                a for side in sides for a in side.centred(images, second)
            ]  # fmt: skip
            grams = np.stack([(a @ b.T).ravel() for a, b in zip(left, right, strict=True)])
            products = products + (1 if j == 0 else 2) * (grams @ grams.T)
    norm = np.sqrt(np.diag(products))
    return np.asarray(np.clip(products / np.outer(norm, norm), 0, 1))


def _check_alive(side: _Side, images: Array, blocks: list[Array], largest: list[float]) -> None:
    """Raise `LensError` where a layer answers the same to all images."""
    alive = [False] * len(side.names)
    for block in blocks:
        for i, a in enumerate(side.centred(images, block)):
            alive[i] = alive[i] or float(np.abs(a).max()) > 1e-9 * largest[i]
        if all(alive):
            return
    name = side.names[alive.index(False)]
    raise LensError(
        f"the layer {name!r} of {side.core.model.name} answers the same to all images: it is "
        "similar to nothing; name the others in layers=[...]"
    )


def _picture(found: Finding) -> Picture:
    cka, rows, columns = found["cka"], found["rows"].tolist(), found["columns"].tolist()

    low = math.floor(float(cka.min()) * 10) / 10
    table = single(
        lambda x, y, width: matrix(cka, rows, columns, x, y, width, "linear CKA", low, 1.0)
    )

    best = [f"{rows[i]} ~ {columns[k]}" for i, k in enumerate(cka.argmax(1))]
    same = rows == columns and np.allclose(np.diag(cka), 1)
    subtitle = joined((
        "1 is the same up to rotation and scale, 0 has nothing in common",
        f"colours from {low:g} to 1",
        "" if same or len(best) > 8 else "most alike: " + ", ".join(best),
    ))  # fmt: skip
    counted = joined(f"{k} {name}" for k, name in enumerate(columns, 1))
    lines = [f"columns: {counted}"] if rows != columns else []
    return page_picture([table], found.title, subtitle, [*lines, found.caption])
