"""From a network to code that runs without us: the same passes, plan and kernels as in this
process, for another machine, with the weights as they are now.

What is computed from the weights alone, such as kernels packed for the processor, is computed here,
by the reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphcnn.base.garbage import kept
from graphcnn.compile.native import native_compiled
from graphcnn.compile.pipelines import inference_graph
from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node
from graphcnn.ir.plan import Step
from graphcnn.ops.own.operator import is_own
from graphcnn.ops.parts.body import all_nodes
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.ahead import wasm
from graphcnn.runtime.native.ahead.module import Program, Weights, module_of
from graphcnn.runtime.native.ahead.objects import Object, object_of, object_of_kernel
from graphcnn.runtime.native.ahead.places import Places, places_of
from graphcnn.runtime.native.ahead.shared_library import shared_library
from graphcnn.runtime.native.ahead.symbols import undefined
from graphcnn.runtime.native.ahead.targets import Machine
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.reference import Reference


@dataclass(frozen=True)
class Ahead:
    """A network as code for a machine.

    Attributes:
        graph: what is computed, of a fixed batch.
        places: where everything lies: inputs and outputs, the arena, the weights.
        inside: the weights are part of the code.
        object: its object code.
    """

    name: str
    graph: Graph
    machine: Machine
    precision: str
    places: Places
    inside: bool
    object: Object

    @property
    def function(self) -> str:
        return f"{self.name}_run"

    def module(self) -> bytes:
        """The WebAssembly module."""
        spaces = {port.name: port.bytes for port in (*self.places.inputs, *self.places.outputs)}
        if not self.inside:
            spaces["weights"] = len(self.places.weights)
        spaces["arena"] = self.places.arena
        # The last space is the arena, whose end may be read.
        weights = self.places.weights if self.inside else None
        return wasm.link(self.object.code, [self.function], spaces, self.object.stack, weights)

    def shared_library(self) -> bytes:
        """The shared library."""
        return shared_library(self.object.code, f"lib{self.name}.so")


@kept()
def ahead(
    graph: Graph,
    states: Mapping[str, Array],
    machine: Machine,
    name: str,
    precision: str = "fast",
    inside: bool = True,
) -> Ahead:
    """The code of a bound graph with the values of its states.

    Raises:
        GraphCnnError: an operator has no code for the machine; the message names it and its line.
            Or its addresses do not reach the memory that the network takes.
    """
    graph = inference_graph(graph)
    refuse_own(graph)
    execution = Execution("native", 1, precision, False, machine.target)
    found = native_compiled(graph, execution, inputs_inside=True, loops=False)
    values = dict(states)
    if found.prepare is not None:
        values |= Reference(found.prepare).run({}, states)[0]
    if found.plan.graph.updates:
        raise GraphCnnError(f"{graph.name} changes states while it runs, which no build keeps")
    places = places_of(found.plan, values, name)
    _check_memory(name, places, machine)
    weights: Weights = (
        "argument" if not inside else "symbol" if machine.format == "wasm" else "inside"
    )
    program = Program(name, found.plan, found.kernels, places, machine.target, weights)
    with module_of(program) as module:
        made = object_of(module, program)
    refuse_missing(made.code, [program], machine)
    return Ahead(name, graph, machine, precision, places, inside, made)


def refuse_own(graph: Graph) -> None:
    """Raise `GraphCnnError` for an operator that the user wrote in Python."""
    for node in all_nodes(graph):
        if is_own(node.op):
            raise GraphCnnError(
                f"{_told(node)}: an operator of your own is computed by Python, which a network "
                "that is built runs without"
            )


def refuse_missing(code: bytes, programs: Sequence[Program], machine: Machine) -> None:
    """Raise `GraphCnnError` where the code of these programs calls what it does not hold."""
    missing = undefined(code, machine.format)
    if missing:
        steps = [pair for p in programs for pair in zip(p.plan.steps, p.kernels, strict=True)]
        raise GraphCnnError(_refusal(steps, machine, missing))


def _check_memory(name: str, places: Places, machine: Machine) -> None:
    """Raises `GraphCnnError` where addresses do not reach all of it."""
    ports = sum(port.bytes for port in (*places.inputs, *places.outputs))
    needed, most = places.arena + len(places.weights) + ports, 1 << 8 * machine.target.pointer_bytes
    if needed > most - (1 << 20):
        raise GraphCnnError(
            f"{name} takes {needed / 2**30:.1f} GiB of memory, and addresses of {machine.name} "
            f"reach {most >> 30} GiB; a smaller batch takes less"
        )


def _refusal(steps: Sequence[tuple[Step, Kernel]], machine: Machine, missing: list[str]) -> str:
    """Which operators call functions of a C library: each is compiled by itself to know."""
    for step, kernel in steps:
        calls = undefined(object_of_kernel(kernel, machine.target), machine.format)
        if calls:
            return (
                f"{_told(step.node)}: there is no code of it for {machine.name} that calls "
                f"nothing: it needs {', '.join(calls)} of a C library"
            )
    return f"the code for {machine.name} needs {', '.join(missing)} of a C library"


def _told(node: Node) -> str:
    where = f" ({node.origin.location})" if node.origin.location else ""
    return f'{node.op.name} "{node.name}"{where}'
