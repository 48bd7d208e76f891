"""Training engines: who holds the states of a session and takes one step after another.

The two are interchangeable; the reference defines the numbers, the native one is fast. The states
of the native engine live in its own memory and are copied out when somebody asks for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from graphcnn.compile.runner import batch_size
from graphcnn.compile.sharding import SplitStep, cut_batch, split_step
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT, kept_gradients, shards
from graphcnn.ops.parts.tree import middle
from graphcnn.passes.training.shares import FIRST, SHARE
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.reference import Ready, Reference
from graphcnn.runtime.sharded import ShardedReference

if TYPE_CHECKING:
    from graphcnn.runtime.native.executable import NativeExecutable

Arrays = Mapping[str, Array]
#: Looks at the outputs of a step; False leaves the states as they were.
Accept = Callable[[Arrays], bool]


@dataclass(frozen=True)
class Form:
    """In which form a step is taken.

    Attributes:
        keep: with its gradients as outputs, for when they are looked at.
        resting: without the gradients of these parameters, which stay as they are.
        left: without these of several goals.
    """

    keep: bool = False
    resting: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()


#: Makes the same training step in another form.
Forms = Callable[[Form], Graph]


@dataclass(frozen=True)
class Asked:
    """A step as it is asked for.

    Attributes:
        settings: states that are set from outside before it.
        accept: whether the states take their updates.
        ready: is called between backward and update with the gradients, by the names of their
            parameters, which it may change in place. They are no outputs then.
        resting: parameters that stay as they are.
        left: goals that this step does not have.
    """

    feeds: Arrays
    settings: Arrays
    accept: Accept
    ready: Ready | None = None
    resting: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()

    @property
    def form(self) -> Form:
        return Form(self.ready is not None, self.resting, self.left)


class Engine(Protocol):
    """Runs a training graph on states of its own."""

    def step(self, asked: Asked) -> dict[str, Array]:
        """The outputs of one step. A graph of several shards has its batch cut into them.

        Raises `GraphError` where gradients are to be looked at that neither the graph keeps nor
        another form of it.
        """

    def state(self, key: str) -> Array:
        """The value of one state."""

    def states(self) -> dict[str, Array]:
        """The values of all states."""

    def load(self, states: Arrays) -> None:
        """Replace the values of these states."""


class ReferenceEngine:
    """The reference runtime: states in a dict."""

    def __init__(self, graph: Graph, states: Arrays, forms: Forms | None = None) -> None:
        self._graph, self._forms = graph, forms
        self._references: dict[tuple[Form, int], Reference] = {}
        self._states = dict(states)

    def step(self, asked: Asked) -> dict[str, Array]:
        form = asked.form
        graph = formed(self._graph, form, self._forms)
        self._states.update(asked.settings)
        parts = cut_batch(graph, asked.feeds, shards(graph))
        references = [self._reference(graph, form, part.items) for part in parts]
        if len(parts) == 1:
            outputs, updates = references[0].run(asked.feeds, self._states, ready=asked.ready)
        else:
            states = [{**self._states, **part.settings} for part in parts]
            fed = [part.feeds for part in parts]
            outputs, updates = ShardedReference(references).run(fed, states, asked.ready)
        if form.keep:
            outputs = {k: a for k, a in outputs.items() if not k.startswith(GRADIENT)}
        if asked.accept(outputs):
            self._states.update(updates)
        return outputs

    def _reference(self, graph: Graph, form: Form, n: int) -> Reference:
        if (form, n) not in self._references:
            self._references[form, n] = Reference(graph.bind(N=n))
        return self._references[form, n]

    def state(self, key: str) -> Array:
        return self._states[key]

    def states(self) -> dict[str, Array]:
        return dict(self._states)

    def load(self, states: Arrays) -> None:
        writeable = {k: np.array(a) for k, a in states.items() if np.asarray(a).flags.writeable}
        self._states.update({**states, **writeable})


class NativeEngine:
    """Machine code, one executable per batch size; the states are in the one that ran last.

    A step in shards runs one after the other in the arena of a single one, and adds up what they
    make (`graphcnn.runtime.native.sums`).
    """

    def __init__(
        self,
        graph: Graph,
        states: Arrays,
        execution: Execution = NATIVE,
        forms: Forms | None = None,
    ) -> None:
        self._graph, self._execution, self._forms = graph, execution, forms
        self._steps: dict[Form, SplitStep] = {}
        self._executables: dict[tuple[Form, int], NativeExecutable] = {}
        self._active: NativeExecutable | None = None
        self._states = dict(states)  # their values while no executable is active
        #: What only a shard is told, and is nobody's after it.
        self._of_shards = {key: a for key, a in states.items() if key in (SHARE, FIRST)}

    def step(self, asked: Asked) -> dict[str, Array]:
        form = asked.form
        step = self._step(form)
        if step.shards == 1:
            executable = self._activate(form, batch_size(self._graph, asked.feeds))
            executable.write_states(asked.settings)
            return executable.step(asked.feeds, asked.accept, asked.ready)
        parts = cut_batch(self._graph, asked.feeds, step.shards)
        settings = {**asked.settings, **step.totals_of(parts)}
        last = self._executable(form, parts[-1].items)
        self._activate(form, parts[0].items).write_states(settings)

        def add_up(first: int, end: int, row: int) -> None:
            """The sum over these shards in a row; the next ones are free."""
            if end - first == 1:
                part = parts[first]
                executable, own = self._activate(form, part.items), row
                if not executable.share_rows(last):
                    own = 0
                executable.shard(part.feeds, part.settings, own)
                if executable.sums.rows is not last.sums.rows:
                    last.sums.rows.take(row, executable.sums.rows, own)
                return
            half = middle(first, end)
            add_up(first, half, row)
            add_up(half, end, row + 1)
            last.sums.add(row)

        add_up(0, len(parts), 0)
        return last.finish(asked.accept, asked.ready)

    def _step(self, form: Form) -> SplitStep:
        """The step as it is compiled."""
        if form not in self._steps:
            self._steps[form] = split_step(formed(self._graph, form, self._forms))
        return self._steps[form]

    def _executable(self, form: Form, n: int) -> "NativeExecutable":
        # LLVM is loaded when it is needed.
        from graphcnn.compile.native import training_executable

        executable = self._executables.get((form, n))
        if executable is None:
            executable = training_executable(self._step(form).step.bind(N=n), self._execution)
            self._executables[form, n] = executable
            self._share_arena()
        return executable

    def _activate(self, form: Form, n: int) -> "NativeExecutable":
        from graphcnn.runtime.native.memory.arena import give_back

        executable = self._executable(form, n)
        if self._active is None:
            executable.bind_states({**self._step(form).totals_before, **self._states})
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
        if key in self._of_shards:
            return self._of_shards[key]
        return self._states[key] if self._active is None else self._active.read_state(key)

    def states(self) -> dict[str, Array]:
        return {state_of(s).key: self.state(state_of(s).key) for s in self._graph.states}

    def load(self, states: Arrays) -> None:
        if self._active is None:
            self._states.update(states)
        else:
            self._active.write_states(states)


def formed(graph: Graph, form: Form, forms: Forms | None) -> Graph:
    """A step in another form, or itself where it has that one.

    Raises `GraphError` where nothing makes it.
    """
    if not form.resting and not form.left and (not form.keep or kept_gradients(graph)):
        return graph
    if forms is None:
        raise GraphError(f"graph {graph.name!r} keeps no gradients that could be shown")
    return forms(form)


def make_engine(
    graph: Graph, states: Arrays, execution: Execution = NATIVE, forms: Forms | None = None
) -> Engine:
    """The engine of a runtime. `forms` makes the same step in other forms, once each."""
    if execution.runtime == "reference":
        return ReferenceEngine(graph, states, forms)
    return NativeEngine(graph, states, execution, forms)
