"""Does the ONNX file compute what we compute? Measured with ONNX Runtime, reported in numbers.

Both sides run on the same seeded inputs at several batch sizes, ONNX Runtime with its
optimisations on and off. An error is normalised by the largest output: float32 keeps about seven
digits, and sums in another order differ in the last one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphcnn.errors import VerifyError
from graphcnn.graph import Graph
from graphcnn.ir import Array
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import HEAD, Difference, difference, to_json
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
) -> Parity:
    """Run an ONNX model (or file) and our own executor `run` on the same inputs.

    `run` maps inputs by key to outputs by key; `feed(n)` gives the inputs of n items, by default
    normal random numbers (integers: 0 and 1) drawn with `seed`. A model without the symbol N runs
    once, at its own batch size.

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses the model,
    `CrashError` where it dies of it in both modes, and `VerifyError` where outputs differ in name,
    type or shape.
    """
    modes = Modes(model)
    inputs = modes.one.get_inputs()
    names = [o.name for o in modes.one.get_outputs()]
    if not any(isinstance(d, str) for i in inputs for d in i.shape):
        batches = batches[:1] if feed else [next((i.shape[0] for i in inputs if i.shape), 1)]
    differences = []
    for n in batches:
        arrays = (
            dict(feed(n)) if feed else random_inputs(inputs, n, np.random.default_rng((seed, n)))
        )
        ours = run(arrays)
        if set(names) != set(ours):
            raise VerifyError(f"the model has the outputs {names}, ours are {sorted(ours)}")
        for optimised, found in modes.run(arrays, names).items():
            for name, theirs in zip(names, found, strict=True):
                differences.append(difference(name, n, optimised, theirs, np.asarray(ours[name])))
    return Parity(tuple(differences), bound, ort.version(), tuple(modes.notes()))


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
