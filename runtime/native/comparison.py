"""GRAPHCNN_VERIFY=numbers: every step of a run against the definition of its operator.

Each step is compared alone: the definition is given what the native steps before it made, so that
nothing adds up and the first node that is wrong is the one that is named. What a value was when it
was made is remembered; a step that finds another in its place gives another result.
"""

from collections.abc import Mapping

import numpy as np

from graphcnn.errors import VerifyError
from graphcnn.ir.evaluate import results_of
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.plan import Plan, is_all_reduce, reduced, root
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import inner

#: Largest difference that rounding explains, as a share of the largest magnitude, by bytes of a
#: float: half, single and double precision.
BOUND = {2: 1e-2, 4: 1e-5, 8: 1e-12}
#: The same for Winograd's algorithm in single precision.
WINOGRAD = 1e-4
#: Share of a group's results of other types (comparisons, places of a maximum) that may differ:
#: rounding inside the group can turn what lies at a border.
TURNED = 1e-3


class Comparison:
    """Watches the runs of one plan. Raises `VerifyError` at the first difference."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[Value, Array] = {}
        last = {root(v): step.node for step in plan.steps for v in step.node.inputs}
        kept = {root(v) for v in plan.graph.results}
        #: The values that no step after this one reads, the views of them too.
        self._dying: dict[Node, list[Value]] = {}
        for node in plan.graph.nodes:
            for value in node.outputs:
                owner = root(value)
                if owner in last and owner not in kept:
                    self._dying.setdefault(last[owner], []).append(value)

    def begin(self, sources: Mapping[str, Array]) -> None:
        """A run begins, with these values of inputs and states."""
        self._known = {}
        for node in self.plan.graph.nodes:
            if isinstance(node.op, Input | State):
                self._known[node.output] = sources[node.op.key]

    def value(self, value: Value) -> Array:
        """What was made, or what follows from it without a step."""
        if value not in self._known:
            inputs = [self.value(v) for v in value.node.inputs]
            self._known[value] = np.asarray(results_of(value.node, inputs)[value.index])
        return self._known[value]

    def step(self, number: int, algorithm: str, found: tuple[Array, ...]) -> None:
        """Compare the results of a step."""
        node = self.plan.steps[number].node
        with np.errstate(all="ignore"):
            expected = results_of(node, [*map(self.value, node.inputs)])
        group = isinstance(inner(node.op), Fused)
        for i, (a, b) in enumerate(zip(expected, found, strict=True)):
            problem = step_difference(np.asarray(a), b, algorithm, group)
            if problem:
                raise VerifyError(
                    f"step {number} ({algorithm}) differs from the reference: {_label(node)}, "
                    f"result {i} {node.types[i]}: {problem}"
                )
        self._known.update(zip(node.outputs, found, strict=True))
        for value in self._dying.get(node, ()):
            self._known.pop(value, None)

    def summed(self, totals: Mapping[str, Array]) -> None:
        """The sums over the shards of a batch are there, by their names."""
        of = {value: totals[name] for name, value in reduced(self.plan.graph).items()}
        for node in self.plan.graph.nodes:
            if is_all_reduce(node):
                found = of[root(node.output)]
                self._known[node.output] = found.reshape(tuple(map(int, node.output.shape)))  # type: ignore[arg-type]

    def changed(self, values: Mapping[Value, Array]) -> None:
        """Somebody changed what these values are: plain ones, all that share their memory too."""
        owners = {root(value): array for value, array in values.items()}
        for value, known in self._known.items():
            if root(value) in owners:
                self._known[value] = owners[root(value)].reshape(known.shape)

    def end(self, outputs: Mapping[str, Array], updates: Mapping[str, Array]) -> None:
        """What leaves the run is what its steps made."""
        graph = self.plan.graph
        leaving = [(f"output {k!r}", graph.outputs[k], found) for k, found in outputs.items()]
        leaving += [
            (f"new value of the state {state_of(s).key!r}", v, updates[state_of(s).key])
            for s, v in graph.updates.items()
        ]
        for what, value, found in leaving:
            of_floats = DType.of(found.dtype).is_float
            if not np.array_equal(self.value(value), found, equal_nan=of_floats):
                raise VerifyError(
                    f"the {what} is not what {_label(value.node)} made: it was overwritten, or "
                    "moved to the wrong place"
                )


def step_difference(expected: Array, found: Array, algorithm: str = "", group: bool = False) -> str:
    """How `found` differs from `expected` beyond rounding; "" where it does not."""
    if (expected.shape, expected.dtype) != (found.shape, found.dtype):
        return f"{found.dtype}{list(found.shape)}, expected {expected.dtype}{list(expected.shape)}"
    dtype = DType.of(expected.dtype)
    if dtype.is_float and dtype.is_small and dtype is not DType.FLOAT16:
        expected, found = expected.astype(np.float32), found.astype(np.float32)
    if expected.dtype.kind != "f":
        differing = int(np.sum(expected != found))
        allowed = TURNED * expected.size if group else 0
        return "" if differing <= allowed else f"{differing} of {expected.size} elements differ"
    finite = np.isfinite(expected)
    wrong = ~finite & ~((expected == found) | (np.isnan(expected) & np.isnan(found)))
    wrong |= finite & ~np.isfinite(found)
    if wrong.any():
        at = _first(wrong)
        return f"{found[at]} at {list(at)}, expected {expected[at]}"
    bound = BOUND[expected.itemsize]
    if "winograd" in algorithm and expected.itemsize == 4:
        bound = WINOGRAD
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    off = np.where(finite, np.abs(np.where(finite, expected, 0) - np.where(finite, found, 0)), 0)
    if not (off > bound * largest).any():
        return ""
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
    return (
        f"{found[at]:.9g} at {list(at)}, expected {expected[at]:.9g}; allowed is a difference of "
        f"{bound:g} × {largest:.3g}, the largest magnitude"
    )


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _label(node: Node) -> str:
    """`conv2d "C1" (net.py:7)`, or what the node belongs to."""
    name = node.name or (f"gradient of {node.origin.forward}" if node.origin.forward else "")
    where = f" ({node.origin.location})" if node.origin.location else ""
    return f'{node.op.name} "{name}"{where}'
