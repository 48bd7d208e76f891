"""A table of a graph: what each layer does, its size, its cost, and what it sees of the image."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from graphcnn.analysis.cost import multiply_adds
from graphcnn.analysis.counts import (
    activation_bytes,
    graph_parameters,
    node_parameters,
    unread_pixels,
)
from graphcnn.analysis.loop_body import loop_body
from graphcnn.analysis.receptive_field import receptive_fields
from graphcnn.base.words import printable
from graphcnn.errors import shortened
from graphcnn.ir.geometry import Pair
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import Shape, format_shape
from graphcnn.ops.parts.body import WithBody
from graphcnn.text.literals import format_name, format_op

_HEADS = (
    "layer",
    "operator",
    "output",
    "parameters",
    "multiply-adds",
    "sees",
    "unused",
)
_LEGEND = {
    "sees": "receptive field, in pixels of the image",
    "unused": "input pixels at the bottom and right that no window reads",
}
_WIDEST = 100  # letters of a name
_RIGHT = (3, 4, 5)  # columns of numbers


@dataclass(frozen=True)
class Row:
    """One operator. `receptive_field` is (rows, columns) of the image, None without an image;
    `unread` counts rows and columns of the operator's own input that no window reads. `depth` is
    how many loops it stands in; its work there is that of one step, which is in the loop's row."""

    op: str
    name: str
    shape: Shape
    parameters: int
    multiply_adds: int
    receptive_field: Pair | None
    unread: Pair
    text: str
    depth: int = 0

    def cells(self) -> tuple[str, ...]:
        return (
            "  " * self.depth + shortened(format_name(self.name), _WIDEST),
            self.text,
            format_shape(self.shape),
            f"{self.parameters:,}" if self.parameters else "",
            f"{self.multiply_adds:,}" if self.multiply_adds else "",
            "×".join(map(str, self.receptive_field)) if self.receptive_field else "",
            _unread_text(self.unread),
        )


@dataclass(frozen=True)
class Summary:
    """The table and its totals; `print` shows both. Sizes and costs are per image while the batch
    size is `N`, else of the whole batch. A shared parameter is in the row of every layer that reads
    it, and once in the totals."""

    name: str
    rows: tuple[Row, ...]
    trainable: int
    frozen: int
    multiply_adds: int
    activation_bytes: int
    unit: str
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        return self.trainable + self.frozen

    def __str__(self) -> str:
        totals = (
            ("parameters", self.parameters, _split(self.trainable, self.frozen)),
            ("multiply-adds", self.multiply_adds, f"per {self.unit}"),
            ("activations", self.activation_bytes, f"bytes per {self.unit}"),
        )
        widest = max(len(f"{number:,}") for _, number, _ in totals)
        return "\n".join(
            [
                shortened(printable(self.name)),
                *_table([_HEADS, *(row.cells() for row in self.rows)]),
                "",
                *(f"{what:<14}{number:>{widest},} {more}" for what, number, more in totals),
                *(("", *self.notes) if self.notes else ()),
            ]
        )

    def to_json(self) -> str:
        """The same as JSON; the batch size is the text "N" where it is not known."""
        rows = [{k: v for k, v in asdict(row).items() if k != "text"} for row in self.rows]
        fields = {k: v for k, v in vars(self).items() if k != "rows"}
        return json.dumps({**fields, "rows": rows}, default=str, indent=2)


def summarize(graph: Graph, notes: tuple[str, ...] = ()) -> Summary:
    """The summary of a graph: one row for each operator, in order; `notes` stand below it."""
    total = graph_parameters(graph)
    rows = tuple(_rows(graph, 0))
    sizes = {v.shape[0] for v in graph.inputs if v.type.rank}
    whole = f"batch of {sizes.pop()}" if graph.is_bound and len(sizes) == 1 else "image"
    return Summary(
        graph.name,
        rows,
        total.trainable,
        total.frozen,
        sum(row.multiply_adds for row in rows if not row.depth),
        activation_bytes(graph),
        whole,
        notes,
    )


def _rows(graph: Graph, depth: int) -> Iterator[Row]:
    """A row for each operator, and behind a loop those of its body."""
    names, seen = unique_names(graph), receptive_fields(graph)
    for node in graph.operations:
        field = seen.get(node.output)
        yield Row(
            node.op.name,
            names[node],
            node.output.shape,
            node_parameters(node).total,
            multiply_adds(node),
            field.size if field and not depth else None,
            unread_pixels(node),
            describe(node),
            depth,
        )
        loop = loop_body(node, names)
        if loop is not None:
            yield from _rows(loop.graph, depth + 1)


def describe(node: Node) -> str:
    """An operator with its attributes in few words: `conv2d 5×5 /2 pad 2`."""
    op: Any = node.op
    if isinstance(op, WithBody):
        return op.words
    words = [op.name]
    kernel = _kernel(node)
    if kernel is None:
        return " ".join([*words, *filter(None, [format_op(op)])])
    words.append("×".join(map(str, kernel)))
    stride = getattr(op, "stride", (1, 1))
    if stride != (1, 1):
        words.append(f"/{_equal(stride, '×')}")
    if any(op.padding):
        words.append(f"pad {_padding_text(op.padding)}")
    if op.dilation != (1, 1):
        words.append(f"dilation {_equal(op.dilation, '×')}")
    known = ("kernel", "stride", "padding", "dilation")
    words += [w for w in [format_op(op, skip=known)] if w]
    return " ".join(words)


def _kernel(node: Node) -> tuple[Any, ...] | None:
    """Height and width of the kernel of a convolution or pool."""
    if hasattr(node.op, "kernel") and hasattr(node.op, "padding"):
        return tuple(node.op.kernel)
    if hasattr(node.op, "groups") and node.op.operands[1:2] == ("weight",):
        return node.inputs[1].shape[2:]
    return None


def _equal(numbers: tuple[int, ...], sign: str) -> str:
    """One number where all are equal."""
    return str(numbers[0]) if len(set(numbers)) == 1 else sign.join(map(str, numbers))


def _padding_text(padding: tuple[int, int, int, int]) -> str:
    top, bottom, left, right = padding
    if top == bottom and left == right:
        return _equal((top, left), "×")
    return ",".join(map(str, padding))


def _unread_text(unread: Pair) -> str:
    counted = zip(unread, ("row", "column"), strict=True)
    return ", ".join(f"{n} {what}{'s' * (n > 1)}" for n, what in counted if n)


def _split(trainable: int, frozen: int) -> str:
    return f"({trainable:,} trainable, {frozen:,} frozen)" if frozen else "(all trainable)"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines of equal columns; columns without any entry are left out."""
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in kept}
    lines = []
    for row in rows:
        cells = (
            f"{row[i]:>{widths[i]}}" if i in _RIGHT else f"{row[i]:<{widths[i]}}" for i in kept
        )
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    legend = [f"{_HEADS[i]}: {_LEGEND[_HEADS[i]]}" for i in kept if _HEADS[i] in _LEGEND]
    return [rule, lines[0], rule, *lines[1:], rule, *legend]
