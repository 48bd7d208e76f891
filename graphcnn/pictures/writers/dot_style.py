"""How a diagram looks: colours by family of operators, and the texts of nodes.

Light fills under dark text; every colour is doubled by the operator's name.
"""

from typing import Final, cast

import graphviz

from graphcnn.pictures.scene.colors import FAMILIES, PAINTS

Style = dict[str, str]


def _box(fill: str, line: str) -> Style:
    return {"fillcolor": fill, "color": line}


def family_style(family: str) -> Style:
    """Fill and line of an operator, those that its family has in all pictures."""
    paint = PAINTS[FAMILIES[family].paint]
    assert paint.fill and paint.stroke
    return _box(paint.fill, paint.stroke)


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

#: Around the body of a loop, and what goes back in it.
LOOP: Final[Style] = {
    "style": "rounded,filled",
    "fillcolor": "#f6f8fa",
    "color": "#4b535c",
    "penwidth": "1.4",
    "fontsize": "11",
    "labeljust": "l",
}
BACK: Final[Style] = {"color": "#6b46a8", "penwidth": "1.6", "constraint": "false"}

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
