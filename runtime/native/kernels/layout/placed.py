"""Lowerings of operators in given layouts, and what each could be asked for.

`places("conv2d")` registers the code of `Placed` nodes around an operator, alone or in a group;
`choices(node, target)` lists the layouts and algorithms in which an operator could be placed, with
a cost, for the pass that assigns layouts.
"""

from collections.abc import Callable
from typing import cast

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op
from graphcnn.ir.storage import Choice
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import Placed, inner
from graphcnn.runtime.native.code.kernel import LOWERINGS, Kernel, Lowering, lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.image.blocked_images import BLOCKED

#: Name of the (heavy) operator to the lowering of `Placed` nodes around it.
PLACED: dict[str, Lowering] = {}

#: Name of the (heavy) operator to its choices.
CHOICES: dict[str, Callable[[Node, Target], list[Choice]]] = {}


def places(*ops: str) -> Callable[[Lowering], Lowering]:
    """Register the lowering of placed operators."""

    def register(function: Lowering) -> Lowering:
        for op in ops:
            if op in PLACED:
                raise TypeError(f"two lowerings for placed {op!r}")
            PLACED[op] = function
        return function

    return register


def heavy_op(node: Node) -> Op:
    """A node's operator, the heavy one where it is a group."""
    op = inner(node.op)
    anchor = op.anchor_node if isinstance(op, Fused) else None
    return op if anchor is None else anchor.op


def heavy(node: Node) -> str:
    """The name of that operator."""
    return heavy_op(node).name


def choices(node: Node, target: Target) -> list[Choice]:
    """The ways to place a node, cheapest first. Operators that know none have an empty list."""
    make = CHOICES.get(heavy(node))
    return sorted(make(node, target), key=lambda c: c.cost) if make else []


@lowers("placed")
def placed(node: Node, target: Target) -> Kernel:
    """The code that knows the layouts; where all are plain, the operator's own."""
    op = cast(Placed, node.op)
    if {*op.reads, *op.writes} <= {"plain"}:
        return LOWERINGS[op.op.name](Node(op.op, node.inputs, node.types, node.name), target)
    name = heavy(node)
    known = {**BLOCKED, **PLACED}
    if name not in known:
        raise GraphError(f"{name} has no native lowering for {op.reads} -> {op.writes}")
    return known[name](node, target)
