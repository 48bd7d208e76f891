"""A bound graph as machine code: kernels in order, buffers at fixed addresses, one native call.

    executable = NativeExecutable(graph, Execution(threads=2))
    outputs, updates = executable.run(feeds, states)       as the reference does

    executable.bind_states(states)                         in training the states stay inside
    outputs = executable.step(feeds)                       and take their new values after the step
    outputs = executable.step(feeds, ready=look)           look(gradients) comes before they do

States have one place. A step computes everything else first, outputs and gradients; then it is
accepted or refused; then the states change, in one native call in which nothing can interrupt it.
So a step that is interrupted or refused leaves everything as it was.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT, Phase, Plan
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.comparison import Comparison
from graphcnn.runtime.native.driver import driver
from graphcnn.runtime.native.memory.arena import Arena
from graphcnn.runtime.native.memory.places import Memory, States
from graphcnn.runtime.native.memory.red_zones import RedZones
from graphcnn.runtime.native.program import state_copies, work_of
from graphcnn.runtime.native.simple_plan import simple_plan
from graphcnn.runtime.native.sources import Reading, Source, outputs_of, reader
from graphcnn.runtime.native.step_table import Piece, StepTable
from graphcnn.runtime.native.sums import Sums
from graphcnn.runtime.native.threads import run_steps
from graphcnn.runtime.reference import Ready

#: Work that is not worth waking a second thread for, in multiply-adds (about 20 µs).
_SMALL = 1 << 20

Accept = Callable[[Mapping[str, Array]], bool]


class NativeExecutable:
    """Runs one bound graph.

    Attributes:
        plan: the steps and the buffers they work on.
        memory: where these lie.
        watch: sees every step of a run where it is set, each then run by itself.
        threads: into how many parts a run is divided; the result does not depend on it.

    Threads that run the same executable take turns.
    """

    def __init__(
        self,
        graph: Graph,
        execution: Execution = NATIVE,
        plan: Plan | None = None,
        guard: bool | None = None,
        kernels: Sequence[Kernel] | None = None,
    ) -> None:
        """`plan` is one for this graph with scratch for so many threads; else a simple one is made.

        `kernels` are those of the plan's steps, if they are known.
        `guard` runs step by step between guard pages and red zones, with NaN in all memory that
        holds nothing, and looks after every step at what it may not write.
        """
        if not graph.is_bound:
            raise GraphError(f"graph {graph.name!r} has an unknown batch size; bind(N=...)")
        self.target = execution.machine
        self.threads = execution.parts
        self.plan = plan or simple_plan(graph, self.target, self.threads)
        self.graph = self.plan.graph
        verify_plan(self.plan)
        if execution.threads is None and sum(map(work_of, self.plan.steps)) < _SMALL:
            self.threads = 1
        self.memory = Memory(self.plan, guard)
        self._table = StepTable(self.plan, self.memory, self.target, self.threads, kernels)
        self._driver = driver(self.target)
        self._lock = threading.Lock()
        self._inputs = {
            s.key: s for s in (Source(v, self._table, self.memory) for v in self.graph.inputs)
        }
        self._states = {
            s.key: s for s in (Source(v, self._table, self.memory) for v in self.graph.states)
        }
        self._updated = [state_of(s).key for s in self.graph.updates]
        self._unbound = set(self._states)
        self._outputs = outputs_of(self.plan, self.memory)
        self._copies = state_copies(self.plan)
        self.watch: Comparison | None = None
        self._zones = RedZones(self.plan, self.memory) if self.memory.guard else None
        summing = self.memory.rows is not None
        own = self._table, self.target, self._driver, self.threads
        self._sums = Sums(self.memory, *own) if summing else None
        _alive.add(self)

    def run(
        self, feeds: Mapping[str, Array], states: Mapping[str, Array] | None = None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs by name, and the new values of the states that the graph updates.

        `states` replaces the values bound before; None keeps them. The new values are returned
        and not taken over.
        """
        with self._lock:
            if states is not None:
                self._bind(states)
            outputs = self._compute(feeds)
            if not self._updated:
                if self.watch is not None:
                    self.watch.end(outputs, {})
                return outputs, {}
            with self._restored():
                self._update(outputs)
                return outputs, {key: self._states[key].read() for key in self._updated}

    def step(
        self,
        feeds: Mapping[str, Array],
        accept: Accept | None = None,
        ready: Ready | None = None,
    ) -> dict[str, Array]:
        """Outputs by name; the states take their new values.

        Unless `accept(outputs)` says no, or the run is interrupted: then they keep the old ones.

        With `ready` the step runs in two pieces, and `ready(gradients)` is called between. It sees
        the gradients that the graph keeps where they lie, and may change them there: what it
        leaves is what the optimiser takes. They are not among the outputs then.
        """
        if ready is not None and not self.plan.gradients:
            raise GraphError(f"graph {self.graph.name!r} keeps no gradients that could be shown")
        with self._lock:
            outputs = self._compute(feeds, ready)
            if accept is None or accept(outputs):
                self._update(outputs)
            return outputs

    def shard(self, feeds: Mapping[str, Array], settings: Mapping[str, Array], row: int) -> None:
        """Compute one shard of a batch into a row; `settings` are the states that say which."""
        with self._lock:
            for key in settings:
                if key in self._states:
                    self._states[key].feed(settings, copy=True)
            self.sums.into(row)
            self._begin(feeds)
            self._run(self._table.of_shard, 0, self.plan.summed)

    def finish(self, accept: Accept | None = None, ready: Ready | None = None) -> dict[str, Array]:
        """The rest of a step, when the first row is the sum over all shards; see `step`.

        It goes on in the memory of the shard that ran last, which must have been one of this.
        """
        if ready is not None and not self.plan.gradients:
            raise GraphError(f"graph {self.graph.name!r} keeps no gradients that could be shown")
        with self._lock:
            outputs = self._compute_rest(ready)
            if accept is None or accept(outputs):
                self._update(outputs)
            return outputs

    def share_rows(self, other: "NativeExecutable") -> bool:
        """Write to the rows of another executable from now on, if all lies there as here."""
        mine, theirs = self.sums, other.sums
        if mine.rows is not theirs.rows:
            if self.memory.guard or not mine.rows.same(theirs.rows):
                return False
            mine.use(theirs.rows)
            self._outputs = outputs_of(self.plan, self.memory)
        return True

    @property
    def sums(self) -> Sums:
        """Where it adds up what the shards of a batch make."""
        if self._sums is None:
            raise GraphError(f"graph {self.graph.name!r} adds nothing up over shards of a batch")
        return self._sums

    def bind_states(self, states: Mapping[str, Array]) -> None:
        """Copy the values of all states in."""
        with self._lock:
            self._bind(states, copy=True)

    def write_states(self, states: Mapping[str, Array]) -> None:
        """Replace the values of these states, a learning rate for example; all of them or none."""
        with self._lock:
            for key in states:
                if key not in self._states:
                    raise GraphError(f"graph {self.graph.name!r} has no state {key!r}")
                self._states[key].checked(states)
            for key in states:
                self._states[key].feed(states, copy=True)
            self._unbound -= states.keys()

    def read_state(self, key: str) -> Array:
        """A copy of the present value of a state."""
        with self._lock:
            if key not in self._states or key in self._unbound:
                raise GraphError(f"state {key!r} has no value in graph {self.graph.name!r}")
            return self._states[key].read()

    def take_states(self, other: "NativeExecutable") -> None:
        """Go on with the states of another executable of the same states, which has none then.

        If it keeps them in the same layouts its memory is used by both from now on.
        """
        mine, theirs = self.memory, other.memory
        if mine.states is theirs.states:
            return
        with self._lock, other._lock:
            if mine.states.kinds == theirs.states.kinds:
                self._use(theirs.states)
            else:
                self._bind(Reading(other._states), copy=True)
                other._use(States(other.plan, theirs.guard))
                other._unbound = set(other._states)
            self._unbound.clear()

    def use_arena(self, arena: Arena) -> None:
        """Work in another arena, at least as large; it holds nothing from run to run."""
        with self._lock:
            if self.memory.guard or arena is self.memory.arena:
                return
            if arena.size < self.plan.arena_bytes:
                return
            self.memory.arena = arena
            for buffer in self.plan.buffers:
                if buffer.offset is not None:
                    self._table.point(buffer, self.memory.address(buffer))
            for source in (*self._inputs.values(), *self._states.values()):
                source.settle()
            self._outputs = outputs_of(self.plan, self.memory)

    @property
    def algorithms(self) -> list[str]:
        """What each step of the plan is computed by."""
        return [kernel.algorithm for kernel in self._table.kernels]

    def time_steps(self, feeds: Mapping[str, Array]) -> list[float]:
        """Seconds that each step takes, run by itself; the call's own time is taken off."""
        clock = time.perf_counter
        with self._lock, self._restored():
            self._feed(feeds)
            steps = range(len(self.plan.steps))
            stops = []
            for count in (0, 1):
                stops.append([clock()])
                for i in steps:
                    self._run_one(i, count)
                    stops[count].append(clock())
        empty = float(np.median(np.diff(stops[0]))) if steps else 0.0
        return [max(t - empty, 1e-9) for t in np.diff(stops[1])]

    def _bind(self, states: Mapping[str, Array], copy: bool = False) -> None:
        for source in self._states.values():
            source.feed(states, copy)
        self._unbound.clear()

    def _use(self, states: States) -> None:
        """Let the states lie elsewhere."""
        self.memory.states = states
        for source in self._states.values():
            source.settle()

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """The states have their old values again afterwards."""
        before = {key: self._states[key].read() for key in self._updated}
        try:
            yield
        finally:
            for key in self._updated:
                self._states[key].feed(before, copy=True)

    def _feed(self, feeds: Mapping[str, Array]) -> None:
        if self._unbound:
            raise GraphError(f"state {min(self._unbound)!r} was not given a value")
        for source in self._inputs.values():
            source.feed(feeds)

    def _compute(self, feeds: Mapping[str, Array], ready: Ready | None = None) -> dict[str, Array]:
        """Everything but new values of states."""
        if self._sums is not None:
            self._sums.into(0)
            self._begin(feeds)
            self._run(self._table.of_shard, 0, self.plan.summed)
            self._sums.alike(self.plan.shards)
            return self._compute_rest(ready)
        self._begin(feeds)
        if ready is None:
            self._run(self._table.pieces, 0, self.plan.commit)
            return {key: read() for key, read in self._outputs}
        return self._compute_rest(ready)

    def _begin(self, feeds: Mapping[str, Array]) -> None:
        self._feed(feeds)
        if self.watch is not None:
            sources = (*self._inputs.values(), *self._states.values())
            self.watch.begin({source.key: source.read() for source in sources})

    def _compute_rest(self, ready: Ready | None) -> dict[str, Array]:
        """What comes of the sums over shards, if there are any, with a look at the gradients."""
        plan, middle = self.plan, self.plan.begins[Phase.READY]
        if self._sums is not None:
            self._sums.into(0)
            if self.watch is not None:
                self.watch.summed(self._sums.rows.values(0))
        self._run(self._table.before_ready, plan.summed, middle)
        if ready is None:
            self._run(self._table.after_ready, middle, plan.commit)
            return {key: read() for key, read in self._outputs}
        found = {k: self.memory.view(plan.at[v], v.type) for k, v in plan.gradients.items()}
        ready(found)
        if self.watch is not None:
            self.watch.changed({plan.gradients[key]: array.copy() for key, array in found.items()})
        self._run(self._table.after_ready, middle, plan.commit)
        return {k: read() for k, read in self._outputs if not k.startswith(GRADIENT)}

    def _run(self, pieces: Sequence[Piece], first: int, last: int) -> None:
        """The steps from `first` to `last`, which are these pieces of the table."""
        if self.memory.guard or self.watch is not None:
            self._run_apart(first, last)
        else:
            for address, count, call in pieces:
                if call is None:
                    run_steps(self._driver, address, count, self.threads)
                else:
                    call()

    def _run_one(self, step: int, count: int = 1) -> None:
        """One step by itself; with a count of 0 only what calling it takes."""
        if step not in self._table.calls:
            run_steps(self._driver, self._table.record(step), count, self.threads)
        elif count:
            self._table.calls[step]()

    def _update(self, outputs: Mapping[str, Array]) -> None:
        """Give the states their new values, all of them in one native call."""
        if self.memory.guard or self.watch is not None:
            self._run_apart(self.plan.commit, len(self.plan.steps))
            for i, copy in enumerate(self._copies):
                with self._zones.copy(copy) if self._zones else nullcontext():
                    run_steps(
                        self._driver, self._table.record(len(self.plan.steps) + i), 1, self.threads
                    )
        elif self._updated:
            run_steps(self._driver, *self._table.rest, self.threads)
        if self.watch is not None:
            self.watch.end(outputs, {key: self._states[key].read() for key in self._updated})

    def _run_apart(self, first: int, last: int) -> None:
        """One step after the other, with what a test run wants done in between."""
        for i in range(first, last):
            algorithm = self._table.kernels[i].algorithm
            with self._zones.step(i, algorithm) if self._zones else nullcontext():
                self._run_one(i)
            if self.watch is not None:
                step = self.plan.steps[i]
                results = zip(step.writes, step.node.types, strict=True)
                found = tuple(reader(self.memory.view(b, kind), kind)() for b, kind in results)
                self.watch.step(i, algorithm, found)


_alive: "weakref.WeakSet[NativeExecutable]" = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: a lock that another thread of the parent held would stay closed."""
    for executable in list(_alive):
        executable._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
