"""What is known of a graph before anything of it has an address: its plan, and the kernels."""

from dataclasses import dataclass

from graphcnn.ir.graph import Graph
from graphcnn.ir.plan import Plan
from graphcnn.runtime.native.code.kernel import Kernel


@dataclass(frozen=True)
class Compiled:
    """A plan with the kernels of its steps, and the graph that prepares its states, if any."""

    plan: Plan
    kernels: tuple[Kernel, ...]
    prepare: Graph | None = None
