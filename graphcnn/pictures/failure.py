"""A failure as a picture: what is known of the graph, the operator that does not fit, and why."""

import linecache
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final

from graphcnn.analysis.words import describe
from graphcnn.errors import GraphError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.origin import Origin
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.pictures.parts import legend as around
from graphcnn.pictures.parts.grid import Grid, Wire, cell
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Scene, Text
from graphcnn.pictures.scene.units import dimensions, joined

#: Operators before the failing one that are shown.
_MOST: Final = 10
_WIDTH: Final = 440.0
_SIZE: Final = 10.5


def failure_picture(error: GraphError) -> Picture:
    """The picture of an error that an operator raised while the graph was built.

    The operator is found in the traceback of the error, or of the one that it came from, so the
    error must be the one that was caught.
    Errors from elsewhere give the message alone.
    """
    found = next(filter(None, (_attempt(each.__traceback__) for each in _causes(error))), None)
    title = "the graph cannot be built"
    if found is None:
        groups: list[Group] = []
        op_name, area, origin = "", Box(14, 54, 14, 54), Origin()
    else:
        op, values, name, origin = found
        op_name = f'{op.name} "{name}"' if name else op.name
        groups, area = _known(op, values, name)
    left = area.right + 28 if groups else 14.0
    message, bottom = _message(
        str(error).partition("\n")[0], _operands(found), origin, left, 76 if groups else 54
    )
    width = int(left + _WIDTH + 15)
    subtitle = f"{op_name} does not fit what it reads" if op_name else "no operator is to blame"
    bottom = max(bottom, area.bottom) + 14
    items: tuple[Item, ...] = (
        Rect(Box(0, 0, width, bottom), "ground"),
        *around.heading(title, subtitle, width),
        *groups,
        message,
    )
    return Picture(Scene(width, bottom, items, title, str(error), (), {"error": str(error)}))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those in whose place it was raised with better words."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _attempt(trace: TracebackType | None) -> tuple[Op, list[Value], str, Origin] | None:
    """What was being built where the error was raised, from the frame that built it."""
    found = None
    while trace is not None:
        if trace.tb_frame.f_code is build.__code__:
            found = dict(trace.tb_frame.f_locals)
        trace = trace.tb_next
    if found is None:
        return None
    values = [v for v in found["inputs"] if isinstance(v, Value)]
    return found["op"], values, found["name"], found["origin"] or Origin()


def _known(op: Op, values: Sequence[Value], name: str) -> tuple[list[Group], Box]:
    """The operators that lead to the failing one, and it below them."""
    order = [n for n in topological_order(v.node for v in values) if _shown(n)]
    shown = order[-_MOST:]
    keys = {node: f"n{i}" for i, node in enumerate(shown)}
    rows = [[[_cell(keys[n], n)]] for n in shown]
    if len(order) > len(shown):
        rows.insert(0, [[cell("more", f"{len(order) - len(shown)} before", (), "kept", "…")]])
    facts = " · ".join(dimensions(v.type) for v in values if _shown(v.node))
    rows.append(
        [[cell("failed", name or op.name, (op.name if name else "", f"reads {facts}"), "error",
               "×", label=f"{name or op.name} failed")]]
    )  # fmt: skip
    wires = [Wire(keys[v.node], keys[n], "edge") for n in shown for v in n.inputs if v.node in keys]
    wires += [Wire(keys[v.node], "failed", "error_line", 1.8) for v in values if v.node in keys]
    table = Grid(("what is known",), rows, list(dict.fromkeys(wires)), sides=("left",))
    return table.draw(14, 54)


def _shown(node: Node) -> bool:
    return not isinstance(node.op, State | Constant)


def _cell(key: str, node: Node) -> Any:
    kind = FAMILIES[node.op.family]
    what = "" if isinstance(node.op, Input) else describe(node)
    name = node.name or node.op.name
    facts = (what if what != name else "", f"→ {dimensions(node.output.type)}")
    return cell(key, name, facts, kind.paint, kind.letters, radius=min(kind.radius, 8),
                tip=node.origin.location, label=f"{name}: {joined(facts)}")  # fmt: skip


def _operands(found: tuple[Op, list[Value], str, Origin] | None) -> list[str]:
    if found is None:
        return []
    op, values, _, _ = found
    return [
        f"{op.operand_name(i)}: {value.type}  from {value.node.name or value.node.op.name}"
        for i, value in enumerate(values)
    ]


def _message(
    text: str, operands: Sequence[str], origin: Origin, left: float, top: float
) -> tuple[Group, float]:
    """The error in words, broken into lines, what it read, and the user's line."""
    lines = [(part, "error_text", True) for part in _wrapped(text, _WIDTH - 24)]
    if operands:
        lines.append(("", "muted", False))
        lines += [(elide(part, _SIZE, _WIDTH - 24), "text", False) for part in operands]
    if origin.file:
        source = linecache.getline(origin.file, origin.line).strip()
        place = f"{PurePath(origin.file).name}:{origin.line}"
        lines += [("", "muted", False), (elide(place, _SIZE, _WIDTH - 24), "muted", False)]
        if source:
            lines.append((elide(source, _SIZE, _WIDTH - 24), "text", False))
    box = Box(left, top, left + _WIDTH, top + 16 * len(lines) + 16)
    items: list[Item] = [Rect(box, "body", 5)]
    for i, (part, paint, bold) in enumerate(lines):
        if part:
            items.append(Text(left + 12, top + 20 + 16 * i, part, _SIZE, paint, bold=bold))
    return Group(tuple(items), "card", "message", text, box=box), box.bottom


def _wrapped(text: str, width: float) -> list[str]:
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if text_width(longer, _SIZE, True) * 1.06 <= width:
            rows[-1] = longer
        else:
            rows.append(elide(word, _SIZE, width, bold=True))
    return [row for row in rows if row]
