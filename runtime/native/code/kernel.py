"""One step of a plan as code.

A kernel knows how to emit itself. Kernels with equal keys are the same code: it is compiled once,
for the life of the process and on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass

from graphcnn.ir.node import Node
from graphcnn.runtime.native.code.emit import Emitter


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
        rule: what chose its sizes, in words; nothing where there was nothing to choose.
    """

    key: str
    emit: Callable[[Emitter], None]
    operands: int
    units: int = 1
    scratch: int = 0
    inplace: tuple[tuple[int, int], ...] = ()
    algorithm: str = "loop"
    rule: str = ""

    @property
    def method(self) -> str:
        """The algorithm without its sizes, "winograd F4 tiles": what the order of sums depends on.

        Tiles cut results, and never a sum.
        """
        return " ".join(word for word in self.algorithm.split() if not word[0].isdigit())


def node_key(node: Node) -> str:
    """Operator, attributes and types of a node: the default key of its kernel."""
    reads = ", ".join(str(v.type) for v in node.inputs)
    writes = ", ".join(map(str, node.types))
    return f"{node.op!r}({reads}) -> {writes}"
