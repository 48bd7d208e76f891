"""Remove relayouts that undo each other, and those that need not be.

A relayout moves bytes and changes no number, so every rule here keeps every bit.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.storage import PLAIN, Images, parse_layout, without_halo
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.passes.driver.base import Pass, PassLog, no
from graphcnn.passes.driver.rewrite import Match, Result, Rule, rewrite, rule
from graphcnn.passes.layout.layout_choices import (
    Layouts,
    PassesOn,
    elementwise_alone,
    passing_choices,
)
from graphcnn.passes.simplify.eliminate import merge_equal


@rule("relayout")
def relayout_of_relayout(node: Node, match: Match) -> Result:
    """relayout(relayout(x; a); b) -> relayout(x; b)"""
    (inner,) = node.inputs
    if not isinstance(inner.node.op, Relayout):
        return None
    return node.op(inner.node.inputs[0], name=node.name)


@rule("relayout")
def relayout_to_itself(node: Node, match: Match) -> Result:
    """relayout(x; the layout of x) -> x"""
    return node.inputs[0] if node.inputs[0].type == node.output.type else None


def around(passes_on: PassesOn) -> Rule:
    """The rule for the operators that pass layouts on."""

    @rule("relayout")
    def relayout_around(node: Node, match: Match) -> Result:
        """relayout(f(relayout(x; plain), ...); a) -> f(x, ...) in the layout a"""
        return _around(node, match, passes_on)

    return relayout_around


relayout_around = around(elementwise_alone)


def _around(node: Node, match: Match, passes_on: PassesOn) -> Result:
    inner, layout = node.inputs[0].node, node.output.type.layout
    if isinstance(inner.op, Placed | Relayout) or len(inner.outputs) != 1:
        return None
    before = [_before(v, layout) for v in inner.inputs]
    if all(v is None for v in before):
        return None
    if match.uses(inner.output) > 1:
        return no("the plain result is read by others", inner)
    if isinstance(parse_layout(layout), Images):
        here = Layouts({without_halo(layout): (layout,)}, {})
    else:
        here = Layouts({}, {inner.output.shape: (layout,)})
    for choice in passing_choices(inner, here, passes_on):
        if choice.is_plain or choice.writes != (layout,):
            continue
        reads = zip(inner.inputs, before, choice.reads, strict=True)
        found = [v if want == PLAIN else b for v, b, want in reads]
        operands = [v for v in found if v is not None]
        if len(operands) < len(found):
            return no(f"some operand does not lie as {layout} before", inner)
        placed = Placed(inner.op, tuple(v.type.layout for v in operands), choice.writes)
        return placed(*operands, name=inner.name)
    return no(f"{inner.op.name} cannot work in {layout}", inner)


def _before(value: Value, layout: str) -> Value | None:
    """What a value was made plain from, if it had this layout."""
    op = value.node.op
    if not isinstance(op, Relayout) or value.type.layout != PLAIN:
        return None
    (source,) = value.node.inputs
    return source if source.type.layout == layout else None


@dataclass(frozen=True)
class CancelRelayout(Pass):
    """Apply the rules above, and make equal relayouts one.

    Attributes:
        passes_on: what the runtime can do of the operators that pass layouts on.
    """

    passes_on: PassesOn = field(default=elementwise_alone, repr=False)

    stage: ClassVar[str] = "placed"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        rules = (relayout_of_relayout, relayout_to_itself, around(self.passes_on))
        return merge_equal(rewrite(graph, rules, log, by=self.name), log, by=self.name)
