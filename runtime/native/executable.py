"""A bound graph as machine code: kernels in order, buffers at fixed addresses, one native call.

    executable = NativeExecutable(graph, threads=2)
    outputs, updates = executable.run(feeds, states)       as the reference does

    executable.bind_states(states)                         in training the states stay inside
    outputs = executable.step(feeds)                       and take their new values after the step

Updated states have two places, for the value and for the next one, which change roles after a
step: one that is interrupted or whose result is refused leaves everything as it was. With
`keep_previous=False` there is one place, which a step changes as it goes.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.graph import Graph, state_of
from graphcnn.ir import Array, Node, Value
from graphcnn.layout import PLAIN, pack, unpack
from graphcnn.plan import Buffer, BufferRole, Plan, Step, verify_plan
from graphcnn.runtime.native.arena import usable_in_place
from graphcnn.runtime.native.comparison import Comparison
from graphcnn.runtime.native.memory import Memory, phases
from graphcnn.runtime.native.simple_plan import simple_plan
from graphcnn.runtime.native.table import Table, load_lowerings, work_of
from graphcnn.runtime.native.target import Target, host
from graphcnn.runtime.native.threads import run_steps, thread_count
from graphcnn.runtime.reference import fed
from graphcnn.sources import Input, State
from graphcnn.tensor_type import TensorType

#: Smaller arrays are copied in; larger ones are read where they lie, if they lie well.
_COPY = 16 << 10
#: Work that is not worth waking a second thread for, in multiply-adds (about 20 µs).
_SMALL = 1 << 20

Accept = Callable[[Mapping[str, Array]], bool]
Read = Callable[[], Array]


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
        threads: int | None = None,
        target: Target | None = None,
        plan: Plan | None = None,
        guard: bool | None = None,
        keep_previous: bool = True,
    ) -> None:
        """`plan` is one for this graph with scratch for so many threads; else a simple one is made.

        `guard` runs step by step between guard pages, with NaN in all memory that holds nothing.
        """
        if not graph.is_bound:
            raise GraphError(f"graph {graph.name!r} has an unknown batch size; bind(N=...)")
        load_lowerings()
        self.target = target or host()
        self.threads = thread_count(threads)
        self.plan = plan or simple_plan(graph, self.target, self.threads)
        self.graph = self.plan.graph
        verify_plan(self.plan)
        if threads is None and sum(map(work_of, self.plan.steps)) < _SMALL:
            self.threads = 1
        self.keeps_previous = keep_previous
        self.memory = Memory(self.plan, keep_previous, guard)
        self._table = Table(self.plan, self.memory, self.target, self.threads)
        self._lock = threading.Lock()
        at = self.plan.at
        self._inputs = {s.key: s for s in (_Source(v, at[v], self) for v in self.graph.inputs)}
        self._states = {s.key: s for s in (_Source(v, at[v], self) for v in self.graph.states)}
        self._unbound = set(self._states)
        self.watch: Comparison | None = None
        self._phase = 0  # which of its two places holds an updated state's value
        ends = (0, 1) if keep_previous else (0,)
        self._finals = [_Final(self, phase) for phase in ends]
        _alive.add(self)

    def run(
        self, feeds: Mapping[str, Array], states: Mapping[str, Array] | None = None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs by name, and the new values of the states that the graph updates.

        `states` replaces the values bound before; None keeps them. The new values are returned
        and not taken over (unless `keep_previous` is off).
        """
        with self._lock:
            if states is not None:
                self._bind(states)
            outputs = self._execute(feeds)
            return outputs, {key: read() for key, read in self._finals[self._phase].updates}

    def step(self, feeds: Mapping[str, Array], accept: Accept | None = None) -> dict[str, Array]:
        """Outputs by name; the states take their new values.

        Unless `accept(outputs)` says no, or the run is interrupted: then they keep the old ones.
        """
        if accept is not None and not self.keeps_previous:
            raise GraphError("a step can only be refused where the previous states are kept")
        with self._lock:
            outputs = self._execute(feeds)
            if self.keeps_previous and (accept is None or accept(outputs)):
                self._phase ^= 1
            return outputs

    def bind_states(self, states: Mapping[str, Array]) -> None:
        """Copy the values of all states in."""
        with self._lock:
            self._bind(states, copy=True)

    def write_state(self, key: str, value: Array) -> None:
        """Replace the value of one state, a learning rate for example."""
        with self._lock:
            if key not in self._states:
                raise GraphError(f"graph {self.graph.name!r} has no state {key!r}")
            self._states[key].feed({key: value}, self._phase, copy=True)
            self._unbound.discard(key)

    def read_state(self, key: str) -> Array:
        """A copy of the present value of a state."""
        with self._lock:
            if key not in self._states or key in self._unbound:
                raise GraphError(f"state {key!r} has no value in graph {self.graph.name!r}")
            return self._states[key].read(self._phase)

    @property
    def algorithms(self) -> list[str]:
        """What each step of the plan is computed by."""
        return [kernel.algorithm for kernel in self._table.kernels]

    def time_steps(self, feeds: Mapping[str, Array]) -> list[float]:
        """Seconds that each step takes, run by itself; the call's own time is taken off."""
        clock = time.perf_counter
        with self._lock:
            self._feed(feeds)
            records = [self._table.record(i, self._phase) for i in range(len(self.plan.steps))]
            stops = []
            for count in (0, 1):
                stops.append([clock()])
                for record in records:
                    run_steps(record, count, self.threads)
                    stops[count].append(clock())
        empty = float(np.median(np.diff(stops[0]))) if records else 0.0
        return [max(t - empty, 1e-9) for t in np.diff(stops[1])]

    def _bind(self, states: Mapping[str, Array], copy: bool = False) -> None:
        for source in self._states.values():
            source.feed(states, self._phase, copy)
        self._unbound.clear()

    def _feed(self, feeds: Mapping[str, Array]) -> None:
        if self._unbound:
            raise GraphError(f"state {min(self._unbound)!r} was not given a value")
        for source in self._inputs.values():
            source.feed(feeds, self._phase)

    def _execute(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self._feed(feeds)
        phase = self._phase
        if self.memory.guard or self.watch is not None:
            self._run_apart(phase)
        else:
            for address, count in self._table.pieces[phase]:
                run_steps(address, count, self.threads)
        outputs = self._finals[phase].finish()
        if self.watch is not None:
            self.watch.end(outputs, {key: read() for key, read in self._finals[phase].updates})
        return outputs

    def _run_apart(self, phase: int) -> None:
        """One step after the other, with what a test run wants done in between."""
        if self.watch is not None:
            sources = (*self._inputs.values(), *self._states.values())
            self.watch.begin({source.key: source.read(phase) for source in sources})
        for i, step in enumerate(self.plan.steps):
            if self.memory.guard:
                self.memory.poison_before(i)
            run_steps(self._table.record(i, phase), 1, self.threads)
            if self.watch is not None:
                algorithm = self._table.kernels[i].algorithm
                self.watch.step(i, algorithm, tuple(self._results(step, phase)))

    def _results(self, step: Step, phase: int) -> Iterator[Array]:
        """Copies of what a step wrote."""
        for buffer, kind in zip(step.writes, step.node.types, strict=True):
            new = self.keeps_previous and buffer in self.memory.updated
            yield reader(self.memory.view(buffer, kind, phase ^ new), kind)()


class _Source:
    """An input or a state: where its value comes from and where the steps find it."""

    def __init__(self, value: Value, buffer: Buffer, executable: NativeExecutable) -> None:
        op, plan, memory = value.node.op, executable.plan, executable.memory
        assert isinstance(op, Input | State)
        self.key, self.op, self.type = op.key, op, value.type
        self.node: Node = value.node
        self.shape, self.dtype = value.shape, value.dtype.numpy
        self.buffer, self._table = buffer, executable._table
        ends = (0, 1) if executable.keeps_previous and buffer in memory.updated else (0, 0)
        self._views = [memory.view(buffer, self.type, phase) for phase in ends]
        self._home = memory.address(buffer)
        self._array: Array | None = None  # in use where it lies
        small = isinstance(op, Input) and value.type.bytes <= _COPY
        busy = any(c.source is buffer for c in plan.copies) or buffer in memory.updated
        elsewhere = buffer.role not in (BufferRole.INPUT, BufferRole.STATE)
        self._packed = value.type.layout != PLAIN
        self._copy = small or busy or elsewhere or self._packed

    def read(self, phase: int) -> Array:
        """A copy of the value."""
        array = self._array if self._array is not None else self._views[phase]
        return reader(array, self.type)()

    def feed(self, source: Mapping[str, Array], phase: int, copy: bool = False) -> None:
        """Take the value from `source`."""
        array = source.get(self.key)
        if type(array) is not np.ndarray or (
            array.dtype is not self.dtype or array.shape != self.shape
        ):
            array = fed(source, self.op, self.node)
        if copy or self._copy or not usable_in_place(array):
            if self._array is not None:
                self._table.point(self.buffer, self._home)
                self._array = None
            if self._packed:
                self._views[phase].reshape(-1)[...] = pack(array, self.type)
            else:
                np.copyto(self._views[phase], array)
        elif array is not self._array:
            self._table.point(self.buffer, array.__array_interface__["data"][0])
            self._array = array


class _Final:
    """What happens after the steps, in one phase: the plan's copies, and results as arrays."""

    def __init__(self, executable: NativeExecutable, phase: int) -> None:
        plan, memory = executable.plan, executable.memory
        kept = executable.keeps_previous

        def view(buffer: Buffer, kind: TensorType, new: int) -> Array:
            return memory.view(buffer, kind, phase ^ new if kept else 0)

        names: dict[Buffer, list[str]] = {}
        for key, buffer in plan.outputs.items():
            names.setdefault(buffer, []).append(key)
        moves: list[Callable[[dict[str, Array]], None]] = []
        copied = set()
        for copy, (old, new) in zip(plan.copies, phases(plan, memory.updated)[1], strict=True):
            source = view(copy.source, copy.value.type, old)
            if copy.target in names:
                copied.add(copy.target)
                for key in names[copy.target]:
                    moves.append(_giver(key, reader(source, plan.graph.outputs[key].type)))
            else:
                moves.append(_mover(view(copy.target, copy.value.type, new), source))
        for buffer, keys in names.items():
            for key in () if buffer in copied else keys:
                kind = plan.graph.outputs[key].type
                moves.append(_giver(key, reader(view(buffer, kind, 0), kind)))
        self._moves = moves
        self._order = dict.fromkeys(plan.graph.outputs, np.empty(0))
        #: New values of the updated states.
        self.updates: list[tuple[str, Read]] = []
        for state in plan.graph.updates:
            key = state_of(state).key
            updated = view(plan.states[key], state.type, 1)
            self.updates.append((key, reader(updated, state.type)))

    def finish(self) -> dict[str, Array]:
        """The outputs; next values that lie elsewhere come to their place."""
        found: dict[str, Array] = dict(self._order)
        for move in self._moves:
            move(found)
        return found


def reader(view: Array, kind: TensorType) -> Read:
    """A function that copies the value out of its memory."""
    if kind.layout == PLAIN:
        return view.reshape(tuple(int(d) for d in kind.shape if isinstance(d, int))).copy
    return lambda: np.array(unpack(view.reshape(-1), kind))


def _giver(key: str, read: Read) -> Callable[[dict[str, Array]], None]:
    def give(found: dict[str, Array]) -> None:
        found[key] = read()

    return give


def _mover(target: Array, source: Array) -> Callable[[dict[str, Array]], None]:
    return lambda found: np.copyto(target, source)


_alive: "weakref.WeakSet[NativeExecutable]" = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: a lock that another thread of the parent held would stay closed."""
    for executable in list(_alive):
        executable._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
