"""From a bound graph to machine code: layouts, order and memory, chosen for the processor.

With `graphcnn.compile` the only place where passes and runtime meet.
"""

from collections.abc import Callable, Mapping

from graphcnn.compile import observers
from graphcnn.config import check_precision, verify_level
from graphcnn.graph import Graph
from graphcnn.ir import Array, Node
from graphcnn.layout import Choice
from graphcnn.passes.assign_layout import AssignLayout
from graphcnn.passes.base import Applied, Pipeline
from graphcnn.passes.cancel_relayout import CancelRelayout
from graphcnn.passes.eliminate import Eliminate
from graphcnn.passes.fold_constants import FoldConstants
from graphcnn.passes.fuse_ops import FuseOps
from graphcnn.passes.plan_memory import plan_memory
from graphcnn.passes.schedule import Schedule
from graphcnn.passes.split_states import split_states
from graphcnn.plan import Plan
from graphcnn.runtime.native.comparison import Comparison
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.kernel import Kernel, lower
from graphcnn.runtime.native.kernels.placed import choices
from graphcnn.runtime.native.table import load_lowerings
from graphcnn.runtime.native.target import Target, host
from graphcnn.runtime.native.threads import thread_count
from graphcnn.runtime.reference import Reference


def native_pipeline(target: Target, precision: str = "fast") -> Pipeline:
    """A bound graph to the form that becomes machine code for `target`.

    In precision "strict" no convolution is computed by Winograd's algorithm.
    """
    load_lowerings()

    def offered(node: Node) -> list[Choice]:
        found = choices(node, target)
        if precision == "strict":
            return [c for c in found if not c.algorithm.startswith("winograd")]
        return found

    return Pipeline(
        (
            FoldConstants(),
            Eliminate(),
            FuseOps(),
            AssignLayout(offered),
            CancelRelayout(),
            Schedule(),
        )
    )


def native_plan(graph: Graph, threads: int | None = None, target: Target | None = None) -> Plan:
    """Order and memory of a graph that went through `native_pipeline`."""
    target = target or host()
    kernels: dict[Node, Kernel] = {}

    def kernel(node: Node) -> Kernel:
        if node not in kernels:
            kernels[node] = lower(node, target)
        return kernels[node]

    return plan_memory(
        graph,
        scratch=lambda node: kernel(node).scratch,
        inplace=lambda node: kernel(node).inplace,
        parts=thread_count(threads),
    )


def planned(
    graph: Graph,
    threads: int | None = None,
    precision: str | None = None,
    trace: Callable[[Applied], None] | None = None,
) -> Plan:
    """The plan of what runs for a bound graph of inference or training; nothing is compiled."""
    pipeline = native_pipeline(host(), check_precision(precision))
    placed = pipeline.run(graph, observers(trace))
    return native_plan(placed if graph.updates else split_states(placed)[1], threads)


def native_executable(
    graph: Graph, threads: int | None = None, target: Target | None = None
) -> NativeExecutable:
    """The machine code of a graph that went through `native_pipeline`.

    With GRAPHCNN_VERIFY=numbers each of its steps is compared with the reference.
    """
    plan = native_plan(graph, threads, target)
    executable = NativeExecutable(graph, threads, target, plan=plan)
    if verify_level() == "numbers":
        executable.watch = Comparison(executable.plan)
    return executable


class Prepared:
    """Runs a bound graph of inference. What depends on states alone is computed at `bind_states`,
    by the reference: batch norms folded into kernels, kernels packed for the processor."""

    def __init__(
        self, graph: Graph, threads: int | None = None, precision: str | None = None
    ) -> None:
        pipeline = native_pipeline(host(), check_precision(precision))
        self._prepare, run = split_states(pipeline.run(graph, observers()))
        self.executable = native_executable(run, threads)

    def bind_states(self, states: Mapping[str, Array]) -> None:
        """Take other values of the states."""
        made: Mapping[str, Array] = {}
        if self._prepare is not None:
            made, _ = Reference(self._prepare).run({}, states)
        self.executable.bind_states({**states, **made})

    def run(self, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs by name; there are no updates."""
        return self.executable.run(feeds)


def training_executable(
    graph: Graph, threads: int | None = None, precision: str | None = None
) -> NativeExecutable:
    """The machine code of a bound training step."""
    pipeline = native_pipeline(host(), check_precision(precision))
    return native_executable(pipeline.run(graph, observers()), threads)
