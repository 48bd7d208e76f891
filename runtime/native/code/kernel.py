"""One step of a plan as code, and the registry from operators to code.

A lowering is a function from a node (bound types) and a target to a `Kernel`; the kernel knows how
to emit itself. Kernels with equal keys are the same code: it is compiled once, for the life of the
process and on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass

from graphcnn.base.modules import import_all
from graphcnn.errors import GraphError
from graphcnn.ir.node import Node
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.target import Target


@dataclass(frozen=True)
class Kernel:
    """The code of one step.

    Attributes:
        key: all that the code depends on besides the target: operator, types, schedule.
        emit: writes the body into an open `Emitter`.
        operands: pointers it takes: inputs, outputs, and one of scratch where `scratch` > 0.
        units: pieces of work that can go to different threads; 1 runs on one thread.
        scratch: bytes of working memory for each part.
        inplace: pairs (input, output) that may be the same memory.
        algorithm: name for profiles: "direct 14×2", "winograd 4×4", "loop".
    """

    key: str
    emit: Callable[[Emitter], None]
    operands: int
    units: int = 1
    scratch: int = 0
    inplace: tuple[tuple[int, int], ...] = ()
    algorithm: str = "loop"

    @property
    def method(self) -> str:
        """The algorithm without its sizes, "winograd F4 tiles": what the order of sums depends on.

        Tiles cut results, and never a sum.
        """
        return " ".join(word for word in self.algorithm.split() if not word[0].isdigit())


Lowering = Callable[[Node, Target], Kernel]

#: Operator name to its lowering; filled by `load_lowerings`.
LOWERINGS: dict[str, Lowering] = {}


def lowers(*ops: str) -> Callable[[Lowering], Lowering]:
    """Register a lowering for operators."""

    def register(function: Lowering) -> Lowering:
        for op in ops:
            if op in LOWERINGS:
                raise TypeError(f"two lowerings for {op!r}")
            LOWERINGS[op] = function
        return function

    return register


def lower(node: Node, target: Target) -> Kernel:
    """The kernel of a node. Raises `GraphError` for an operator without one."""
    load_lowerings()
    if node.op.name not in LOWERINGS:
        raise GraphError(f"{node.op.name} has no native lowering")
    return LOWERINGS[node.op.name](node, target)


def load_lowerings() -> None:
    """Import every module of kernels: each registers what it lowers.

    Only when something is lowered: code that comes from the disk is ready sooner without them.
    """
    import_all("graphcnn.runtime.native.kernels")


def node_key(node: Node) -> str:
    """Operator, attributes and types of a node: the default key of its kernel."""
    reads = ", ".join(str(v.type) for v in node.inputs)
    writes = ", ".join(map(str, node.types))
    return f"{node.op!r}({reads}) -> {writes}"
