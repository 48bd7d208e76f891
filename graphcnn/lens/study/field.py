"""Fields: which pixels an element sees, how much it makes of each, and what a pixel reaches."""

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np

from graphcnn.analysis.receptive_field import Field, ReceptiveField, receptive_fields
from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.philox import uniform, words
from graphcnn.language.arguments import is_int
from graphcnn.lens.checks import check_count
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite, layers, looked_at
from graphcnn.lens.target import Target, selected, unit_target
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.reduce import ArgMax, Max, Mean, Prod
from graphcnn.passes.training.backward import gradients
from graphcnn.pictures.parts.charts import table
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import beside, page_picture, single, titled
from graphcnn.pictures.raster.sheet import tile_part
from graphcnn.pictures.raster.tiles import Tile, percent
from graphcnn.pictures.scene.units import joined

#: Streams of the random numbers: pixels of the images, signs of the channels.
_PIXELS, _SIGNS = 0x4649454C, 0x5349474E
#: Images that run at a time.
_PIECE: Final = 8
#: The share of the largest derivative from which a pixel counts: what is left of a normal
#: distribution beyond two standard deviations.
_COUNTS: Final = 1 - 0.9545
#: Reductions that see all pixels where they reduce over them.
_ALL: Final = (ArgMax, Max, Mean, Prod, Sum)
#: Tiles of what a pixel reaches.
_REACHES: Final = 10


