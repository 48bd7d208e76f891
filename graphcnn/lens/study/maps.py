"""Feature maps: what each channel of a layer answers to an image."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from graphcnn.analysis.receptive_field import receptive_fields
from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite, layers, looked_at
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Kind, Tile, number, percent
from graphcnn.pictures.scene.units import counted, joined

#: Maps of a layer in a row of the overview, and images and maps in a picture.
_IN_A_ROW, _IMAGES, _MAPS = 8, 4, 128


def feature_maps(core: Core, x: Any, layer: str | None, scale: str) -> Finding:
    """See `Study.maps`."""
    if scale not in ("shared", "own"):
        raise LensError(f"scale is 'shared' or 'own', found {scale!r}")
    looks, fed = core.images(x)
    values = {layer: looked_at(core, layer)} if layer is not None else layers(core)
    probe = core.probe(("maps", layer), lambda: ((core.image,), values))
    found = probe(fed)
    for name in values:
        finite(found[name], f"the maps of {name!r}")
    if layer is not None and all(is_dead(image).all() for image in found[layer]):
        raise LensError(f"all maps of {layer!r} are constant: {_constants(found[layer])}")
    arrays = {**found, "image": looks}
    if layer is not None:
        arrays["order"] = np.stack([by_energy(image) for image in found[layer]])
    shown = "all maps of a layer share their colours" if scale == "shared" else "each map its own"
    facts = {
        "layer" if layer is not None else "layers": layer or f"{len(values)}",
        "method": "activations, ordered by energy (mean square)",
        "scale": shown,
        **core.settings(),
    }
    title = f"feature maps of {layer if layer is not None else core.model.name}"
    return Finding(title, arrays, facts, lambda found: _picture(core, found, values, scale))


def is_dead(maps: Array) -> Array:
    """Of maps (C, H, W) those that are the same number everywhere: nothing passed that changes
    with the image. Of units (K,) those that are 0."""
    if maps.ndim == 1:
        return np.asarray(maps == 0)
    flat = maps.reshape(len(maps), -1)
    return np.asarray((flat.min(1) == flat.max(1)) & ((flat.shape[1] > 1) | (flat[:, 0] == 0)))


def by_energy(maps: Array) -> Array:
    """The channels by the mean square of their maps, the largest first, equal ones in order."""
    energy = np.square(maps.reshape(len(maps), -1), dtype=np.float64).mean(1)
    return np.asarray(np.argsort(-energy, kind="stable"))


def _constants(maps: Array) -> str:
    """What a dead layer holds."""
    return "they are 0 everywhere" if not maps.any() else "each is one number everywhere"


def units_as_map(units: Array) -> Array:
    """Units (K,) in rows of one length, as near to a square as their number allows."""
    count = len(units)
    rows = next(r for r in range(int(count**0.5), 0, -1) if count % r == 0)
    if count > 16 and rows * 8 < count / rows:  # a prime number of units, or nearly
        rows = int(count**0.5)
    wide = -(-count // rows)
    filled = np.zeros(rows * wide, units.dtype)
    filled[:count] = units
    return filled.reshape(rows, wide)


def _picture(core: Core, found: Finding, values: dict[str, Value], scale: str) -> Picture:
    images = found["image"]
    fields = receptive_fields(core.network.graph, core.image)
    tiles: list[Tile] = []
    for i, image in enumerate(images[:_IMAGES]):
        of = f"image {i}: " if len(images) > 1 else ""
        own = [Tile(image, lines=("as it is fed",), group=f"{of}image")]
        for name, value in values.items():
            most = _MAPS if len(values) == 1 else _IN_A_ROW
            sees = "×".join(map(str, fields[value].size)) if value in fields else ""
            own += layer_tiles(found[name][i], name, sees, most, scale, of)
        if len(values) == 1:  # beside its maps
            own[0] = replace(own[0], title="image", group=own[1].group)
        tiles += own
    left = len(images) - _IMAGES
    more = f"{counted(left, 'image')} more in the arrays" if left > 0 else ""
    subtitle = joined(("ordered by energy", found.facts["scale"], more))
    ends = "that of its layer" if scale == "shared" else "that of its map"
    return sheet_picture(
        tiles, found.title, subtitle, (found.caption,), columns=_IN_A_ROW, largest=ends
    )


def layer_tiles(
    maps: Array, name: str, sees: str, most: int, scale: str, of: str = ""
) -> list[Tile]:
    """The maps of one layer for one image, those with the most energy first."""
    kind: Final[Kind] = "signed" if maps.min() < 0 else "size"
    top = float(np.abs(maps).max()) if scale == "shared" else None
    dead = is_dead(maps)
    if maps[0].size == 1:
        maps = maps.reshape(-1)
        lines = (
            f"{number(maps.min())} … {number(maps.max())}",
            f"{percent(np.mean(maps == 0))} zero",
        )
        heading = f"{of}units of dense layers, in order, row by row"
        return [Tile(units_as_map(maps), kind, f"{name}: {len(maps)}", lines, top, group=heading)]
    size = "×".join(map(str, maps.shape[1:]))
    order = by_energy(maps)[:most]
    heading = joined((
        of + name,
        f"{len(order)} of {len(maps)} maps {size}" if len(order) < len(maps)
        else f"{counted(len(maps), 'map')} {size}",
        f"each element sees {sees} pixels" if sees else "",
        f"largest {number(np.abs(maps).max())}" if scale == "shared" else "",
        f"{counted(int(dead.sum()), 'dead map')}" if dead.any() else "",
    ))  # fmt: skip
    return [
        Tile(
            maps[c], kind, f"{c}",
            (f"{number(maps[c].min())} … {number(maps[c].max())}",
             "dead" if dead[c] else f"{percent(np.mean(maps[c] == 0))} zero"),
            top, crossed=bool(dead[c]), group=heading,
        )
        for c in map(int, order)
    ]  # fmt: skip
