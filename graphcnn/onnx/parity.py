"""Does the ONNX file compute what we compute? Measured with ONNX Runtime, reported in numbers.

Both sides run on the same seeded inputs at several batch sizes, ONNX Runtime with its
optimisations on and off. An error is normalised by the largest output: float32 keeps about seven
digits, and sums in another order differ in the last one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphcnn.errors import ExportError, MissingExtraError, VerifyError
from graphcnn.ir import Array

#: Largest normalised error of a whole float32 model; right ones stay below 1e-6, a missing
#: activation gives 5e-5 and more.
BOUND = 2e-6

BATCHES = (1, 2, 5)

Run = Callable[[dict[str, Array]], Mapping[str, Array]]
Feed = Callable[[int], Mapping[str, Array]]


@dataclass(frozen=True)
class Difference:
    """One output at one batch size. `argmax_agreement` is the share of items whose largest class
    (axis 1) is the same, None for outputs without classes."""

    output: str
    batch: int
    optimised: bool
    max_abs: float
    normalised: float
    argmax_agreement: float | None

    def __str__(self) -> str:
        agree = "" if self.argmax_agreement is None else f"{self.argmax_agreement:8.1%}"
        mode = "on" if self.optimised else "off"
        return (
            f"{self.output:<20} {self.batch:>5} {mode:>9} {self.max_abs:>10.2e} "
            f"{self.normalised:>10.2e} {agree:>8}"
        ).rstrip()


@dataclass(frozen=True)
class Parity:
    """The comparison of one model. `passed`: no normalised error above `bound`."""

    differences: tuple[Difference, ...]
    bound: float
    runtime: str

    @property
    def worst(self) -> float:
        """The largest normalised error."""
        return max(d.normalised for d in self.differences)

    @property
    def passed(self) -> bool:
        return self.worst <= self.bound

    def __str__(self) -> str:
        head = (
            f"{'output':<20} {'batch':>5} {'optimised':>9} {'max abs':>10} {'normalised':>10} "
            f"{'argmax':>8}"
        )
        verdict = "within" if self.passed else "ABOVE"
        foot = f"{self.runtime}: worst {self.worst:.2e}, {verdict} {self.bound:.0e}"
        return "\n".join((head, *map(str, self.differences), foot))

    def to_json(self) -> str:
        report = {**asdict(self), "worst": self.worst, "passed": self.passed}
        return json.dumps(report, indent=2)

    def require(self) -> "Parity":
        """This report. Raises `VerifyError` with it where the bound is exceeded."""
        if not self.passed:
            raise VerifyError(f"ONNX Runtime computes something else\n{self}")
        return self


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

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses the model, and
    `VerifyError` where outputs differ in name, type or shape.
    """
    sessions = {optimised: _session(model, optimised) for optimised in (True, False)}
    inputs = sessions[True].get_inputs()
    if not any(isinstance(d, str) for i in inputs for d in i.shape):
        batches = batches[:1] if feed else [next((i.shape[0] for i in inputs if i.shape), 1)]
    differences = []
    for n in batches:
        arrays = dict(feed(n)) if feed else _random(inputs, n, np.random.default_rng((seed, n)))
        ours = run(arrays)
        for optimised, session in sessions.items():
            names = [o.name for o in session.get_outputs()]
            if set(names) != set(ours):
                raise VerifyError(f"the model has the outputs {names}, ours are {sorted(ours)}")
            found = _run(session, arrays)
            for name, theirs in zip(names, found, strict=True):
                differences.append(_difference(name, n, optimised, theirs, np.asarray(ours[name])))
    return Parity(tuple(differences), bound, f"onnxruntime {_onnxruntime().__version__}")


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("comparing with ONNX Runtime", "onnxruntime", "verify") from None
    return onnxruntime


def _session(model: onnx.ModelProto | str | Path, optimised: bool) -> Any:
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    try:
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        raise ExportError(f"ONNX Runtime refuses the model: {error}") from None


def _run(session: Any, arrays: Mapping[str, Array]) -> list[Array]:
    try:
        return list(session.run(None, dict(arrays)))
    except Exception as error:  # as above
        raise ExportError(f"ONNX Runtime cannot run the model: {error}") from None


def _random(inputs: Sequence[Any], n: int, rng: np.random.Generator) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for i in inputs:
        shape = [n if isinstance(d, str) else d for d in i.shape]
        kind = i.type.removeprefix("tensor(").removesuffix(")")
        dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
        drawn = rng.normal(size=shape) if "float" in dtype else rng.integers(0, 2, shape)
        arrays[i.name] = np.asarray(drawn).astype(dtype)
    return arrays


def _difference(output: str, batch: int, optimised: bool, theirs: Array, ours: Array) -> Difference:
    if (theirs.shape, theirs.dtype) != (ours.shape, ours.dtype):
        raise VerifyError(
            f"output {output!r}: ONNX Runtime gives {theirs.dtype}{list(theirs.shape)}, "
            f"expected {ours.dtype}{list(ours.shape)}"
        )
    a, b = theirs.astype(np.float64), ours.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))  # infinities too
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(a - b))
    error[np.isnan(error)] = np.inf
    scale = np.abs(b[np.isfinite(b)]).max(initial=0.0) or 1.0
    agreement = None
    if ours.ndim >= 2 and ours.shape[1] > 1 and ours.dtype.kind == "f":
        agreement = float(np.mean(theirs.argmax(axis=1) == ours.argmax(axis=1)))
    largest = float(error.max(initial=0.0))
    return Difference(output, batch, optimised, largest, largest / float(scale), agreement)
