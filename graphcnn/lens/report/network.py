"""What the layers make of the image, what the first ones look for, how far they see."""

from typing import Final

from graphcnn.analysis.receptive_field import receptive_fields
from graphcnn.errors import LensError
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Constant, State
from graphcnn.lens.finding import Finding
from graphcnn.lens.report.page import Figure, Section
from graphcnn.lens.report.subject import Subject
from graphcnn.lens.study.layers import layers
from graphcnn.lens.study.maps import layer_tiles
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile
from graphcnn.pictures.scene.units import joined

#: Layers that all have their maps shown; of more, the last of each size.
_ROWS: Final = 12
#: Layers whose fields are drawn.
_FIELDS: Final = 4
#: Draws of noise that a field is a mean over, by the cost of the network.
_SAMPLES: Final = ((10**7, 32), (10**8, 16), (None, 8))


def maps(subject: Subject) -> Section:
    """A row of the strongest maps for each layer, or of a deep network for each size of maps."""
    found = subject.lens.maps(subject.x)
    known = layers(subject.lens)
    picture = found.picture if len(known) <= _ROWS else _stages_picture(subject, found)
    figure = Figure(
        picture,
        "Each layer turns the maps of the one before into new ones: first edges and blobs, then "
        "where certain arrangements of them are. A crossed map is constant for this image.",
        "A strong map is not an important one: what the next layer does with it decides.",
        "lens.maps(x)",
    )
    return Section("maps", "What each layer makes of it", (figure,))


def _stages_picture(subject: Subject, found: Finding) -> Picture:
    lens = subject.lens
    seen = receptive_fields(lens.network.graph, lens.image)
    names = [*_stages(subject), *list(layers(lens))[-1:]]
    tiles: list[Tile] = []
    for name in dict.fromkeys(names):
        sees = "×".join(map(str, seen[lens.value(name)].size))
        tiles += layer_tiles(found[name][0], name, sees, 8, "shared")
    subtitle = f"the last of its {len(layers(lens))} layers for each size of maps"
    return sheet_picture(
        tiles, found.title, subtitle, (found.caption,), columns=8, largest="that of its layer"
    )


def filters(subject: Subject) -> Section:
    """The weights of the first convolution."""
    graph = subject.lens.network.graph
    stored = (State, Constant)
    first = (
        node.name
        for node in graph.operations
        if node.op.name == "conv2d" and node.name and isinstance(node.inputs[1].node.op, stored)
    )
    name = next(first, None)
    if name is None:
        raise LensError("the network has no convolution whose weights are stored")
    figure = Figure(
        subject.lens.filters(name).picture,
        f"The weights of {name}, the first convolution: a filter answers where the image looks "
        "like it, light where it is red and dark where it is blue.",
        "Deeper filters see maps, not pixels: their weights cannot be read like this.",
        f"lens.filters({name!r})",
    )
    return Section("filters", "What the first layer looks for", (figure,))


def fields(subject: Subject) -> Section:
    """The effective receptive fields of the last layer of each size of maps."""
    count = next(n for most, n in _SAMPLES if most is None or subject.work <= most)
    names = _stages(subject)[:_FIELDS]
    if not names:
        raise LensError("the network has no layer with maps")
    found = {name: subject.lens.field(name, samples=count, seed=subject.seed) for name in names}
    tiles = []
    for name, finding in found.items():
        top, left, bottom, right = finding["box"]
        lines = (f"can see {bottom - top}×{right - left} pixels",)
        box = (left, top, right, bottom)
        heat = finding["heat"]
        tiles.append(Tile(heat, "size", name, lines, float(heat.max()), marks=(box,)))
    last = found[names[-1]]
    facts = joined(f"{k} {v}" for k, v in last.facts.items() if k not in ("target", "field"))
    picture = sheet_picture(
        tiles, "effective receptive fields", "an element in the middle of each layer", (facts,)
    )
    figure = Figure(
        picture,
        "How much an element in the middle of a layer makes of each pixel: the root mean square "
        "of its derivative. The box is what it can see by the geometry of windows and strides; "
        "the pixels in its middle count most.",
        "The heat is that of noise, not of this image: it says how far a layer looks, not at what.",
        f"lens.field({names[-1]!r}, samples={count}, seed={subject.seed})",
    )
    return Section("fields", "How far each layer sees", (figure,))


def _stages(subject: Subject) -> list[str]:
    """The last layer of each size of maps."""
    last = {value.shape[2:]: name for name, value in _maps_of(subject)}
    return [name for size, name in last.items() if size != (1, 1)]


def _maps_of(subject: Subject) -> list[tuple[str, Value]]:
    """The layers with maps."""
    return [(name, value) for name, value in layers(subject.lens).items() if value.type.rank == 4]
