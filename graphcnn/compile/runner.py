"""Runs a graph at any batch size, in either runtime; what is prepared for a size is kept."""

import operator
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from graphcnn.analysis.batch_axis import BatchAxes, batch_axes
from graphcnn.analysis.batch_choices import FixedBatch
from graphcnn.analysis.batch_split import BatchSplit, split_batch
from graphcnn.compile.pipelines import inference_graph
from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batch
from graphcnn.ir.graph import Graph
from graphcnn.ir.item_places import count_items, fed_items, fill_items, take_items
from graphcnn.ir.node import Array, Value
from graphcnn.ir.state_values import Snapshot, StateValues
from graphcnn.ops.own.operator import is_own
from graphcnn.ops.parts.body import all_nodes
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.reference import Reference

if TYPE_CHECKING:
    from graphcnn.compile.native import Prepared

Arrays = Mapping[str, Array]
Results = tuple[dict[str, Array], dict[str, Array]]

#: A batch is filled up to a size that is compiled already if that is at most so much larger...
_STRETCH = 4
#: ...or if so many sizes are compiled.
_SIZES = 4


class Runner:
    """Runs one graph without updates.

    Safe for many threads: each call runs with the states it is given, which are those of one
    moment. The code for a batch size is made once, and calls of the same size take turns.
    """

    def __init__(self, graph: Graph, execution: Execution = NATIVE) -> None:
        self.graph, self.execution = graph, execution
        self._references: dict[int, Reference] = {}
        self._prepared: dict[int, _Ready] = {}
        self._building = threading.Lock()
        self._methods: dict[int, tuple[str, ...]] = {}
        self._form: Graph | None = None
        #: What is proven of a bound graph where these inputs have items.
        self.fixed: dict[tuple[Value, ...], FixedBatch] = {}
        #: Where the items of a batch stand in what is fed.
        places = {v.node.name: fed_items(v.type) for v in graph.inputs}
        self.item_places = {name: place for name, place in places.items() if place is not None}
        _alive.add(self)

    def run(self, feeds: Arrays, states: Arrays) -> Results:
        """Outputs by name and new values of updated states, for the batch that is fed.

        Arrays of states are taken for unchanged while they are the same objects.
        """
        n = self.count(feeds)
        if isinstance(states, StateValues):
            states = states.snapshot()
        if self.execution.runtime == "reference":
            return self.reference(n).run(feeds, states)
        size = self._size_for(n)
        ready = self._prepared.get(size) or self._made(size)
        if size == n:
            return ready.run(feeds, states)
        places = self.item_places
        full = {key: fill_items(a, places.get(key), size) for key, a in feeds.items()}
        outputs, _ = ready.run(full, states)
        return {key: first_items(a, n, self.joints[key]) for key, a in outputs.items()}, {}

    def count(self, feeds: Arrays) -> int:
        """Number of items that are fed: 1 where nothing that is fed has the axis N."""
        for key, place in self.item_places.items():
            return count_items(np.shape(feeds[key]) if key in feeds else (), place)
        if not self.is_bound:
            raise GraphError(
                f"{self.graph.name} has the batch axis N, but no input that says how many items "
                "there are"
            )
        return 1

    @cached_property
    def is_bound(self) -> bool:
        """Whether the batch size is a number."""
        return self.graph.is_bound

    @cached_property
    def axes(self) -> BatchAxes:
        """What is proven of the values of the graph: which belong to the items of a batch."""
        return batch_axes(self.graph)

    @cached_property
    def joints(self) -> Mapping[str, Batch]:
        """Where the outputs have the items, or that they are the same for every batch. Empty where
        an output is neither: then batches must run whole."""
        return {} if self.axes.mixing is not None else self.axes.outputs

    @cached_property
    def may_fill(self) -> bool:
        """Whether batches may be filled up: what an operator of a user's own makes of an item, in
        NumPy, may be rounded otherwise beside others."""
        return bool(self.joints) and not any(is_own(node.op) for node in all_nodes(self.graph))

    @cached_property
    def parts(self) -> "tuple[Self, BatchSplit]":
        """What runs on pieces of a data set, and what is left for the whole; see `BatchSplit`."""
        split = split_batch(self.axes)
        return self if split.tail is None else self.like(split.head), split

    def like(self, graph: Graph) -> Self:
        """A runner of another graph in the same manner."""
        return type(self)(graph, self.execution)

    def reference(self, n: int) -> Reference:
        """The reference, for batches of `n` items."""
        if n not in self._references:
            self._references[n] = Reference(self.graph.bind(N=n))
        return self._references[n]

    def prepared(self, n: int) -> "Prepared":
        """Machine code for batches of `n` items."""
        return (self._prepared.get(n) or self._made(n)).prepared

    def _made(self, n: int) -> "_Ready":
        """What runs batches of `n` items; one thread makes it, and others wait for it."""
        from graphcnn.compile.native import Prepared  # LLVM is loaded when it is needed

        with self._building:
            if n not in self._prepared:
                self._prepared[n] = _Ready(Prepared(self._bound_form(n), self.execution))
            return self._prepared[n]

    def _size_for(self, n: int) -> int:
        """The batch size to run at: `n`, or a compiled one that it can be filled up to.

        That one gives the same bits: an answer does not depend on what was asked before.
        """
        if n in self._prepared or not self._prepared or not self.may_fill:
            return n
        sizes = sorted(self._prepared)  # to which another thread may add
        most = n * _STRETCH if len(sizes) < _SIZES else sizes[-1]
        for m in sizes:
            if n < m <= most and self._methods_of(n) == self._prepared[m].prepared.methods:
                return m
        return n

    def _methods_of(self, n: int) -> tuple[str, ...]:
        """How batches of `n` items are computed where they are not filled up."""
        if n not in self._methods:
            from graphcnn.compile.native import methods

            self._methods[n] = methods(self._bound_form(n), self.execution)
        return self._methods[n]

    def _bound_form(self, n: int) -> Graph:
        """The graph that is compiled for batches of `n` items."""
        if self._form is None:
            self._form = inference_graph(self.graph)
        return self._form.bind(N=n)


