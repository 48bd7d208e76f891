"""The reference runtime: the evaluator of graphs, with what is fed. No cleverness.

It defines what is right; everything else is tested against it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.evaluate import Compute, Evaluator, Results, Watch, results_of
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.plan import after_gradients, after_sums, kept_gradients, root
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import Shape, TensorType

#: Sees the gradients by the names of their parameters, and may change them in place.
Ready = Callable[[Mapping[str, Array]], None]


@dataclass(frozen=True, eq=False)
class Reference:
    """Runs one bound graph."""

    graph: Graph

    def __post_init__(self) -> None:
        if not self.graph.is_bound:
            raise GraphError(f"graph {self.graph.name!r} has an unknown batch size; bind(N=...)")

    @cached_property
    def halves(self) -> tuple[Evaluator, Evaluator]:
        """What runs until the gradients that are kept are ready, and what these lead to.

        Where none are kept, until all is there that is added up over shards; else all is before.
        """
        late = after_gradients(self.graph) or after_sums(self.graph)
        before = [node for node in self.graph.nodes if node not in late]
        after = [node for node in self.graph.nodes if node in late]
        wanted = {*self.graph.results, *(v for node in after for v in node.inputs)}
        return Evaluator(before, wanted), Evaluator(after, self.graph.results)

    def run(
        self,
        feeds: Mapping[str, Array],
        states: Mapping[str, Array] | None = None,
        watch: Watch | None = None,
        ready: Ready | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs by name, and the new values of the states that the graph updates.

        Nothing is changed in place, and no output lies in the memory of another, or of what was
        fed. `watch` sees every node with its results, `ready` the gradients that the graph keeps
        when all of them are there; it may change them in place.
        """
        states = states or {}
        compute = _computing(feeds, states)
        arrays = self.halves[0].run(compute=compute, watch=watch)
        return self.finish(arrays, feeds, states, ready, watch)

    def finish(
        self,
        arrays: dict[Value, Array],
        feeds: Mapping[str, Array],
        states: Mapping[str, Array],
        ready: Ready | None = None,
        watch: Watch | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """The same, of what the first half made of them."""
        if ready is not None:
            self._show(arrays, ready)
        arrays = self.halves[1].run(arrays, _computing(feeds, states), watch)
        taken = {id(array) for array in (*feeds.values(), *states.values())}
        outputs = {name: _own(arrays[v], taken) for name, v in self.graph.outputs.items()}
        updates = {state_of(s).key: arrays[v] for s, v in self.graph.updates.items()}
        return outputs, updates

    def _show(self, arrays: dict[Value, Array], ready: Ready) -> None:
        """Show the gradients, and take what they are then."""
        kept = kept_gradients(self.graph)
        shown = {name: np.array(arrays[value]) for name, value in kept.items()}
        ready(shown)
        owners = {root(value): shown[name] for name, value in kept.items()}
        for value in arrays:
            if root(value) in owners:
                arrays[value] = owners[root(value)].reshape(arrays[value].shape)


def _computing(feeds: Mapping[str, Array], states: Mapping[str, Array]) -> Compute:
    """Results by definition, of inputs and states what is given for them."""

    def compute(node: Node, operands: Sequence[Array]) -> Results:
        if not isinstance(node.op, Input | State):
            return results_of(node, operands)
        return (fed(feeds if isinstance(node.op, Input) else states, node.op, node),)

    return compute


def _own(array: Array, taken: set[int]) -> Array:
    """The array, or a copy where its memory is or may be that of another. Fills `taken`."""
    alone = array.base is None and array.flags.writeable and id(array) not in taken
    found = array if alone else np.array(array)
    taken.add(id(found))
    return found


def fed(source: Mapping[str, Array], op: Input | State, node: Node) -> Array:
    """The array for an input or state. Raises `GraphError` if it is missing or of another type."""
    expected = node.types[0]
    if op.key not in source:
        raise GraphError(f"{op.name} {op.key!r} ({expected}) was not given")
    # Products by BLAS round otherwise where a matrix lies in another order of memory.
    array = np.asarray(source[op.key], order="C")
    if array.shape != expected.shape or array.dtype != expected.dtype.numpy:
        raise GraphError(
            f"{op.name} {op.key!r} must be {expected}, found {array.dtype}{list(array.shape)}"
            f"{_opened(op, expected, array)}"
        )
    return array


def _opened(op: Input | State, expected: TensorType, array: Array) -> str:
    """What helps where only the batch size is another: files of ONNX often fix it to 1."""
    if isinstance(op, State) or not array.ndim or array.shape[1:] != expected.shape[1:]:
        return ""
    return opened_by(op.key, expected.shape)


def opened_by(name: str, shape: Shape) -> str:
    """How a file of ONNX that fixes the batch size is opened, for messages about its input."""
    sizes = ("N", *shape[1:])
    return (
        f"; an ONNX file that fixes the batch size is read with inputs={{{name!r}: {sizes}}}, or "
        f"by graphcnn import FILE --input {name}={','.join(map(str, sizes))} -o NEW.safetensors"
    )