def field(
    core: Core, layer: str, at: Any, channel: Any, x: Any, pixel: Any, samples: int, seed: int
) -> Finding:
    """See `Study.field`."""
    value = looked_at(core, layer)
    if at is None and value.type.rank == 4:
        at = tuple(int(size) // 2 for size in value.shape[2:])  # type: ignore[arg-type]
    unit = unit_target(layer, value, 0 if channel is None else channel, at)
    height, width = sizes(core.image)
    pixel = (height // 2, width // 2) if pixel is None else checked_pixel(pixel, height, width)
    fed, images = _images(core, x, samples, seed)
    heat = _heat(core, value, unit, channel is None, fed, seed)
    if not heat.any():
        raise LensError(
            f"no pixel has a derivative for {layer!r}" + (f" at {unit.at}" if unit.at else "")
            + ": every path to it is blocked, such as by ReLUs that are 0"
        )  # fmt: skip
    known = layers(core) | {layer: value}
    fields = receptive_fields(core.network.graph, core.image)
    box = seen_box(fields[value], unit.at or (0, 0), (height, width))
    reached = np.argwhere(heat > 0)
    inside = (reached.min(0), reached.max(0) + 1)
    tight = (box[:2] == inside[0]).all() and (box[2:] == inside[1]).all()
    whole = ReceptiveField(Field(Fraction(height)), Field(Fraction(width)))
    rows = {name: reach(fields[v], pixel, v, whole) for name, v in known.items() if v in fields}
    arrays = {
        "heat": heat,
        "box": box,
        "pixel": np.array(pixel),
        "layers": np.array([*rows]),
        "reach": np.array([*rows.values()]),
        "size": np.array([fields[known[name]].size for name in rows]),
    }
    effective = float(np.sqrt((heat >= _COUNTS * heat.max()).sum()))
    what = "all channels (root mean square over random signs)" if channel is None else unit.words
    facts = {
        "target": f"{layer}{f' at {unit.at}' if unit.at else ''}, {what}",
        "method": f"root mean square of the derivative over {images}",
        "field": f"{box[2] - box[0]}×{box[3] - box[1]} pixels, "
        + ("exact: derivatives reach its edges" if tight else
           f"an upper bound: derivatives reach {inside[1][0] - inside[0][0]}×"
           f"{inside[1][1] - inside[0][1]}"),
        "effective": f"{effective:.3g}×{effective:.3g}, √ of the number of pixels above "
        f"{percent(_COUNTS, 2)} of the largest",
        "seed": f"{seed}",
        **core.settings(),
    }  # fmt: skip
    lines = _table(core, known, fields, rows, whole)
    title = f"what {layer} sees" + (f" at {unit.at}" if unit.at else "")
    return Finding(title, arrays, facts, lambda found: _picture(found, layer, lines, known, rows))


def sizes(value: Value) -> tuple[int, int]:
    """Height and width of an image or a map."""
    height, width = value.shape[2:]
    assert isinstance(height, int) and isinstance(width, int)
    return height, width


def checked_pixel(pixel: Any, height: int, width: int) -> tuple[int, int]:
    ok = isinstance(pixel, tuple | list) and len(pixel) == 2 and all(map(is_int, pixel))
    if not ok or not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
        raise LensError(
            f"pixel is (row, column) in the image of {height}×{width} pixels, found {pixel!r}"
        )
    return int(pixel[0]), int(pixel[1])


def _images(core: Core, x: Any, samples: int, seed: int) -> tuple[Array, str]:
    """What the derivative is taken at: the images given, or noise."""
    if x is not None:
        fed = core.images(x)[1]
        return fed, f"{len(fed)} given images"
    check_count("samples", samples)
    shape: Any = core.image.shape[1:]
    count = math.prod(shape)
    noise = [uniform(seed, i, _PIXELS, count).reshape(shape) for i in range(samples)]
    return (
        core.network.prepare(np.array(noise, np.float32)),
        f"{samples} images of uniform noise",
    )


def _heat(core: Core, value: Value, unit: Target, every: bool, fed: Array, seed: int) -> Array:
    """The root of the mean over images, and of the sum over colours, of the squared derivative.

    Over all channels of a place by random signs s: of the derivative of Σ s_c y_c the mean square
    is Σ (dy_c/dx)², since E[s_c s_d] is 1 for c = d and else 0 (M. Hutchinson, 1989).
    """

    def parts() -> Any:
        weights, score = selected(value)
        (found,) = gradients(Sum((0,))(score), [core.image])
        return (core.image, weights), {"derivative": found}

    probe = core.probe(("field", unit.layer), parts)
    one = unit.selector(value)[0]
    count = len(one)
    total = np.zeros(fed.shape[2:])
    for start in range(0, len(fed), _PIECE):
        piece = fed[start : start + _PIECE]
        weights = np.zeros((len(piece), *one.shape), np.float32)
        for i, weight in enumerate(weights):
            if every:
                signs = 1 - 2.0 * (words(seed, start + i, _SIGNS, count) & 1)
                weight[(slice(None), *(unit.at or ()))] = signs
            else:
                weight[:] = one
        derivative = finite(
            probe(piece, weights, piece=_PIECE)["derivative"], f"the derivative of {unit.layer!r}"
        )
        total += np.square(derivative, dtype=np.float64).sum((0, 1))
    return np.asarray(np.sqrt(total / len(fed)).astype(np.float32))


def seen_box(
    seen: ReceptiveField, at: tuple[int, int], image: tuple[int, int], clip: bool = True
) -> Array:
    """Top, left, bottom, right (exclusive) of what the element at a place sees, in pixels; only
    the part that lies in the image, or with its padding."""
    box = []
    for f, i, size in zip((seen.height, seen.width), at, image, strict=True):
        first = math.floor(f.start + i * f.jump)
        last = math.ceil(f.start + i * f.jump + f.size)
        box.append((max(first, 0), min(last, size)) if clip else (first, last))
    return np.array([box[0][0], box[1][0], box[0][1], box[1][1]])


def reach(
    seen: ReceptiveField, pixel: tuple[int, int], value: Value, whole: ReceptiveField
) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (exclusive) of the elements of a map that see a pixel: element i
    sees the pixels from a + j·i to a + j·i + r."""
    if value.type.rank == 2:
        return 0, 0, 1, 1
    height, width = sizes(value)
    if seen == whole:
        return 0, 0, height, width
    ends = []
    for f, p, size in zip((seen.height, seen.width), pixel, (height, width), strict=True):
        first = math.floor((p - f.start - f.size) / f.jump) + 1
        last = math.ceil((p + 1 - f.start) / f.jump)
        ends.append((min(max(first, 0), size), max(min(last, size), 0)))
    (top, bottom), (left, right) = ends
    return top, left, max(bottom, top), max(right, left)


def _is_exact(node: Node, seen: dict[Value, ReceptiveField], whole: ReceptiveField) -> bool:
    """Whether the box of a node's results is tight: not assumed to be the whole image for want of
    a rule, not of branches with other steps, not of parts of pixels."""
    mine = seen[node.outputs[0]]
    before = [seen[v] for v in node.inputs if v in seen]
    if any(f.size.denominator > 1 or f.start.denominator > 1 for f in (mine.height, mine.width)):
        return False
    if len({f.jump for f in before}) > 1:
        return False
    assumed = mine == whole and whole not in before
    return not assumed or node.op.anchor or node.op.family == "pool" or isinstance(node.op, _ALL)


def _table(
    core: Core,
    known: dict[str, Value],
    fields: dict[Value, ReceptiveField],
    rows: dict[str, tuple[int, int, int, int]],
    whole: ReceptiveField,
) -> list[list[str]]:
    """A row of texts for each layer."""
    exact = {core.image: True}
    for node in core.network.graph.nodes:
        before = [exact[v] for v in node.inputs if v in exact]
        if before and node.outputs[0] in fields:
            good = all(before) and _is_exact(node, fields, whole)
            exact.update(dict.fromkeys(node.outputs, good))
    lines = []
    for name, (top, left, bottom, right) in rows.items():
        value, seen = known[name], fields[known[name]]
        where, steps = "everything", ["", ""]
        if value.type.rank == 4 and seen != whole:
            steps = [_pair(seen.jump), _pair(seen.start)]
            where = f"{top}–{bottom - 1} × {left}–{right - 1}"
            where = "nothing" if top == bottom or left == right else where
        size = "whole image" if seen == whole else _pair(seen.size)
        status = "exact" if exact.get(value) else "upper bound"
        lines.append([name, size, *steps, status, where])
    return lines


def _pair(two: tuple[Any, Any]) -> str:
    a, b = (f"{float(v):g}".replace("-", "−") for v in two)
    return a if a == b else f"{a}×{b}"


def _picture(
    found: Finding,
    layer: str,
    lines: list[list[str]],
    known: dict[str, Value],
    rows: dict[str, tuple[int, int, int, int]],
) -> Picture:
    heat, (top, left, bottom, right) = found["heat"], found["box"]
    row, column = found["pixel"]
    effective, how = found.facts["effective"].split(", ")
    what, _, where = how.partition(" above ")
    tile = Tile(
        heat, "size", "derivative by each pixel",
        (f"box: {found.facts['field'].split(':')[0]}", f"effective: {effective},",
         what, f"above {where}"),
        float(heat.max()), marks=((left, top, right, bottom),),
    )  # fmt: skip
    heads = ("layer", "sees", "jump", "start", "status", f"({row}, {column}) reaches")
    at = next((i for i, line in enumerate(lines) if line[0] == layer), None)

    numbers = single(lambda x, y, width: table(heads, lines, x, y, width, "receptive fields", at))

    image = np.zeros_like(heat)
    image[row, column] = 1
    maps = [Tile(image, "size", "image", ("1 pixel",), 1.0)]
    for name, (first, left, last, right) in rows.items():
        if known[name].type.rank == 4 and len(maps) < _REACHES:
            grid = np.zeros(sizes(known[name]))
            grid[first:last, left:right] = 1
            maps.append(Tile(grid, "size", name, (f"{int(grid.sum())} of {grid.size}",), 1.0))
            if grid.all():
                break
    parts = [
        beside(tile_part([tile], prefix="heat"), titled("all layers", numbers), shares=(0.3, 0.7)),
        titled(
            f"what the pixel ({row}, {column}) reaches, dark",
            tile_part(maps, prefix="reach"),
        ),
    ]
    words = (
        "jump: pixels from the field of one element to that of the next; start: first pixel of "
        "the field of element 0, below 0 in the padding; exact: derivatives reach all edges"
    )
    subtitle = joined((found.facts["target"], found.facts["field"]))
    return page_picture(parts, found.title, subtitle, (words, found.caption))
