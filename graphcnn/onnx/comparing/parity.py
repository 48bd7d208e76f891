"""Does the ONNX file compute what we compute? Measured with ONNX Runtime, reported in numbers.

Both sides run on the same seeded inputs at several batch sizes, ONNX Runtime with its
optimisations on and off, all of it or what fits into a given time. An error is normalised by the
largest output. Whether it is one is judged by the exact result, where somebody has it and it does
not take too long; else by a constant.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx

from graphcnn.errors import VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import HEAD, Difference, difference, to_json
from graphcnn.onnx.comparing.effort import Effort, Step, loading, order
from graphcnn.onnx.comparing.modes import Modes
from graphcnn.onnx.comparing.verdict import Verdict, settled, table

#: Largest normalised error of a whole float32 model; right ones stay below 1e-6, a missing
#: activation gives 5e-5 and more.
BOUND = 2e-6

#: The same for models that compute in float16, which keeps three digits.
FLOAT16_BOUND = 2e-3

BATCHES = (1, 2, 5)

#: What is noted where there is not enough.
NO_ROOM = "judged by a constant: there is no memory for the exact result, a run in float64"

#: Judging takes so many times what the reference takes.
JUDGING = 10

Run = Callable[[dict[str, Array]], Mapping[str, Array]]
Feed = Callable[[int], Mapping[str, Array]]


#: Outputs of ONNX Runtime by name, with its optimisations and without.
Modal = Mapping[bool, Mapping[str, Array]]


class JudgeOf(Protocol):
    """Judges outputs for inputs of n items: `ours` and those of ONNX Runtime."""

    notes: list[str]

    def __call__(
        self, n: int, feeds: Mapping[str, Array], ours: Mapping[str, Array], theirs: Modal
    ) -> Sequence[Verdict]: ...


@dataclass(frozen=True)
class Parity:
    """The comparison of one model.

    Attributes:
        bound: the largest normalised error allowed at the batch sizes that have no verdicts; None
            where all have them.
        notes: what was left out, and what ONNX Runtime computes less exactly.
        verdicts: of every output at some batch sizes or all: who is right, who is nearer to the
            exact result.
    """

    differences: tuple[Difference, ...]
    bound: float | None
    runtime: str
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def worst(self) -> float:
        """The largest normalised error."""
        return max(d.normalised for d in self.differences)

    @property
    def passed(self) -> bool:
        judged = {v.batch for v in self.verdicts}
        rest = [d.normalised for d in self.differences if d.batch not in judged]
        within = self.bound is None or all(error <= self.bound for error in rest)
        return within and all(v.agreed for v in self.verdicts)

    def __str__(self) -> str:
        lines = [HEAD, *map(str, self.differences)]
        if self.verdicts:
            lines += ["", *table(self.verdicts)]
        lines.append(f"{self.runtime}: worst {self.worst:.2e}, {self._said()}")
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))

    def _said(self) -> str:
        if not self.verdicts:
            return f"{'within' if self.passed else 'ABOVE'} {self.bound:.0e}"
        what = self.verdicts[0].arithmetic
        if self.passed and any(v.alike for v in self.verdicts):
            return "both agree"
        return f"within {what}" if self.passed else f"MORE than {what} explains"

    def to_json(self) -> str:
        """The same as JSON, with the versions of what took part."""
        versions = {name: version(name) for name in ("graphcnn", "numpy", "onnx")}
        report = {**asdict(self), "worst": self.worst, "passed": self.passed, "versions": versions}
        return to_json(report)

    def require(self) -> "Parity":
        """This report. Raises `VerifyError` with it where something is wrong."""
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
    arrays: Mapping[str, Array] | None = None,
    judge: JudgeOf | None = None,
    divisors: Collection[str] = (),
) -> Parity:
    """Run an ONNX model (or file) and our own executor `run` on the same inputs.

    `run` maps inputs by key to outputs by key; `feed(n)` gives the inputs of n items, by default
    normal random numbers (integers: 0 and 1, of `divisors` 1 and 2) drawn with `seed`. A model
    without the symbol N runs at its own batch size. With `seconds`, what does not fit into them is
    left out and noted: at most all but one batch size in one mode. `cost` are the seconds that an
    item (or the whole batch of a model without N) counts at most. `arrays` are initializers that
    lie in other files.

    `judge` judges by the exact result, as many batch sizes as there is time for, and always one
    with an error above `bound`. The others are right where no error is larger: relative to the
    largest number of an output.

    The executor is meant to be the reference: what it computes is what the graph means, and the
    file shall mean the same. The native runtime is not faster here, as it compiles first, and its
    algorithms may round more than the bound allows.

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses the model,
    `CrashError` where it dies of it in both modes, and `VerifyError` where outputs differ in name,
    type or shape.
    """
    effort = Effort(seconds, cost)
    ort.version()  # waits until it has started, which depends on no model
    with effort.timed("load", most=loading(model, arrays or {}) if cost < inf else inf):
        modes = Modes(model, arrays)
    inputs = modes.one.get_inputs()
    names = [o.name for o in modes.one.get_outputs()]
    if not any(isinstance(d, str) for i in inputs for d in i.shape):
        batches = batches[:1] if feed else [next((i.shape[0] for i in inputs if i.shape), 1)]
        effort.most = cost / max(1, batches[0])
    fed: dict[int, dict[str, Array]] = {}
    ours: dict[int, Mapping[str, Array]] = {}
    rows: dict[Step, list[Difference]] = {}
    theirs: dict[int, dict[bool, dict[str, Array]]] = {}
    for n, on in order(batches):
        parts = {"load": not modes.is_loaded(on), "ours": n * (n not in ours), on: n}
        if on in modes.died or (rows and not effort.allows((n, on), parts)):
            continue
        if n not in ours:
            with effort.timed("ours", n):
                rng = np.random.default_rng((seed, n))
                fed[n] = dict(feed(n)) if feed else random_inputs(inputs, n, rng, divisors)
                ours[n] = run(fed[n])
            if set(names) != set(ours[n]):
                raise VerifyError(f"the model has the outputs {names}, ours are {sorted(ours[n])}")
        with effort.timed(on, n):
            found = modes.run_in(on, fed[n], names)
            if found is not None:
                theirs.setdefault(n, {})[on] = dict(zip(names, found, strict=True))
                rows[n, on] = [
                    difference(name, n, on, their, np.asarray(ours[n][name]))
                    for name, their in zip(names, found, strict=True)
                ]
    ordered = sorted(rows, key=lambda step: (step[0], not step[1]))
    differences = tuple(row for step in ordered for row in rows[step])
    verdicts: list[Verdict] = []
    for n in theirs if judge is not None else ():
        wrong = any(d.batch == n and not d.normalised <= bound for d in differences)
        if judge is not None and (wrong or effort.fits("ours", n, JUDGING)):
            with effort.timed("judge"):
                mine = {name: np.asarray(ours[n][name]) for name in names}
                here = [d for d in differences if d.batch == n]
                try:
                    found_here = judge(n, fed[n], mine, theirs[n])
                except MemoryError:
                    judge.notes.append(f"batch {n}: {NO_ROOM}")
                    continue
                equal = not any(d.max_abs for d in here)
                verdicts += settled(found_here, not wrong, equal)
    notes = [*modes.notes(), *effort.notes(), *(judge.notes if judge is not None else ())]
    rest = sorted(theirs.keys() - {v.batch for v in verdicts})
    if judge is not None and rest:
        sizes = ", ".join(map(str, rest))
        notes.append(
            f"batch {sizes}: judged by a constant, {bound:.0e}; verify=True, or --verify, finds "
            "the exact result"
        )
    least = None if judge is not None and not rest else bound
    return Parity(differences, least, ort.version(), tuple(notes), tuple(verdicts))


def bound_for(graph: Graph) -> float:
    """The bound for a model that computes like this graph."""
    types = (t for node in graph.nodes for t in node.types)
    return FLOAT16_BOUND if any(t.dtype is DType.FLOAT16 for t in types) else BOUND


def _times(size: str) -> int:
    """k of a size that is written k*N."""
    number = size.removesuffix("*N")
    return int(number) if number != size and number.isdecimal() else 1


def random_inputs(
    inputs: Sequence[Any], n: int, rng: np.random.Generator, divisors: Collection[str] = ()
) -> dict[str, Array]:
    """Arrays for inputs of a session of ONNX Runtime: normal numbers, for integers 0 and 1, for
    those of `divisors` 1 and 2."""
    arrays: dict[str, Array] = {}
    for i in inputs:
        shape = [_times(d) * n if isinstance(d, str) else d for d in i.shape]
        kind = i.type.removeprefix("tensor(").removesuffix(")")
        dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
        least = int(i.name in divisors)
        whole = "float" not in dtype
        drawn = rng.integers(least, 2 + least, shape) if whole else rng.normal(size=shape)
        arrays[i.name] = np.asarray(drawn).astype(dtype)
    return arrays
