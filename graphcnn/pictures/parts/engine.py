"""Places for boxes by Graphviz: its positions only, for `engine="dot"`.

The rows and lanes are ours (`graphcnn.pictures.parts.layout`); Graphviz is handed rectangles of
fixed size in these rows and answers with their order and places. Cards and lines are drawn by our
code, so both engines share one look.
"""

import itertools
from collections.abc import Sequence
from typing import Final

from graphcnn.errors import OutputError
from graphcnn.pictures.parts.graphviz import lay_out
from graphcnn.pictures.parts.layout import (
    ANYWHERE,
    Edge,
    Ends,
    Layout,
    Size,
    add_lanes,
    arrange,
    main_path,
    rows_of,
)

#: Who places the cards.
ENGINES: Final = ("built-in", "dot")
_INCH: Final = 72.0
#: How much the lines of the longest path want to be straight.
_MAIN: Final = 100


def placed(
    engine: str,
    sizes: Sequence[Size],
    edges: Sequence[Edge],
    gap: float,
    lane: float,
    ends: Ends = ANYWHERE,
) -> Layout:
    """A layout for boxes in topological order, as `arrange`, by one of `ENGINES`.

    Raises:
        MissingExtraError: "dot" without Graphviz, as a program or as the extra "svg".
        OutputError: Graphviz failed, or the graph is too large for the extra.
    """
    if engine == "built-in" or not sizes:
        return arrange(sizes, edges, gap, lane, ends)
    layout = Layout(rows_of(len(sizes), edges, ends), [], boxes=len(sizes))
    add_lanes(layout, edges)
    plain = lay_out(_source(layout, sizes, edges, gap, lane))
    found: dict[int, float] = {}
    for line in plain.splitlines():
        kind, *rest = line.split()
        if kind == "node" and rest[0].startswith("n"):
            found[int(rest[0][1:])] = float(rest[1]) * _INCH
    if len(found) < len(layout.row):
        raise OutputError("Graphviz answered without a place for every card")
    layout.x = [round(2 * found[i]) / 2 for i in range(len(layout.row))]
    layout.order = [sorted(row, key=layout.x.__getitem__) for row in layout.order]
    return layout


def _source(
    layout: Layout, sizes: Sequence[Size], edges: Sequence[Edge], gap: float, lane: float
) -> str:
    """Rectangles in rows, for Graphviz. A chain of points holds the rows in their order."""
    lines = [f"digraph {{ nodesep={gap / _INCH:.4f}; ranksep=0.4; node [shape=box fixedsize=true]"]
    for i in range(len(layout.row)):
        # Both sides alike, so that the middle is where lines enter.
        wide = 2 * max(sizes[i].left, sizes[i].right) if i < layout.boxes else lane
        lines.append(f"n{i} [width={wide / _INCH:.4f} height=0.3]")
    rows = range(len(layout.order))
    lines += [f"r{r} [width=0.01 height=0.3 style=invis]" for r in rows]
    lines += [f"r{a} -> r{b} [style=invis]" for a, b in itertools.pairwise(rows)]
    for r, row in enumerate(layout.order):
        lines.append("{ rank=same; " + "; ".join([f"r{r}", *(f"n{i}" for i in row)]) + " }")
    steps: dict[tuple[int, int], None] = {}
    for way in layout.ways:
        steps.update(dict.fromkeys(itertools.pairwise(way)))
    main = main_path(layout.boxes, edges)
    lines += [f"n{a} -> n{b} [weight={_MAIN if (a, b) in main else 1}]" for a, b in steps]
    return "\n".join([*lines, "}"])
