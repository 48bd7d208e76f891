"""How a diagram looks: colours by family of operators, and the texts of nodes and edges.

Light fills under dark text, told apart by people with any colour vision (after P. Tol, "Colour
schemes", 2021); every colour is doubled by the operator's name.
"""

from dataclasses import fields
from typing import Any, Final, cast

import graphviz
import numpy as np

from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant, Role, State
from graphcnn.ir.tensor_type import N, Shape, TensorType, known_size, size_words

Style = dict[str, str]


def _box(fill: str, line: str) -> Style:
    return {"fillcolor": fill, "color": line}


_CONVOLUTION, _PLAIN = _box("#d3e3f6", "#4477aa"), _box("#eeeeee", "#888888")

#: Fill and line by family of operators (`Op.family`); families not listed are grey.
FAMILIES: Final[dict[str, Style]] = {
    "conv": _CONVOLUTION,
    "dense": _box("#e4d9f0", "#7b5aa6"),
    "pool": _box("#fbdcc8", "#cc6633"),
    "resample": _box("#fbdcc8", "#cc6633"),
    "activation": _box("#fdf3c6", "#b3941a"),
    "norm": _box("#d5ecd9", "#2f8a4c"),
    "elementwise": _box("#d3f0f2", "#2b8f99"),
    "reduce": _box("#d3f0f2", "#2b8f99"),
    "loss": _box("#f8d5e0", "#b83a68"),
    "softmax": _box("#fdf3c6", "#b3941a"),
    "unpool": _box("#fbdcc8", "#cc6633"),
    "comparison": _box("#d3f0f2", "#2b8f99"),
    "bits": _box("#d3f0f2", "#2b8f99"),
    "erf": _box("#d3f0f2", "#2b8f99"),
    "padding": _PLAIN,
    "shape": _PLAIN,
    "broadcast": _PLAIN,
    "gather": _PLAIN,
    "top_k": _box("#d3f0f2", "#2b8f99"),
    "random": _PLAIN,
    "integer": _CONVOLUTION,
    "fused": _CONVOLUTION,
    "layout": _PLAIN,
}
OTHER: Final = _PLAIN
BACKWARD: Final[Style] = _box("#fff4ec", "#d55e00")
UPDATE: Final[Style] = {**_box("#f7eef5", "#aa4499"), "style": "filled,dashed"}
TERMINAL: Final[Style] = {"style": "rounded,filled", **_box("#ffffff", "#222222")}
STATE: Final[Style] = {"shape": "cylinder", **_box("#ffffff", "#888888")}

GRAPH: Final[Style] = {
    "fontname": "Helvetica",
    "fontsize": "14",
    "labelloc": "t",
    "nodesep": "0.3",
    "ranksep": "0.35",
    "pad": "0.2",
}
NODE: Final[Style] = {
    "shape": "box",
    "style": "filled",
    "fontname": "Helvetica",
    "fontsize": "10",
    "margin": "0.2,0.06",
    "height": "0.3",
}
EDGE: Final[Style] = {
    "fontname": "Helvetica",
    "fontsize": "8",
    "fontcolor": "#555555",
    "color": "#666666",
    "arrowsize": "0.6",
}
CLUSTER: Final[Style] = {
    "style": "rounded",
    "color": "#bbbbbb",
    "fontcolor": "#555555",
    "fontsize": "11",
    "labeljust": "l",
}

#: Characters of a name that are shown; longer ones lose their middle.
LONGEST: Final = 60

_NOT_SHOWN: Final = {
    "kernel", "shape", "size", "type", "epsilon", "momentum", "stream", "dtype", "key",
}  # fmt: skip
#: What need not be said, whatever the operator's default is.
_PLAIN_VALUE: Final[dict[str, Any]] = {
    "stride": (1, 1),
    "dilation": (1, 1),
    "padding": (0, 0, 0, 0),
    "scale": (1, 1),
    "rate": 0.0,
}


def describe(node: Node) -> str:
    """The operator with the attributes that a reader looks for: `conv2d 5×5, padding 2`."""
    op = node.op
    kernel = getattr(op, "kernel", None)
    if kernel is None and len(node.inputs) > 1 and op.family == "conv":
        kernel = node.inputs[1].shape[2:]
    notes = [note for f in fields(op) if f.compare and (note := _attribute(op, f.name, f.default))]
    notes += [
        f"{op.operand_name(i)} = {value.node.op.array.item():g}"
        for i, value in enumerate(node.inputs)
        if isinstance(value.node.op, Constant) and value.node.op.array.size == 1
    ]
    if kernel is None:
        return " ".join(filter(None, (op.name, ", ".join(notes))))
    return ", ".join((f"{op.name} {'×'.join(map(str, kernel))}", *notes))


def _attribute(op: Op, name: str, default: Any) -> str:
    value = getattr(op, name)
    plain = _PLAIN_VALUE.get(name, default)
    if isinstance(value, np.ndarray) and value.size != 1:
        return ""  # the card has its shape
    if name in _NOT_SHOWN or value == plain or value is None:
        return ""
    words = name.replace("_", " ")
    if value is True:
        return words
    if isinstance(value, str):
        return value
    if not isinstance(value, tuple):
        return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"
    same = len(set(value)) == 1
    return f"{words} {value[0] if same else ' '.join(map(str, value))}"


def dimensions(type: TensorType) -> str:
    """`6×28×28`: the shape of one item, without the batch axis `N`."""
    shape: Shape = type.shape[1:] if type.shape[:1] == (N,) else type.shape
    if shape:
        return "×".join(size_words(shape))
    return "N" if type.shape else "scalar"


def parameters(node: Node, shared: frozenset[Value]) -> str:
    """`156 parameters`, and whether other nodes use them too or they are frozen."""
    own = {v: state_of(v) for v in node.inputs if is_parameter(v)}
    if not own:
        return ""
    count = sum(known_size(v.shape) for v in own)
    marks = [
        *(["shared"] if shared.intersection(own) else []),
        *(["frozen"] if not any(state.trainable for state in own.values()) else []),
    ]
    return counted(count) + (f" ({', '.join(marks)})" if marks else "")


def counted(parameters: int) -> str:
    return f"{parameters:,} parameter" + ("" if parameters == 1 else "s")


def is_parameter(value: Value) -> bool:
    return isinstance(value.node.op, State) and value.node.op.role is Role.PARAMETER


def label(*lines: str) -> str:
    """Lines of plain text, in Graphviz's quoting: nothing in a name is read as markup."""
    text = "\\n".join(_literal(_shortened(line)) for line in lines if line)
    return cast(str, graphviz.nohtml(text))


def _literal(text: str) -> str:
    r"""Backslashes doubled, entities escaped; what cannot be printed is shown as "·"."""
    printable = "".join(c if c.isprintable() else "·" for c in text)
    return printable.replace("\\", "\\\\").replace("&", "&amp;")


def _shortened(text: str) -> str:
    """At most `LONGEST` characters, the middle elided."""
    half = (LONGEST - 1) // 2
    return text if len(text) <= LONGEST else f"{text[:half]}…{text[-half:]}"
