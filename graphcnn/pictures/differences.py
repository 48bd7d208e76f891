"""Pictures of what passes did: before and after side by side, and a whole pipeline as a strip."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from graphcnn.analysis.words import describe
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node
from graphcnn.pictures.compare import SIGNS, Difference, Pair, graph_changes, shortened
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.parts.grid import ROW, Connector, Grid, GridCell, Wire, cell
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Scene, Text
from graphcnn.pictures.scene.units import counted, dimensions, in_bytes, joined, short

_STRIP: Final = 1500.0
#: Rows of a panel of the strip.
_MOST: Final = 24
_WORDS: Final = {
    "kept": "kept", "removed": "removed", "added": "added", "changed": "changed",
    "fused": "fused into another",
}  # fmt: skip

Step = tuple[str, Graph, Graph]


def difference_picture(before: Graph, after: Graph, *, name: str = "", context: int = 2) -> Picture:
    """Two graphs side by side: what was kept, removed, added, changed, fused.

    Args:
        name: what made the difference, for the heading.
        context: rows of kept operators that are shown around each change.
    """
    found = graph_changes(before, after)
    title = name or f"{before.name} → {after.name}"
    panel, area = _panel(found, 14, 54, context, "a")
    subtitle = _totals(found) if not found.empty else "nothing changed"
    return _picture(title, subtitle, panel, area, [found])


def passes_picture(steps: Iterable[Step], *, title: str = "passes", context: int = 0) -> Picture:
    """A pipeline as a strip: a panel for each pass that changed something, in their order.

    Args:
        steps: name, graph before and graph after of every pass.
    """
    groups: list[Group] = []
    found: list[Difference] = []
    idle: list[str] = []
    x, y, below, right = 14.0, 54.0, 54.0, 0.0
    first = last = None
    for number, (name, before, after) in enumerate(steps):
        first, last = first or before, after
        one = graph_changes(before, after)
        if one.empty:
            idle.append(name)
            continue
        found.append(one)
        panel, area = _panel(one, x + 10, y + 44, context, f"p{number}-", True)
        if area.right + 10 > _STRIP and x > 14:
            x, y = 14.0, below + 16
            panel, area = _panel(one, x + 10, y + 44, context, f"p{number}-", True)
        head = elide(f"{len(found)}  {name}", 12, area.width, bold=True)
        facts = elide(_counts(one), 9.5, area.width - 2)
        wide = max(area.right, x + 10 + text_width(head, 12, True), x + 10 + text_width(facts, 9.5))
        frame = Box(x, y, wide + 10, area.bottom + 10)
        groups.append(
            Group(
                (
                    Rect(frame, "frame", 5),
                    Text(x + 10, y + 18, head, 12, "text", bold=True),
                    Text(x + 10, y + 33, facts, 9.5, "muted"),
                    *panel,
                ),
                "frame", "", f"{name}: {_counts(one)}", box=frame,
            )
        )  # fmt: skip
        x, below, right = frame.right + 16, max(below, frame.bottom), max(right, frame.right)
    whole = ""
    if first is not None and last is not None:
        whole = f"{len(first.operations)} → {counted(len(last.operations), 'operator')}"
    subtitle = joined((whole, f"no change: {', '.join(idle)}" if idle else ""))
    return _picture(title, subtitle or "no passes", groups, Box(14, 54, right, below), found)


def _panel(
    found: Difference, left: float, top: float, context: int, prefix: str, compact: bool = False
) -> tuple[list[Group], Box]:
    rows: list[list[list[GridCell]]] = []
    keys: dict[tuple[int, Node], str] = {}
    across: list[Connector] = []
    shown = shortened(_gathered(found.pairs), context, lambda row: _state(row) == "kept")
    if compact and len(shown) > _MOST:
        rest = sum(p if isinstance(p, int) else 1 for p in shown[_MOST:])
        shown = [*shown[:_MOST], rest]
    for number, pair in enumerate(shown):
        if isinstance(pair, list):
            state = _state(pair)
            text = f"{counted(len(pair), 'operator')} on weights"
            one = cell(f"{prefix}w{number}", text, (), state, SIGNS[state],
                       label=f"{SIGNS[state]} {_WORDS[state]}: {text}")  # fmt: skip
            was = replace(one, key=f"{prefix}v{number}", paint="kept", sign="", label=" ")
            old = [was if pair[0].after else one] if pair[0].before else []
            rows.append([old, [one] if pair[0].after else []])
            continue
        if isinstance(pair, int):
            more = compact and number == _MOST
            text = f"{pair:,} more rows" if more else f"{counted(pair, 'operator')} kept"
            rows.append([
                [cell(f"{prefix}k{number}", text, (), "kept", "…")],
                [cell(f"{prefix}l{number}", text, (), "kept", "…", label=" ")],
            ])  # fmt: skip
            continue
        stacks: list[list[GridCell]] = [[], []]
        for side, node in enumerate((pair.before, pair.after)):
            if node is not None:
                key = f"{prefix}{'ba'[side]}{number}"
                keys[side, node] = key
                stacks[side].append(_cell(key, node, pair, side, compact))
        rows.append(stacks)
    for pair in found.pairs:
        if pair.before is not None and (0, pair.before) in keys:
            target = pair.into or pair.after
            if target is not None and (1, target) in keys:
                fused = pair.into is not None
                across.append(
                    Connector(keys[0, pair.before], keys[1, target],
                           "fused_link" if fused else "link", head="fused_head" if fused else "")
                )  # fmt: skip
    wires = []
    for (side, node), key in keys.items():
        for value in node.inputs:
            if (side, value.node) in keys:
                wires.append(Wire(keys[side, value.node], key, "edge"))
    table = Grid(("before", "after"), rows, list(dict.fromkeys(wires)), across,
                  ("left", "right"), gap=44, between=7 if compact else ROW)  # fmt: skip
    return table.draw(left, top)


def _gathered(pairs: Sequence[Pair]) -> list[Pair | list[Pair]]:
    """The pairs, arithmetic on weights that came, went or changed together as one list."""
    result: list[Pair | list[Pair]] = []
    runs = itertools.groupby(pairs, lambda p: (p.on_weights, p.state if _once(p) else "changed"))
    for (on_weights, _), members in runs:
        run = list(members)
        changed = any(pair.state != "kept" for pair in run)
        result += [run] if on_weights and changed and len(run) > 1 else run
    return result


def _once(pair: Pair) -> bool:
    """Whether a pair stands on one side only."""
    return pair.before is None or pair.after is None


def _state(row: Pair | list[Pair]) -> str:
    if isinstance(row, Pair):
        return row.state
    return next(pair.state for pair in row if pair.state != "kept")


def _cell(key: str, node: Node, pair: Pair, side: int, compact: bool) -> GridCell:
    name = node.name or node.op.name
    what = describe(node)
    gone = side == 0 and pair.state == "changed"
    state = "kept" if gone else pair.state
    facts = [what if what != name else "", f"→ {dimensions(node.output.type)}"]
    if pair.why and side == 1:
        facts = [pair.why]
    into = f", into {pair.into.name or pair.into.op.name}" if pair.into is not None else ""
    label = f"{SIGNS[pair.state]} {_WORDS[pair.state]}{into}: {name}, {joined(facts)}"
    spoken = " " if pair.before is not None and pair.after is not None and side == 0 else label
    tip = joined((node.origin.location, ", ".join(node.origin.passes)))
    facts = [] if compact else facts
    return cell(key, name, facts, state, "" if gone else SIGNS[state], tip=tip, label=spoken)


def _counts(found: Difference) -> str:
    return joined(
        f"{SIGNS[state]} {found.count(state)} {state}"
        for state in ("kept", "removed", "fused", "changed", "added")
        if found.count(state)
    )


def _totals(found: Difference) -> str:
    parts = []
    for what, one, two in found.totals():
        write = in_bytes if what.startswith("bytes") else short
        what = "activations" if what.startswith("bytes") else what
        parts.append(f"{what} {write(one)}" + (f" → {write(two)}" if one != two else ""))
    return joined(parts)


def _picture(
    title: str, subtitle: str, groups: Sequence[Group], area: Box, found: Sequence[Difference]
) -> Picture:
    states = [s for s in SIGNS if any(one.count(s) for one in found)]
    entries = [(s, SIGNS[s], 3.0, _WORDS[s]) for s in states]
    entries.append(around.line_entry("edge", "value"))
    if "fused" in states:
        entries.append(around.line_entry("fused_link", "went into"))
    width = max(int(area.right + 14) + 1, 480)
    key, bottom = around.legend(entries, width, area.bottom + 16)
    footer = [joined((_counts(one), _totals(one))) for one in found[:1] if len(found) == 1]
    notes, bottom = around.notes(footer, width, bottom)
    items: tuple[Item, ...] = (
        Rect(Box(0, 0, width, bottom + 6), "ground"),
        *around.heading(title, subtitle, width),
        *groups,
        key,
        *notes,
    )
    data = {
        "differences": [
            {state: one.count(state) for state in SIGNS} | {"empty": one.empty} for one in found
        ]
    }
    description = f"Difference of graphs: {subtitle}."
    return Picture(Scene(width, bottom + 6, items, title, description, tuple(footer), data))