class _Ready:
    """Machine code for one batch size and the states that it has. Threads take turns."""

    def __init__(self, prepared: "Prepared") -> None:
        self.prepared = prepared
        self.lock = threading.Lock()
        #: Of the states that are bound: their snapshot, if it was one, and the arrays.
        self._snapshot: Callable[[], Snapshot | None] = _none
        self._bound: list[weakref.ref[Array]] = []

    def run(self, feeds: Arrays, states: Arrays) -> Results:
        """The outputs with these states."""
        with self.lock:
            if self._snapshot() is not states:
                self._bind(states)
            return self.prepared.run(feeds)

    def _bind(self, states: Arrays) -> None:
        """Take other values, if they are others."""
        values, known = [*states.values()], [reference() for reference in self._bound]
        self._snapshot = _none
        if len(values) != len(known) or not all(map(operator.is_, values, known)):
            self._bound = []  # until all are there: binding may fail, or be interrupted
            self.prepared.bind_states(states)
            self._bound = [*map(weakref.ref, values)]
        if isinstance(states, Snapshot):
            self._snapshot = weakref.ref(states)


def _none() -> None:
    """The snapshot of states that are none."""


def first_items(array: Array, n: int, place: Batch) -> Array:
    """The first `n` items; all of an array that has none."""
    return take_items(array, place, 0, n) if place.is_items else array


_alive: "weakref.WeakSet[Runner]" = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: a lock that another thread of the parent held would stay closed."""
    for runner in list(_alive):
        runner._building = threading.Lock()
        for ready in runner._prepared.values():
            ready.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


def batch_size(graph: Graph, feeds: Arrays) -> int:
    """Number of items that a graph is fed, in the first input that has any."""
    for value in graph.inputs:
        place = fed_items(value.type)
        if place is not None:
            return count_items(np.shape(feeds[value.node.name]), place)
    return 1
