"""Does a training step in ONNX Runtime do what ours does? Steps on both sides, in numbers.

All sides start from the same states and see the same batches. The error of a weight tensor is its
largest difference divided by its largest element.

Optimisers that divide by the size of the gradient (Adam, RMSProp) turn the rounding of gradients
that nearly vanish into steps of full size; a ReLU passes a gradient on or not where its input
rounds to either side of zero; and what differs once differs more with every step. So, where an
error exceeds the bound after all steps, each step is taken once more by all sides from equal
states, in float64 too, which tells what float32 costs ourselves. A wrong formula is wrong in every
step, while such accidents are few: the quarter of the steps that agree best must agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx

from graphcnn.compile.engine import Asked, Engine, ReferenceEngine, make_engine
from graphcnn.errors import VerifyError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Role
from graphcnn.learning.target_rule import TARGET
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.widened import wide
from graphcnn.onnx.exporting.states import NEW
from graphcnn.passes.lowering.retype import IN_FLOAT64
from graphcnn.passes.training.apply_optimizer import settings_at
from graphcnn.runtime.execution import REFERENCE, Execution
from graphcnn.training.session import Session

STEPS = 30
BATCH = 8
#: Largest error of a weight tensor, after all steps...
BOUND = 1e-6
#: ...or else in a quarter of the single steps; or as many times the error of our own float32.
SLACK = 10

Arrays = dict[str, Array]


@dataclass(frozen=True)
class Losses:
    """The losses of one step, before its update."""

    step: int
    onnxruntime: float
    reference: float
    native: float


@dataclass(frozen=True)
class Errors:
    """ONNX Runtime's differences from our two runtimes in one tensor, and where it was measured
    the reference's own from float64."""

    name: str
    reference: float
    native: float
    rounding: float = 0.0

    @property
    def worst(self) -> float:
        return max(self.reference, self.native)

    @classmethod
    def of_steps(cls, found: Sequence["Errors"]) -> "Errors":
        """The lower quartile of the steps of one tensor; of the rounding the largest."""
        at = (len(found) - 1) // 4
        return cls(
            found[0].name,
            sorted(e.reference for e in found)[at],
            sorted(e.native for e in found)[at],
            max(e.rounding for e in found),
        )


@dataclass(frozen=True)
class TrainingParity:
    """The comparison of one training step.

    Attributes:
        losses: of every step, all sides on their own.
        weights: the errors after the last of them.
        single: the errors of single steps from equal states; empty where `weights` suffice.
    """

    model: str
    optimizer: str
    batch_size: int
    losses: tuple[Losses, ...]
    weights: tuple[Errors, ...]
    single: tuple[Errors, ...]
    bound: float
    runtime: str

    @property
    def worst(self) -> float:
        """The largest error of any weight after all steps."""
        return max(w.worst for w in self.weights)

    @property
    def passed(self) -> bool:
        """Whether all weights agree: after all steps, or else after each as well as float32 can."""
        if self.worst <= self.bound:
            return True
        near = [e.worst <= max(self.bound, SLACK * e.rounding) for e in self.single]
        return bool(near) and all(near)

    def __str__(self) -> str:
        count = len(self.losses)
        lines = [
            f"{self.model}: {count} steps of {self.optimizer}, batches of {self.batch_size}",
            f"\n{'step':>4} {'onnxruntime':>12} {'reference':>12} {'native':>12}",
        ]
        lines += [
            f"{s.step:>4} {s.onnxruntime:>12.7f} {s.reference:>12.7f} {s.native:>12.7f}"
            for s in self.losses
        ]
        lines += _table(f"errors after {count} steps", self.weights, False)
        if self.single:
            lines += _table("errors of single steps", self.single, True)
        return "\n".join((*lines, f"\n{self.runtime}: {self._verdict()}"))

    def _verdict(self) -> str:
        if self.worst <= self.bound:
            return f"worst {self.worst:.2e}, within {self.bound:.0e}"
        if self.passed:
            return (
                f"worst {self.worst:.2e}; single steps within {self.bound:.0e} or {SLACK} times "
                "what float32 costs"
            )
        return f"worst {self.worst:.2e}, ABOVE {self.bound:.0e}"

    def to_dict(self) -> dict[str, Any]:
        return {"compared": True, **asdict(self), "worst": self.worst, "passed": self.passed}

    def require(self) -> "TrainingParity":
        """This report. Raises `VerifyError` with it where weights differ."""
        if not self.passed:
            raise VerifyError(f"ONNX Runtime trains to other weights\n{self}")
        return self


def _table(title: str, errors: Sequence[Errors], rounding: bool) -> list[str]:
    width = max(len(title), *(len(e.name) for e in errors))
    head = f"\n{title:<{width}} {'reference':>12} {'native':>12}"
    rows = [f"{e.name:<{width}} {e.reference:>12.1e} {e.native:>12.1e}" for e in errors]
    if not rounding:
        return [head, *rows]
    return [
        f"{head} {'our float64':>12}",
        *(f"{row} {e.rounding:>12.1e}" for row, e in zip(rows, errors, strict=True)),
    ]


