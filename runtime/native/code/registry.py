"""The contract of lowering: what the author of a kernel registers, and how it is found again.

A lowering is a function from a node, whose types are bound, and a target to a `Kernel`:

    @lowers("twice")
    def twice(node: Node, target: Target) -> Kernel:
        dtype, count = node.types[0].dtype, node.types[0].size

        def emit(e: Emitter) -> None:
            x, y = e.operands

            def one(i: ir.Value) -> None:
                value = e.load(e.at(x, dtype, (i, 1)), dtype)
                e.store(e.add(value, value), e.at(y, dtype, (i, 1)))

            e.loop(*e.share(count), one)

        return Kernel(node_key(node), emit, operands=2, units=count)

It lies in any module below `runtime/native/kernels`; all of them are imported before anything is
looked up. An operator without one is computed as what it expands to, if it says so. What can be
registered under the name of an operator, each once:

    lowers      the code of a node of it, all values plain
    anchored    the code of a `Fused` group around it: a heavy operator with elementwise ones
    places      the code of a `Placed` node of it, or of a group around it: values in layouts such
                as c16, of a given algorithm; all plain is left to the two above
    offers      the layouts and algorithms to choose from, each with its cost. An operator that has
                `places` without them passes on the layout that its neighbours choose
    packs       the same for the body of a loop, where what the loop is given is packed once for all
                steps: ways that are worth nothing where a weight is read once
    passes      whether it does, for a node and a layout of images: where only some nodes can, or
                not with every halo
    expresses   an elementwise operator on vectors in registers: what may be part of a group

Elementwise operators register `expresses` alone, which gives them all else. Operators that users
define register nothing: their kernels are empty, Python is called between those around them.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import llvmlite.ir as ir

from graphcnn.base.modules import import_all
from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op
from graphcnn.ir.plan import is_all_reduce
from graphcnn.ir.storage import Choice
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import inner
from graphcnn.ops.own.operator import is_own
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target

Entry = TypeVar("Entry")
Lowering = Callable[[Node, Target], Kernel]
Offer = Callable[[Node, Target], list[Choice]]
Passing = Callable[[Op, str], bool]
#: f(e, op, element type of the first operand, *vectors) -> vector.
Expression = Callable[..., ir.Value]


class Table(dict[str, Entry]):
    """Names of operators to what was registered for them."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def register(self, *ops: str) -> Callable[[Entry], Entry]:
        """Register the decorated function for operators. Raises `TypeError` for a second one."""

        def enter(entry: Entry) -> Entry:
            for op in ops:
                if op in self:
                    raise TypeError(f"two {self.what} {op!r}")
                self[op] = entry
            return entry

        return enter


#: The algorithm of what Python is called for.
PYTHON: Final = "python"

LOWERINGS = Table[Lowering]("lowerings for")
ANCHORED = Table[Lowering]("lowerings for groups around")
PLACED = Table[Lowering]("lowerings for placed")
OFFERS = Table[Offer]("offers of layouts for")
PACKING = Table[Offer]("offers of packed operands for")
PASSING = Table[Passing]("conditions of passing on for")
EXPRESSIONS = Table[Expression]("expressions for")

lowers, anchored, places = LOWERINGS.register, ANCHORED.register, PLACED.register
offers, passes, expresses = OFFERS.register, PASSING.register, EXPRESSIONS.register
packs = PACKING.register


def load_lowerings() -> None:
    """Import every module of kernels: each registers what it has.

    Only when something is lowered: code that comes from the disk is ready sooner without them.
    """
    import_all("graphcnn.runtime.native.kernels")


def has_lowering(op: Op) -> bool:
    """Whether there is code for an operator, or Python is called for it."""
    load_lowerings()
    return op.name in LOWERINGS or is_own(op)


def lower(node: Node, target: Target) -> Kernel:
    """The kernel of a node. Raises `GraphError` for an operator without one."""
    if is_own(node.op):
        operands = len(node.inputs) + len(node.types)
        return Kernel(PYTHON, lambda e: None, operands, algorithm=PYTHON)
    if not has_lowering(node.op):
        raise GraphError(f"{node.op.name} has no native lowering")
    return LOWERINGS[node.op.name](node, target)


def heavy_op(node: Node) -> Op:
    """A node's operator, the heavy one where it is a group."""
    op = inner(node.op)
    anchor = op.anchor_node if isinstance(op, Fused) else None
    return op if anchor is None else anchor.op


def choices(node: Node, target: Target, in_loop: bool = False) -> list[Choice]:
    """The ways to place a node, cheapest first. Operators that offer none have an empty list.

    In the body of a loop there are some more, for what the loop is given.
    """
    load_lowerings()
    name = heavy_op(node).name
    offer = OFFERS.get(name) or (PACKING.get(name) if in_loop else None)
    return sorted(offer(node, target), key=lambda c: c.cost) if offer else []


def passes_on(node: Node, layout: str) -> bool:
    """Whether there is code for a node that works in the layout that its neighbours choose."""
    load_lowerings()
    op = heavy_op(node)
    if is_all_reduce(node):  # which is no step: it needs no code
        return True
    if op.name not in PLACED or op.name in OFFERS:
        return False
    can = PASSING.get(op.name)
    return can is None or can(op, layout)
