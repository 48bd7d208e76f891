"""A graph that is made of the values of a model, run on the states that the model has."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.errors import LensError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.state_values import StateValues
from graphcnn.runtime.execution import Execution

#: Items that are run at a time: memory does not grow with their number.
PIECE = 32


class Probe:
    """Runs `outputs`, values that are computed from `inputs` and from states of a model.

    The states are the model's own cells: training the model changes what the probe finds, without
    another compilation.

    Attributes:
        graph: what is run.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[Value],
        outputs: Mapping[str, Value],
        execution: Execution,
    ) -> None:
        self.graph = Graph.of(inputs, outputs, name=name)
        self._runner = Runner(self.graph, execution)
        self._states = StateValues(self.graph)
        self._others: Mapping[str, Array] | None = None
        self._names = [v.node.op.key for v in self.graph.inputs]  # type: ignore[attr-defined]

    def on(self, states: Mapping[str, Array]) -> "Probe":
        """The same machine code on other states, given by their keys, all that the graph has."""
        made = copy.copy(self)
        made._others = states
        return made

    def __call__(self, *feeds: Array, piece: int = PIECE) -> dict[str, Array]:
        """The outputs for as many items as are fed, an array for each input in their order.

        They run in pieces of `piece` items, and one by one where items of a batch influence each
        other: a map is that of its image alone. A graph whose batch size is a number runs that many
        at a time. Raises `LensError` where that does not divide what is fed.
        """
        given = dict(zip(self._names, map(self._typed, self.graph.inputs, feeds), strict=True))
        count = len(feeds[0]) if feeds else 1
        size = self._size(count, piece)
        states = self._states.snapshot() if self._others is None else self._others
        if size >= count:
            return self._runner.run(given, states)[0]
        parts = []
        for start in range(0, count, size):
            cut = {key: _filled(array[start : start + size], size) for key, array in given.items()}
            parts.append(self._runner.run(cut, states)[0])
        return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}

    @staticmethod
    def _typed(wanted: Value, fed: Array) -> Array:
        """What is fed, of the float type of the input: images of float32 for one of float16."""
        return fed.astype(wanted.dtype.numpy, copy=False) if wanted.dtype.is_float else fed

    def _size(self, count: int, piece: int) -> int:
        """How many items run at a time."""
        if not self._runner.is_bound:
            if count > 1 and not self._runner.joints:
                return 1  # each alone, as it is defined for one image
            return piece
        size = self.graph.inputs[0].shape[0] if self.graph.inputs else 1
        assert isinstance(size, int)
        if count % size:
            raise LensError(f"{self.graph.name} is made for batches of {size}, found {count} items")
        return size


def _filled(items: Array, size: int) -> Array:
    """The last piece with its last item again until it is whole: one size is compiled, not two."""
    missing = size - len(items)
    return np.concatenate([items, items[-1:].repeat(missing, 0)]) if missing else items
