"""Training engines: who holds the states of a session and takes one step after another.

The two are interchangeable; the reference defines the numbers, the native one is fast. The states
of the native engine live in its own memory and are copied out when somebody asks for them.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from graphcnn.compile.runner import batch_size
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT, kept_gradients
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.reference import Ready, Reference

if TYPE_CHECKING:
    from graphcnn.runtime.native.executable import NativeExecutable

Arrays = Mapping[str, Array]
#: Looks at the outputs of a step; False leaves the states as they were.
Accept = Callable[[Arrays], bool]


class Engine(Protocol):
    """Runs a training graph on states of its own."""

    def step(
        self, feeds: Arrays, settings: Arrays, accept: Accept, ready: Ready | None = None
    ) -> dict[str, Array]:
        """Outputs of one step with some states set from outside; the others take their updates.

        `ready` is called between backward and update with the gradients, by the names of their
        parameters, which it may change in place: so those of several processes are added up. They
        are no outputs then. Raises `GraphError` where the graph does not keep them.
        """

    def state(self, key: str) -> Array:
        """The value of one state."""

    def states(self) -> dict[str, Array]:
        """The values of all states."""

    def load(self, states: Arrays) -> None:
        """Replace the values of these states."""


class ReferenceEngine:
    """The reference runtime: states in a dict."""

    def __init__(self, graph: Graph, states: Arrays) -> None:
        self._graph = graph
        self._references: dict[int, Reference] = {}
        self._states = dict(states)

    def step(
        self, feeds: Arrays, settings: Arrays, accept: Accept, ready: Ready | None = None
    ) -> dict[str, Array]:
        if ready is not None and not kept_gradients(self._graph):
            raise GraphError(f"graph {self._graph.name!r} keeps no gradients that could be shown")
        self._states.update(settings)
        n = batch_size(self._graph, feeds)
        if n not in self._references:
            self._references[n] = Reference(self._graph.bind(N=n))
        outputs, updates = self._references[n].run(feeds, self._states, ready=ready)
        if ready is not None:
            outputs = {k: a for k, a in outputs.items() if not k.startswith(GRADIENT)}
        if accept(outputs):
            self._states.update(updates)
        return outputs

    def state(self, key: str) -> Array:
        return self._states[key]

    def states(self) -> dict[str, Array]:
        return dict(self._states)

    def load(self, states: Arrays) -> None:
        writeable = {k: np.array(a) for k, a in states.items() if np.asarray(a).flags.writeable}
        self._states.update({**states, **writeable})


class NativeEngine:
    """Machine code, one executable per batch size; the states are in the one that ran last."""

    def __init__(self, graph: Graph, states: Arrays, execution: Execution = NATIVE) -> None:
        self._graph, self._execution = graph, execution
        self._executables: dict[int, NativeExecutable] = {}
        self._active: NativeExecutable | None = None
        self._states = dict(states)  # their values while no executable is active

    def step(
        self, feeds: Arrays, settings: Arrays, accept: Accept, ready: Ready | None = None
    ) -> dict[str, Array]:
        executable = self._activate(batch_size(self._graph, feeds))
        executable.write_states(settings)
        return executable.step(feeds, accept, ready)

    def _activate(self, n: int) -> "NativeExecutable":
        # LLVM is loaded when it is needed.
        from graphcnn.compile.native import training_executable
        from graphcnn.runtime.native.memory.arena import give_back

        executable = self._executables.get(n)
        if executable is None:
            executable = training_executable(self._graph.bind(N=n), self._execution)
            self._executables[n] = executable
            self._share_arena()
        if self._active is None:
            executable.bind_states(self._states)
            self._states = {}
            give_back()
        elif executable is not self._active:
            executable.take_states(self._active)
        self._active = executable
        return executable

    def _share_arena(self) -> None:
        """One arena for all batch sizes, of which one runs at a time."""
        memories = [executable.memory for executable in self._executables.values()]
        largest = max((memory.arena for memory in memories), key=lambda arena: arena.size)
        if not largest.guard:  # which stands around the memory of one plan
            for executable in self._executables.values():
                executable.use_arena(largest)

    def state(self, key: str) -> Array:
        return self._states[key] if self._active is None else self._active.read_state(key)

    def states(self) -> dict[str, Array]:
        return {state_of(s).key: self.state(state_of(s).key) for s in self._graph.states}

    def load(self, states: Arrays) -> None:
        if self._active is None:
            self._states.update(states)
        else:
            self._active.write_states(states)


def make_engine(graph: Graph, states: Arrays, execution: Execution = NATIVE) -> Engine:
    """The engine of a runtime."""
    if execution.runtime == "reference":
        return ReferenceEngine(graph, states)
    return NativeEngine(graph, states, execution)
