"""What may watch a pipeline: verify, dump, and the check that the numbers stay the same."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graphcnn.analysis.verify import verify
from graphcnn.errors import OutputError, VerifyError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.philox import uniform, words
from graphcnn.ir.sources import State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.passes.driver.base import Applied, PassLog
from graphcnn.passes.driver.culprit import changed_part

Arrays = Mapping[str, Array]
#: Evaluates a bound graph: (graph, inputs by key, states by key) to results by name.
Run = Callable[[Graph, Arrays, Arrays], Arrays]


@dataclass(frozen=True)
class Verify:
    """Check the invariants of every graph that a pass makes; a node's types only once."""

    known: set[Node] = field(default_factory=set, compare=False, repr=False)

    def __call__(self, applied: Applied) -> None:
        try:
            verify(applied.after, applied.by.stage, self.known)
        except VerifyError as error:
            raise VerifyError(f"pass {applied.by} made an invalid graph: {error}") from None


@dataclass
class Dump:
    """Write the graph after every pass to a folder: 00_before.txt, 01_canonicalize.txt, ..."""

    folder: Path
    count: int = 0

    def __call__(self, applied: Applied) -> None:
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            if self.count == 0:
                self._write("before", applied.before)
            self.count += 1
            self._write(applied.by.name, applied.after)
        except OSError as error:
            raise OutputError(f"cannot write to {self.folder}: {error.strerror}") from None

    def _write(self, label: str, graph: Graph) -> None:
        path = Path(self.folder) / f"{self.count:02}_{label}.txt"
        path.write_text(str(graph), encoding="utf-8")


@dataclass
class Differential:
    """Run the graph before and after every pass and compare all results.

    They may differ by the pass's tolerance times the largest element; a pass without a tolerance
    is skipped. Inputs are random, states near their initial values, and where the batch size is
    unknown it is `batch`. Raises `VerifyError` naming pass, rules, error and the nodes around it.
    """

    run: Run
    seed: int = 0
    batch: int = 2
    #: Largest relative difference found so far, by pass.
    worst: dict[str, float] = field(default_factory=dict)

    def __call__(self, applied: Applied) -> None:
        tolerance = applied.by.tolerance
        if tolerance is None or not applied.changed:
            return
        before, after = (g.bind(N=self.batch) for g in (applied.before, applied.after))
        feeds = random_feeds(before, self.seed)
        states = random_states(before, self.seed)
        stated = random_states(after, self.seed) | states
        if applied.by.changes_states():
            stated = dict(applied.by.apply(applied.before, states, PassLog())[1])
        expected, found = self.run(before, feeds, states), self.run(after, feeds, stated)
        if set(expected) != set(found):
            raise VerifyError(
                f"pass {applied.by} changed the results {list(expected)} to {list(found)}"
            )
        for key in expected:
            error = relative_error(expected[key], found[key])
            if error > tolerance:
                part = changed_part(
                    applied,
                    before,
                    after,
                    key,
                    tolerance,
                    lambda graph: self.run(graph, feeds, states),
                    lambda graph: self.run(graph, feeds, stated),
                    relative_error,
                )
                rules = ", ".join(sorted(applied.log.fired)) or "none"
                raise VerifyError(
                    f"pass {applied.by} changed the numbers: {key!r} differs by {error:.3g} of its "
                    f"largest element, allowed is {tolerance:g}\nrules fired: {rules}\n{part}"
                )
            name = str(applied.by)
            self.worst[name] = max(self.worst.get(name, 0.0), error)


def relative_error(expected: Array, found: Array) -> float:
    """max |expected - found| / max |expected|; infinite where types, NaN or infinities differ."""
    a, b = np.asarray(expected), np.asarray(found)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return np.inf
    dtype = DType.of(a.dtype)
    if dtype.is_float and dtype.is_small:
        a, b = a.astype(np.float32), b.astype(np.float32)
    if not dtype.is_float:
        return 0.0 if np.array_equal(a, b) else np.inf
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    a, b = a[finite].astype(np.float64), b[finite].astype(np.float64)
    difference = float(np.max(np.abs(a - b), initial=0.0))
    return difference / float(np.max(np.abs(a), initial=0.0) or 1.0) if difference else 0.0


def random_feeds(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """An array for every input of a bound graph, by key: floats in [-1, 1), small whole numbers.

    Whole numbers are 0 or 1, which are labels of any classifier.
    """
    return {
        value.node.op.key: _random(value.type, seed, stream)  # type: ignore[attr-defined]
        for stream, value in enumerate(graph.inputs)
    }


def _random(t: TensorType, seed: int, stream: int) -> Array:
    shape = tuple(int(d) for d in t.shape)  # type: ignore[arg-type]
    if t.dtype.is_float:
        drawn = 2.0 * uniform(seed, 0, stream, t.size) - 1.0
    else:
        high = 256 if t.dtype is DType.UINT8 else 2
        drawn = words(seed, 0, stream, t.size) % np.uint32(high)
    return drawn.reshape(shape).astype(t.dtype.numpy)


def random_states(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """A value for every state of a graph, by key: its first value, floats up to 1/8 more.

    A bias of 0 or a variance of 1 would hide mistakes in the arithmetic on them.
    """
    return {op.key: _near_initial(op, seed) for op in map(state_of, graph.states)}


def _near_initial(state: State, seed: int) -> Array:
    first = state.initial(state.type, seed, state.key)
    if not state.type.dtype.is_float:
        return first
    more = _random(state.type, seed, zlib.crc32(state.key.encode()))
    return (first + (more + 1) / 16).astype(first.dtype)
