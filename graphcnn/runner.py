"""Runs a graph at any batch size, in either runtime; what is prepared for a size is kept."""

import operator
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from graphcnn.compile import inference_graph
from graphcnn.config import check_precision, check_runtime, check_tune, default_runtime
from graphcnn.graph import Graph
from graphcnn.ir import Array
from graphcnn.runtime.reference import Reference
from graphcnn.tensor_type import N

if TYPE_CHECKING:
    from graphcnn.native import Prepared

Arrays = Mapping[str, Array]
Results = tuple[dict[str, Array], dict[str, Array]]

#: A batch is filled up to a size that is compiled already if that is at most so much larger...
_STRETCH = 4
#: ...or if so many sizes are compiled.
_SIZES = 4


class Runner:
    """Runs one graph without updates.

    Args:
        runtime: "native" or "reference"; None is the default one.
        threads: of the native runtime; None leaves it to GRAPHCNN_THREADS and the machine.
        precision: of the native runtime, "fast" or "strict"; None leaves it to GRAPHCNN_PRECISION.
        tune: measure instead of estimating what is fastest; None leaves it to GRAPHCNN_TUNE.
    """

    def __init__(
        self,
        graph: Graph,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> None:
        self.graph = graph
        self.runtime = check_runtime(runtime or default_runtime())
        self._options = threads, check_precision(precision), check_tune(tune)
        self._references: dict[int, Reference] = {}
        self._prepared: dict[int, Prepared] = {}
        #: The states each executable has.
        self._bound: dict[int, list[weakref.ref[Array]]] = {}
        self._form: Graph | None = None
        self._per_item = all(v.shape[:1] == (N,) for v in graph.outputs.values())

    def run(self, feeds: Arrays, states: Arrays) -> Results:
        """Outputs by name and new values of updated states, for the batch that is fed.

        Arrays of states are taken for unchanged while they are the same objects.
        """
        n = batch_size(feeds)
        if self.runtime == "reference":
            return self.reference(n).run(feeds, states)
        size = self._size_for(n)
        executable = self.prepared(size)
        values, bound = [*states.values()], self._bound.get(size, ())
        known = [reference() for reference in bound]
        if len(values) != len(known) or not all(map(operator.is_, values, known)):
            executable.bind_states(states)
            self._bound[size] = [*map(weakref.ref, values)]
        if size == n:
            return executable.run(feeds)
        outputs, _ = executable.run({key: _filled(array, size) for key, array in feeds.items()})
        return {key: array[:n] for key, array in outputs.items()}, {}

    def reference(self, n: int) -> Reference:
        """The reference, for batches of `n` items."""
        if n not in self._references:
            self._references[n] = Reference(self.graph.bind(N=n))
        return self._references[n]

    def prepared(self, n: int) -> "Prepared":
        """Machine code for batches of `n` items."""
        if n not in self._prepared:
            from graphcnn.native import Prepared  # LLVM is loaded when it is needed

            if self._form is None:
                self._form = inference_graph(self.graph)
            self._prepared[n] = Prepared(self._form.bind(N=n), *self._options)
        return self._prepared[n]

    def _size_for(self, n: int) -> int:
        """The batch size to run at: `n`, or a compiled one that it can be filled up to."""
        if n in self._prepared or not self._per_item:
            return n
        larger = sorted(m for m in self._prepared if m > n)
        if larger and (larger[0] <= _STRETCH * n or len(self._prepared) >= _SIZES):
            return larger[0]
        return n


def _filled(array: Array, n: int) -> Array:
    """`array` with its last item repeated until there are `n`."""
    return np.concatenate([array, np.repeat(array[-1:], n - len(array), axis=0)])


def batch_size(feeds: Arrays) -> int:
    """Number of items in the first fed array."""
    return int(np.shape(next(iter(feeds.values())))[0])
