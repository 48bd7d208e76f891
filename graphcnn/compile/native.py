"""From a bound graph to machine code: layouts, order and memory, chosen for the processor.

With `graphcnn.compile.pipelines` the only place where passes and runtime meet.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from graphcnn.base.config import verify_level
from graphcnn.base.garbage import kept
from graphcnn.compile.pipelines import observers
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Op
from graphcnn.ir.plan import Plan, is_all_reduce
from graphcnn.ir.storage import Choice
from graphcnn.ops.loops import Scan
from graphcnn.ops.own.operator import is_own
from graphcnn.ops.parts.body import all_nodes
from graphcnn.passes.driver.base import Applied, Pipeline
from graphcnn.passes.layout.assign_layout import AssignLayout
from graphcnn.passes.layout.cancel_relayout import CancelRelayout
from graphcnn.passes.lowering.expand import Expand
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.lowering.lower_loops import LowerLoops
from graphcnn.passes.lowering.split_states import split_states
from graphcnn.passes.lowering.widen_types import WidenTypes
from graphcnn.passes.lowering.write_masks import WriteMasks
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.passes.memory.read_gradients import ReadGradients
from graphcnn.passes.memory.schedule import Schedule
from graphcnn.passes.simplify.eliminate import Eliminate
from graphcnn.passes.simplify.fold_constants import FoldConstants
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.native import stored_plan
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import (
    choices,
    has_lowering,
    heavy_op,
    lower,
    passes_on,
)
from graphcnn.runtime.native.comparison import Comparison
from graphcnn.runtime.native.compiled import Compiled
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.loops import body_plan, loop_kernel
from graphcnn.runtime.native.tuning import measured
from graphcnn.runtime.reference import Reference


def native_pipeline(
    execution: Execution = NATIVE, loops: bool = True, around: Scan | None = None
) -> Pipeline:
    """A bound graph to the form that becomes machine code for the target.

    Without `loops` they are written out. `around` is the loop whose body the graph is.

    In precision "strict" no convolution is computed by Winograd's algorithm; one that is to be
    exact never is. With `tune` the choices are timed on this machine, on as many threads as run
    them, instead of estimated.
    """
    target = execution.machine

    def offered(node: Node) -> list[Choice]:
        found = choices(node, target, around is not None)
        if execution.precision == "strict" or heavy_op(node).attributes.get("exact"):
            found = [c for c in found if not c.algorithm.startswith("winograd")]
        return measured(node, found, target, execution.parts) if execution.tune else found

    def has_code(op: Op) -> bool:
        return has_lowering(op) or (loops and isinstance(op, Scan) and can_loop(op))

    still: frozenset[str] = frozenset()
    if around is not None:
        given = around.parts(around.body.inputs).given
        still = frozenset(v.node.op.attributes["key"] for v in given)
    times = 1 if around is None else around.length
    return Pipeline(
        (
            Expand(has_code),  # operators without a kernel become smaller ones
            WriteMasks(),  # of masked kernels only whole taps are left out by code
            WidenTypes(),  # types that are stored only are computed with in wider ones
            FoldConstants(),
            Eliminate(),
            FuseOps(),  # what is computed element by element joins what it reads
            # layout and algorithm of each operator, by its cost
            AssignLayout(offered, passes_on, still=still, times=times),
            CancelRelayout(passes_on),
            LowerLoops(lambda op: native_pipeline(execution, True, op).run(op.body, observers())),
            ReadGradients(),
            Schedule(),  # an order that needs little memory
        )
    )


def can_loop(op: Scan) -> bool:
    """Whether a scan runs as a loop: Python computes nothing in it, no shard is added up, and it is
    gone through more than once."""
    return op.length > 1 and not any(
        is_own(node.op) or is_all_reduce(node) for node in all_nodes(op.body)
    )


def native_plan(graph: Graph, execution: Execution = NATIVE) -> Plan:
    """Order and memory of a graph that went through `native_pipeline`."""
    return planned_and_lowered(graph, execution).plan


def planned_and_lowered(
    graph: Graph, execution: Execution, prepare: Graph | None = None, inputs_inside: bool = False
) -> Compiled:
    """Plan and kernels of a graph that went through `native_pipeline`."""
    target = execution.machine
    kernels: dict[Node, Kernel] = {}

    def kernel(node: Node) -> Kernel:
        if node not in kernels:
            kernels[node] = loop(node) if isinstance(node.op, Scan) else lower(node, target)
        return kernels[node]

    def loop(node: Node) -> Kernel:
        body = Schedule()(node.op.attributes["body"])  # without what has left it
        return loop_kernel(node, planned_and_lowered(body, execution), execution.parts)

    plan = plan_memory(
        graph,
        scratch=lambda node: kernel(node).scratch,
        inplace=lambda node: kernel(node).inplace,
        parts=execution.parts,
        inputs_inside=inputs_inside,
        body=lambda node: body_plan(kernel(node)),
    )
    return Compiled(plan, tuple(kernel(step.node) for step in plan.steps), prepare)


def planned(
    graph: Graph,
    execution: Execution = NATIVE,
    trace: Callable[[Applied], None] | None = None,
) -> Plan:
    """The plan of what runs for a bound graph of inference or training; nothing is compiled."""
    placed = native_pipeline(execution).run(graph, observers(trace))
    run = placed if graph.updates else split_states(placed, constants=True)[1]
    return native_plan(run, execution)


@kept()
def compiled(graph: Graph, execution: Execution = NATIVE) -> Compiled:
    """What runs for a bound graph, as this machine remembers it or made now.

    Nothing is remembered where the numbers of every pass are to be compared
    (GRAPHCNN_VERIFY=numbers), nor with `tune`, whose measurements are, nor of operators of the
    user's own: another program may mean others by the same names.
    """
    target, level = execution.machine, verify_level()
    execution = replace(execution, target=target)
    own = any(is_own(node.op) for node in all_nodes(graph))
    forget = execution.tune or level == "numbers" or own
    options = execution.precision, execution.parts, level
    entry = None if forget else stored_plan.entry_of(graph, target, *options)
    found = None if entry is None else stored_plan.fetch(entry, graph, target)
    if found is not None:
        return found
    made = native_compiled(graph, execution)
    if entry is not None:
        stored_plan.store(entry, graph, made)
    return made


def native_compiled(
    graph: Graph, execution: Execution, inputs_inside: bool = False, loops: bool = True
) -> Compiled:
    """What runs for a bound graph, made now; see `plan_memory` for the inputs."""
    placed = native_pipeline(execution, loops).run(graph, observers())
    prepare, run = (None, placed) if graph.updates else split_states(placed, constants=True)
    return planned_and_lowered(run, execution, prepare, inputs_inside)


@kept()
def native_executable(found: Compiled, execution: Execution = NATIVE) -> NativeExecutable:
    """The machine code of a plan.

    With GRAPHCNN_VERIFY=numbers each of its steps is compared with the reference.
    """
    plan, kernels = found.plan, found.kernels
    executable = NativeExecutable(plan.graph, execution, plan, kernels=kernels)
    if verify_level() == "numbers":
        executable.watch = Comparison(executable.plan)
    return executable


def methods(graph: Graph, execution: Execution = NATIVE) -> tuple[str, ...]:
    """How each step of a bound graph computes; nothing is compiled.

    Where two batch sizes have equal methods, an item has the same bits in both.
    """
    return tuple(kernel.method for kernel in compiled(graph, execution).kernels)


class Prepared:
    """Runs a bound graph of inference. What depends on states and constants alone is computed at
    `bind_states`, by the reference: batch norms folded into kernels, kernels packed for the
    processor.

    Attributes:
        methods: how each step computes; see the function.
    """

    def __init__(self, graph: Graph, execution: Execution = NATIVE) -> None:
        found = compiled(graph, execution)
        self._prepare = found.prepare
        self.methods = tuple(kernel.method for kernel in found.kernels)
        self.executable = native_executable(found, execution)
        if not graph.states:  # so nobody binds any
            self.bind_states({})

    def bind_states(self, states: Mapping[str, Array]) -> None:
        """Take other values of the states."""
        made: Mapping[str, Array] = {}
        if self._prepare is not None:
            made, _ = Reference(self._prepare).run({}, states)
        self.executable.bind_states({**states, **made})

    def run(self, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs by name; there are no updates."""
        return self.executable.run(feeds)


def training_executable(graph: Graph, execution: Execution = NATIVE) -> NativeExecutable:
    """The machine code of a bound training step."""
    return native_executable(compiled(graph, execution), execution)