@ort.kept()
def compare_training(
    init: onnx.ModelProto,
    step: onnx.ModelProto,
    session: Session,
    *,
    steps: int = STEPS,
    batch_size: int = BATCH,
    bound: float = BOUND,
) -> TrainingParity:
    """Take `steps` steps with ONNX Runtime and with both of our runtimes, on random batches.

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses a file,
    `CrashError` where it dies of one.
    """
    first = ort.session(init, True)
    begin = dict(zip([o.name for o in first.get_outputs()], ort.run(first, {}), strict=True))
    sides = _Sides(session, step, begin, batch_size)
    losses = tuple(sides.step(number) for number in range(1, steps + 1))
    weights = sides.errors()
    single: list[Errors] = []
    if any(e.worst > bound for e in weights):
        sides = _Sides(session, step, begin, batch_size, exact=True)
        found = []
        for number in range(1, steps + 1):
            sides.meet()
            sides.step(number)
            found.append(sides.errors())
        single = [Errors.of_steps(each) for each in zip(*found, strict=True)]
    return TrainingParity(
        session.model.name, repr(session.optimizer), batch_size, losses, tuple(weights),
        tuple(single), bound, ort.version(),
    )  # fmt: skip


class _Sides:
    """ONNX Runtime, the reference and the native runtime, each with states of its own; if `exact`,
    the reference in float64 too."""

    def __init__(
        self,
        session: Session,
        step: onnx.ModelProto,
        states: Mapping[str, Array],
        batch_size: int,
        exact: bool = False,
    ) -> None:
        self._session, self._n = session, batch_size
        self._theirs = ort.session(step, True)
        self._names = [o.name for o in self._theirs.get_outputs()]
        fed = {i.name for i in self._theirs.get_inputs()}
        self._states = {key: array for key, array in states.items() if key in fed}
        graph, ours = session.graph, session.states
        self._reference: Engine = make_engine(graph, ours, REFERENCE)
        self._native = make_engine(graph, ours, Execution.of("native", precision="strict"))
        self._exact = ReferenceEngine(IN_FLOAT64(graph), wide(ours)) if exact else None
        self._learned = [
            state_of(s).key
            for s in graph.states
            if state_of(s).role in (Role.PARAMETER, Role.STATISTIC)
        ]

    def step(self, number: int) -> Losses:
        """One step of all sides on the same batch."""
        feeds, settings = self._batch(number)
        found = ort.run(self._theirs, {**self._states, **feeds, **settings})
        results = dict(zip(self._names, found, strict=True))
        self._states = {key: results.get(key + NEW, a) for key, a in self._states.items()}
        ours = [
            float(engine.step(Asked(feeds, settings, _always))["loss"])
            for engine in (self._reference, self._native)
        ]
        if self._exact is not None:
            self._exact.step(Asked(wide(feeds), wide(settings), _always))
        return Losses(number, float(results["loss"]), *ours)

    def meet(self) -> None:
        """Give all sides the states of the reference."""
        states = {key: np.asarray(a) for key, a in self._reference.states().items()}
        self._states = {key: states[key] for key in self._states}
        self._native.load(states)
        if self._exact is not None:
            self._exact.load(wide(states))

    def errors(self) -> list[Errors]:
        """The errors of all weights now."""
        ours, native = self._reference.states(), self._native.states()
        exact = None if self._exact is None else self._exact.states()
        return [
            Errors(
                key,
                _error(self._states[key], ours[key]),
                _error(self._states[key], native[key]),
                0.0 if exact is None else _error(ours[key], exact[key]),
            )
            for key in self._learned
        ]

    def _batch(self, step: int) -> tuple[Arrays, Arrays]:
        """Random images and targets, and the learning rate."""
        rng = np.random.default_rng(step)
        prediction = next(iter(self._session.model.graph.outputs.values()))
        classes = int((*prediction.shape[1:2], 2)[0])  # type: ignore[arg-type]
        feeds = {
            value.node.name: _drawn(value, self._n, rng, classes)
            for value in self._session.graph.inputs
        }
        optimizer = self._session.optimizer
        return feeds, settings_at(optimizer, step, optimizer.rate(step))


def _always(outputs: Mapping[str, Array]) -> bool:
    return True


def _drawn(value: Value, n: int, rng: np.random.Generator, classes: int) -> Array:
    """A batch: class numbers, targets in [0, 1), or normal numbers for images."""
    shape: Any = value.type.bind(n).shape
    if not value.dtype.is_float:
        drawn = rng.integers(0, classes, shape)
    else:
        drawn = rng.random(shape) if value.node.name == TARGET else rng.normal(size=shape)
    return np.asarray(drawn).astype(value.dtype.numpy)


def _error(a: Array, b: Array) -> float:
    """The largest difference, relative to the largest element of b; infinite where it is NaN."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    error = float(np.abs(a - b).max(initial=0.0)) / (float(np.abs(b).max(initial=0.0)) or 1.0)
    return error if np.isfinite(error) else float("inf")
