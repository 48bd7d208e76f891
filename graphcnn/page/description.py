"""What the page is told of the maps that it shows: enough to compute a number of them by hand."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.analysis.counts import node_windows
from graphcnn.analysis.receptive_field import ReceptiveField, receptive_fields, seen_by
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.ops.norm import BatchNorm
from graphcnn.page.by_hand import (
    COMPUTED,
    EFFECTS,
    SCALINGS,
    SETTINGS,
    WINDOWS,
    key_of,
    live,
)
from graphcnn.page.shown import IMAGE, Shown

Layer = dict[str, Any]

#: The step that multiplies and adds.
SCALE = "scale"
#: Operators that leave a number as it is when a network predicts.
_NOTHING = {"dropout", "stop_gradient"}


def described(graph: Graph, maps: list[Shown]) -> list[Layer]:
    """A record for each map, in order; page.d.ts says what stands in it."""
    fields = receptive_fields(graph, graph.inputs[0])
    all_of_it = _seeing_all(graph, fields)
    return [
        _layer(each, maps[0].shape, fields.get(each.value), each.value in all_of_it)
        for each in maps
    ]


def _seeing_all(graph: Graph, fields: Mapping[Value, ReceptiveField]) -> set[Value]:
    """Values each of whose elements can depend on the whole image, and those made of them: the
    geometry of fields moves from element to element, and these do not."""
    found: set[Value] = set()
    for node in graph.nodes:
        seen = [v for v in node.inputs if v in fields]
        if seen and (found & {*seen} or seen_by(node, fields[seen[0]]) is None):
            found.update(node.outputs)
    return found


def _layer(of: Shown, image: tuple[int, ...], field: ReceptiveField | None, whole: bool) -> Layer:
    node = of.node
    steps = [s for each in of.then for s in _step(each)]
    why = _why_not(of, steps)
    settings = SETTINGS.get(node.op.name)
    return {
        "name": of.name,
        "kind": IMAGE if of.name == IMAGE else node.op.name,
        "shape": list(of.shape),
        "from": [s.name for s in of.sources],
        "window": _window(node),
        "weight": key_of(node, "weight"),
        "bias": key_of(node, "bias"),
        "then": steps,
        "settings": settings(node) if settings and why is None else None,
        "exact": why is None,
        "why": why,
        "field": _field(of, image, field, whole),
        "origin": node.origin.location,
    }


def _window(node: Node) -> dict[str, Any] | None:
    both, rest = node_windows(node), WINDOWS.get(node.op.name)
    if both is None or rest is None:
        return None
    rows, columns = both
    return {
        "kernel": [w.kernel for w in both],
        "stride": [w.stride for w in both],
        "pads": [rows.before, columns.before, rows.after, columns.after],
        "dilation": [w.dilation for w in both],
        "groups": int(node.op.attributes.get("groups", 1)),
        **rest(node.op),
    }


def _step(node: Node) -> list[dict[str, Any]]:
    """What an operator does to each number, as the page computes it."""
    op = node.op
    if op.name in _NOTHING:
        return []
    if isinstance(op, BatchNorm):
        of = [_numbers(v) for v in node.inputs[1:]]
        if None in of:
            return [{"op": op.name}]
        return [{"op": SCALE, "by": "norm", "of": of, "epsilon": float(op.epsilon)}]
    if op.name in SCALINGS and len(node.inputs) == 2:
        return [_arithmetic(node) or {"op": op.name}]
    if op.name in EFFECTS:
        numbers = [float(number) for number in EFFECTS[op.name](op)]
        largest = float(np.finfo(np.float32).max)  # JSON has no infinity
        return [{"op": op.name, "numbers": [min(max(n, -largest), largest) for n in numbers]}]
    return [{"op": op.name}]


def _arithmetic(node: Node) -> dict[str, Any] | None:
    """x + b, x - b, x · b or x / b for numbers b of each channel, or one for all."""
    for b in SCALINGS[node.op.name](node):
        numbers = _numbers(b)
        if numbers is not None and _of_channels(b, node.output):
            return {"op": SCALE, "by": node.op.name, "of": [numbers]}
    return None


def _of_channels(b: Value, result: Value) -> bool:
    """Whether each channel of the result has one number."""
    return all(size == 1 for axis, size in enumerate(b.shape, result.type.rank - b.type.rank)
               if axis != 1)  # fmt: skip


def _numbers(value: Value) -> str | float | None:
    """The key of the states that these numbers are, or the one number; None where they are
    computed."""
    op = value.node.op
    if isinstance(op, State):
        return op.key
    return float(op.array.item()) if isinstance(op, Constant) and op.array.size == 1 else None


def _why_not(of: Shown, steps: list[dict[str, Any]]) -> dict[str, str] | None:
    """Why the page cannot compute a number of the map from those before: which operator, and the
    end of a word in words.js; None where it can."""
    if of.name == IMAGE:
        return None
    for step in steps:
        if step["op"] != SCALE and step["op"] not in EFFECTS:
            return {"word": "Step", "op": step["op"]}
    op = of.node.op.name
    rule = COMPUTED.get(op)
    if rule is None:
        return {"word": "Operator", "op": op}
    fits = [s.value for s in of.sources] == live(of.node) and rule(of)
    return None if fits else {"word": "Operands", "op": op}


def _field(
    of: Shown, image: tuple[int, ...], field: ReceptiveField | None, whole: bool
) -> dict[str, list[float]] | None:
    if field is None:
        return None
    if whole or len(of.shape) < 3:  # all that is before a vector
        return {"size": [*image[1:]], "step": [0, 0], "start": [0, 0]}
    found = {"size": field.size, "step": field.jump, "start": field.start}
    return {key: [_plain(x) for x in pair] for key, pair in found.items()}


def _plain(x: Any) -> float:
    number = float(x)
    return int(number) if math.isfinite(number) and number == int(number) else number
