"""Does the ONNX file compute what we compute? Measured with ONNX Runtime, reported in numbers.

Both sides run on the same seeded inputs at several batch sizes, ONNX Runtime with its
optimisations on and off, all of it or what fits into a given time. An error is normalised by the
largest output: float32 keeps about seven digits, and sums in another order differ in the last one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphcnn.errors import VerifyError
from graphcnn.graph import Graph
from graphcnn.ir import Array
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import HEAD, Difference, difference, to_json
from graphcnn.onnx.comparing.effort import Effort, Step, order
from graphcnn.onnx.comparing.modes import Modes
from graphcnn.tensor_type import DType

#: Largest normalised error of a whole float32 model; right ones stay below 1e-6, a missing
#: activation gives 5e-5 and more.
BOUND = 2e-6

#: The same for models that compute in float16, which keeps three digits.
FLOAT16_BOUND = 2e-3

BATCHES = (1, 2, 5)

Run = Callable[[dict[str, Array]], Mapping[str, Array]]
Feed = Callable[[int], Mapping[str, Array]]


@dataclass(frozen=True)
class Parity:
    """The comparison of one model. `passed`: no normalised error above `bound`; `notes` say what
    was left out."""

    differences: tuple[Difference, ...]
    bound: float
    runtime: str
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        """The largest normalised error."""
        return max(d.normalised for d in self.differences)

    @property
    def passed(self) -> bool:
        return self.worst <= self.bound

    def __str__(self) -> str:
        verdict = "within" if self.passed else "ABOVE"
        foot = f"{self.runtime}: worst {self.worst:.2e}, {verdict} {self.bound:.0e}"
        notes = (f"note: {note}" for note in self.notes)
        return "\n".join((HEAD, *map(str, self.differences), foot, *notes))

    def to_json(self) -> str:
        """The same as JSON, with the versions of what took part."""
        versions = {name: version(name) for name in ("graphcnn", "numpy", "onnx")}
        report = {**asdict(self), "worst": self.worst, "passed": self.passed, "versions": versions}
        return to_json(report)

    def require(self) -> "Parity":
        """This report. Raises `VerifyError` with it where the bound is exceeded."""
        if not self.passed:
            raise VerifyError(f"ONNX Runtime computes something else\n{self}")
        return self


@ort.kept()
def compare(
    model: onnx.ModelProto | str | Path,
    run: Run,
    *,
    feed: Feed | None = None,
    batches: Sequence[int] = BATCHES,
    seed: int = 0,
    bound: float = BOUND,
    seconds: float | None = None,
    cost: float = inf,
) -> Parity:
    """Run an ONNX model (or file) and our own executor `run` on the same inputs.

    `run` maps inputs by key to outputs by key; `feed(n)` gives the inputs of n items, by default
    normal random numbers (integers: 0 and 1) drawn with `seed`. A model without the symbol N runs
    at its own batch size. With `seconds`, what does not fit into them is left out and noted: at
    most all but one batch size in one mode. `cost` are the seconds that an item (or the whole batch
    of a model without N) counts at most.

    The executor is meant to be the reference: what it computes is what the graph means, and the
    file shall mean the same. The native runtime is not faster here, as it compiles first, and its
    algorithms may round more than the bound allows.

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses the model,
    `CrashError` where it dies of it in both modes, and `VerifyError` where outputs differ in name,
    type or shape.
    """
    effort = Effort(seconds, cost)
    ort.version()  # waits until it has started, which depends on no model
    with effort.timed("load"):
        modes = Modes(model)
    inputs = modes.one.get_inputs()
    names = [o.name for o in modes.one.get_outputs()]
    if not any(isinstance(d, str) for i in inputs for d in i.shape):
        batches = batches[:1] if feed else [next((i.shape[0] for i in inputs if i.shape), 1)]
        effort.most = cost / max(1, batches[0])
    fed: dict[int, dict[str, Array]] = {}
    ours: dict[int, Mapping[str, Array]] = {}
    rows: dict[Step, list[Difference]] = {}
    for n, on in order(batches):
        parts = {"load": not modes.is_loaded(on), "ours": n * (n not in ours), on: n}
        if on in modes.died or (rows and not effort.allows((n, on), parts)):
            continue
        if n not in ours:
            with effort.timed("ours", n):
                rng = np.random.default_rng((seed, n))
                fed[n] = dict(feed(n)) if feed else random_inputs(inputs, n, rng)
                ours[n] = run(fed[n])
            if set(names) != set(ours[n]):
                raise VerifyError(f"the model has the outputs {names}, ours are {sorted(ours[n])}")
        with effort.timed(on, n):
            found = modes.run_in(on, fed[n], names)
            if found is not None:
                rows[n, on] = [
                    difference(name, n, on, theirs, np.asarray(ours[n][name]))
                    for name, theirs in zip(names, found, strict=True)
                ]
    ordered = sorted(rows, key=lambda step: (step[0], not step[1]))
    differences = tuple(row for step in ordered for row in rows[step])
    notes = (*modes.notes(), *effort.notes())
    return Parity(differences, bound, ort.version(), notes)


def bound_for(graph: Graph) -> float:
    """The bound for a model that computes like this graph."""
    types = (t for node in graph.nodes for t in node.types)
    return FLOAT16_BOUND if any(t.dtype is DType.FLOAT16 for t in types) else BOUND


def _times(size: str) -> int:
    """k of a size that is written k*N."""
    number = size.removesuffix("*N")
    return int(number) if number != size and number.isdecimal() else 1


def random_inputs(inputs: Sequence[Any], n: int, rng: np.random.Generator) -> dict[str, Array]:
    """Arrays for inputs of a session of ONNX Runtime: normal numbers, for integers 0 and 1."""
    arrays: dict[str, Array] = {}
    for i in inputs:
        shape = [_times(d) * n if isinstance(d, str) else d for d in i.shape]
        kind = i.type.removeprefix("tensor(").removesuffix(")")
        dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
        drawn = rng.normal(size=shape) if "float" in dtype else rng.integers(0, 2, shape)
        arrays[i.name] = np.asarray(drawn).astype(dtype)
    return arrays
