"""How a diagram looks: colours by family of operators, and the texts of nodes.

Light fills under dark text, told apart by people with any colour vision (after P. Tol, "Colour
schemes", 2021); every colour is doubled by the operator's name.
"""

from typing import Final, cast

import graphviz

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


def node_label(*lines: str) -> str:
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
