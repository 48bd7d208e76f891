"""From a network to code that runs without us: the same passes, plan and kernels as in this
process, for another machine, with the weights as they are now.

What is computed from the weights alone, such as kernels packed for the processor, is computed here,
by the reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphcnn.base.garbage import kept
from graphcnn.compile.native import native_compiled
from graphcnn.compile.pipelines import inference_graph
from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node
from graphcnn.ops.own.operator import is_own
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.ahead import wasm
from graphcnn.runtime.native.ahead.module import module_of
from graphcnn.runtime.native.ahead.objects import Object, mark_of, object_of, object_of_kernel
from graphcnn.runtime.native.ahead.places import Places, places_of
from graphcnn.runtime.native.ahead.shared_library import shared_library
from graphcnn.runtime.native.ahead.symbols import undefined
from graphcnn.runtime.native.ahead.targets import Machine
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.memory.arena import READABLE
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
        return wasm.link(self.object.code, [self.function], spaces, self.object.stack)

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
    """
    graph = inference_graph(graph)
    for node in graph.nodes:
        if is_own(node.op):
            raise GraphCnnError(
                f"{_told(node)}: an operator of your own is computed by Python, which a network "
                "that is built runs without"
            )
    execution = Execution("native", 1, precision, False, machine.target)
    found = native_compiled(graph, execution, inputs_inside=True)
    values = dict(states)
    if found.prepare is not None:
        values |= Reference(found.prepare).run({}, states)[0]
    if found.plan.graph.updates:
        raise GraphCnnError(f"{graph.name} changes states while it runs, which no build keeps")
    places = places_of(found.plan, values, f"{name}_run")
    weights = places.weights if inside else None
    args = found.plan, found.kernels, places, machine.target, name, inside
    with module_of(*args, mark_of(places.weights)) as module:
        made = object_of(module, machine.target, name, weights)
    result = Ahead(name, graph, machine, precision, places, inside, made)
    missing = _missing(made.code, machine.format)
    if missing:
        nodes = [step.node for step in found.plan.steps]
        raise GraphCnnError(_refusal(nodes, found.kernels, machine, missing))
    return result


def _missing(code: bytes, format: str) -> list[str]:
    """What the code calls and does not hold."""
    if format != "wasm":
        return undefined(code, format)
    try:
        wasm.link(code, [], {}, READABLE)
    except wasm.Undefined as error:
        return [str(error)]
    return []


def _refusal(
    nodes: list[Node], kernels: tuple[Kernel, ...], machine: Machine, missing: list[str]
) -> str:
    """Which operators call functions of a C library: each is compiled by itself to know."""
    for node, kernel in zip(nodes, kernels, strict=True):
        calls = _missing(object_of_kernel(kernel, machine.target), machine.format)
        if calls:
            return (
                f"{_told(node)}: there is no code of it for {machine.name} that calls nothing: it "
                f"needs {', '.join(calls)} of a C library"
            )
    return f"the code for {machine.name} needs {', '.join(missing)} of a C library"


def _told(node: Node) -> str:
    where = f" ({node.origin.location})" if node.origin.location else ""
    return f'{node.op.name} "{node.name}"{where}'
