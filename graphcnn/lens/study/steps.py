"""A layer worked step by step: its real weights slid over a real image."""

from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.geometry import Pair
from graphcnn.ir.node import Array
from graphcnn.language.arguments import pair
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.layers import finite
from graphcnn.lens.target import checked_index, checked_place
from graphcnn.pictures.lessons.conv_steps import layer_steps, sliding_node
from graphcnn.pictures.lessons.stage import annotated
from graphcnn.pictures.lessons.wording import size


def steps(
    core: Core, layer: str, x: Any, channel: int | None, at: Pair | None, shown: Any
) -> Finding:
    """See `Study.steps`."""
    _, fed = core.images(x)
    if len(fed) != 1:
        raise LensError(f"one image is worked at a time, found {len(fed)}")
    value = sliding_node(core.value(layer)).output
    parts = {"read": value.node.inputs[0], "made": value}
    found = core.probe(("steps", layer), lambda: ((core.image,), parts))(fed)
    read, made = (
        finite(found[name], f"what is {name} by the layer {layer!r}")[0] for name in parts
    )
    wanted = pair(shown, "shown")
    if channel is None:
        channel = int(np.argmax(made.max((1, 2))))
    channel = checked_index(channel, len(made), f"the channels of {layer!r}")
    place = (
        _around_the_largest(made[channel], wanted)
        if at is None
        else checked_place(at, value, layer)
    )
    picture = layer_steps(value, read, core.network.states, channel=channel, at=place, shown=wanted)
    data = picture.scene.data
    arrays = {name: np.asarray(data[name], np.float32) for name in ("y", "x", "weight", "bias")
              if name in data}  # fmt: skip
    facts = {
        "layer": f"{layer}, channel {channel}",
        "numbers": "those of the operator's definition",
        **_compared(made[channel], arrays["y"], place),
        **core.settings(),
    }
    title = f"{layer} step by step"
    return Finding(title, arrays, facts, lambda found: annotated(picture, (found.caption,)))


def _around_the_largest(made: Array, shown: Pair) -> Pair:
    """The first of so many places around the largest number of a map."""
    largest = np.unravel_index(made.argmax(), made.shape)
    first = [
        max(0, min(int(at) - many // 2, total - many))
        for at, many, total in zip(largest, shown, made.shape, strict=True)
    ]
    return first[0], first[1]


def _compared(made: Array, worked: Array, place: Pair) -> dict[str, str]:
    """How far the numbers of the figure are from those of the compiled layer."""
    if worked.shape[1:] != made.shape:
        rows, columns = worked.shape[1:]
        made = made[place[0] : place[0] + rows, place[1] : place[1] + columns]
    most = float(np.abs(made - worked[-1]).max()) if worked.shape[1:] == made.shape else np.nan
    where = f"{size(worked.shape[1:])} from row {place[0]}, column {place[1]} on"
    return {"places": where, "from the compiled layer": f"at most {most:.1g} apart"}
