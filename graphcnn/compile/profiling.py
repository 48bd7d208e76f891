"""Where the time of a native run goes: every step, held against what the machine can do."""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.analysis.cost import multiply_adds
from graphcnn.base.words import printable
from graphcnn.compile.native import Prepared, training_executable
from graphcnn.errors import GraphError, shortened
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.sources import Role
from graphcnn.ir.storage import storage_bytes
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import inner
from graphcnn.ops.own.operator import OwnGradient
from graphcnn.passes.driver.observers import random_feeds
from graphcnn.passes.training.apply_optimizer import LEARNING_RATE
from graphcnn.runtime.execution import NATIVE, Execution
from graphcnn.runtime.native.code.registry import PYTHON
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.machine import Machine, machine

#: How long to measure: so many seconds, at least and at most so many rounds.
SECONDS, LEAST, MOST = 0.5, 5, 200


@dataclass(frozen=True)
class StepProfile:
    """One step.

    Attributes:
        node: its name, else the forward node whose gradient or the state whose update it makes.
        operator: its operators, the heavy one first where there is one.
        seconds: median.
        flops: 2 · multiply-adds of the definition, whatever the algorithm does.
        bytes: of operands and results as they are stored, each counted once.
        least: seconds that the machine would need at best, by peak and by bandwidth.
    """

    node: str
    location: str
    operator: str
    algorithm: str
    seconds: float
    flops: int
    bytes: int
    least: tuple[float, float]

    @property
    def bound(self) -> str:
        """What limits the step at best: "compute" or "memory"; "python" where that computes it."""
        if self.algorithm == PYTHON:
            return PYTHON
        return "compute" if self.least[0] > self.least[1] else "memory"


@dataclass(frozen=True)
class Profile:
    """A run step by step, and as a whole."""

    name: str
    batch: int
    threads: int
    machine: Machine
    steps: tuple[StepProfile, ...]
    seconds: float

    def __str__(self) -> str:
        return "\n".join(_table(self))

    def to_json(self) -> dict[str, Any]:
        """All numbers, in seconds, FLOP/s and bytes."""
        peak = self.machine.peak
        return {
            "model": self.name,
            "batch": self.batch,
            "threads": self.threads,
            "peak": peak,
            "bandwidths": [
                {"up_to_bytes": most, "bytes_per_second": rate}
                for most, rate in self.machine.bandwidths
            ],
            "seconds": self.seconds,
            "steps": [
                {
                    "node": s.node,
                    "location": s.location,
                    "operator": s.operator,
                    "algorithm": s.algorithm,
                    "seconds": s.seconds,
                    "flops": s.flops,
                    "flops_per_second": s.flops / s.seconds,
                    "share_of_peak": s.flops / s.seconds / peak,
                    "bytes": s.bytes,
                    "bytes_per_second": s.bytes / s.seconds,
                    "bound": s.bound,
                }
                for s in self.steps
            ],
            "total": {
                "seconds": sum(s.seconds for s in self.steps),
                "flops": sum(s.flops for s in self.steps),
                "bytes": sum(s.bytes for s in self.steps),
            },
        }


def profile(
    graph: Graph,
    states: Mapping[str, Array],
    execution: Execution = NATIVE,
    batch: int | None = None,
) -> Profile:
    """Time every step of a bound graph: an inference graph, or a whole training step.

    Inputs are random. States that `states` lacks, those of the optimiser, have initial values.
    `batch` is what N was, for the report; by default the first size of the first input.
    """
    if not graph.is_bound:
        raise GraphError(f"graph {graph.name!r} has an unknown batch size; bind(N=...)")
    keys = {state_of(s).key: s for s in graph.states}
    values = {
        key: states[key] if key in states else state_of(s).initial(s.type, 0, key)
        for key, s in keys.items()
    }
    feeds = random_feeds(graph)
    if graph.updates:
        executable = training_executable(graph, execution)
        values[LEARNING_RATE] = np.zeros_like(values[LEARNING_RATE])  # the weights stay in range
        executable.bind_states(values)
    else:
        prepared = Prepared(graph, execution)
        prepared.bind_states(values)
        executable = prepared.executable
    seconds, times = _measured(executable, feeds)
    limits = machine(executable.target, executable.threads)
    updating = _updating(executable.graph)
    steps = tuple(
        _step(step.node, _label(step.node, updating), algorithm, t, limits)
        for step, algorithm, t in zip(
            executable.plan.steps, executable.algorithms, times, strict=True
        )
    )
    first = next((a.shape[0] for a in feeds.values() if a.ndim), 1)
    return Profile(
        graph.name, first if batch is None else batch, executable.threads, limits, steps, seconds
    )


def _measured(
    executable: NativeExecutable, feeds: Mapping[str, Array]
) -> tuple[float, list[float]]:
    """Medians: of the whole run, of each step."""
    run = executable.step if executable.graph.updates else executable.run
    run(feeds)
    whole: list[float] = []
    rounds: list[list[float]] = []
    start = time.perf_counter()
    while len(rounds) < LEAST or (
        time.perf_counter() - start < SECONDS and len(rounds) < MOST
    ):  # by turns, so that a slow moment of the machine meets both
        begin = time.perf_counter()
        run(feeds)
        whole.append(time.perf_counter() - begin)
        rounds.append(executable.time_steps(feeds))
    return statistics.median(whole), np.median(np.array(rounds), axis=0).tolist()


def _updating(graph: Graph) -> dict[Node, str]:
    """The nodes that make new values of states, with the state: the parameter, if there is one."""
    found: dict[Node, str] = {}
    for state, value in graph.updates.items():
        op = state_of(state)
        if value.node not in found or op.role is Role.PARAMETER:
            found[value.node] = op.key
    return found


def _label(node: Node, updating: Mapping[Node, str]) -> str:
    """The name of a node, or what it belongs to."""
    if node.name or node.origin.forward:
        return node.name or f"gradient of {node.origin.forward}"
    return f"update of {updating[node]}" if node in updating else ""


def _step(node: Node, label: str, algorithm: str, seconds: float, limits: Machine) -> StepProfile:
    flops = 2 * multiply_adds(node)
    types = (*(v.type for v in node.inputs), *node.types)
    moved = sum(map(storage_bytes, types))
    widest = max((t.dtype.bytes for t in types if t.dtype.is_float), default=4)
    least = flops / (limits.peak * 4 / max(4, widest)), moved / limits.bandwidth(moved)
    return StepProfile(
        label, node.origin.location, operator(node), algorithm, seconds, flops, moved, least
    )


def operator(node: Node) -> str:
    """`conv2d + add, relu`: the heavy operator first, then what is fused with it."""
    op = inner(node.op)
    if isinstance(op, OwnGradient):
        return f"{op.op.name} backward"
    if not isinstance(op, Fused):
        return op.name
    others = ", ".join(dict.fromkeys(n.op.name for n in op.epilogue))
    anchor = op.anchor_node
    return others if anchor is None else f"{anchor.op.name} + {others}"


_HEADS = ("", "node", "operator", "algorithm", "µs", "time", "GFLOP/s", "of peak", "MB", "GB/s",
          "bound")  # fmt: skip
_LEFT = (1, 2, 3, 10)
_WIDEST = 44


def _table(p: Profile) -> Iterator[str]:
    rates = ", ".join(
        f"{rate / 1e9:.0f} GB/s up to {most / 1e6:.0f} MB" for most, rate in p.machine.bandwidths
    )
    name = shortened(printable(p.name))
    yield (
        f"{name}: batch {p.batch}, {p.threads} thread{'s' * (p.threads > 1)}; "
        f"measured peak {p.machine.peak / 1e9:.0f} GFLOP/s in float32, copying {rates}"
    )
    total = sum(s.seconds for s in p.steps) or 1.0
    rows = [_HEADS]
    for i, s in enumerate(p.steps):
        rate = s.flops / s.seconds
        counts = (f"{rate / 1e9:.1f}", f"{rate / p.machine.peak:.0%}") if s.flops else ("", "")
        rows.append((
            str(i), _short(s.node), _short(s.operator), s.algorithm, f"{s.seconds * 1e6:.1f}",
            f"{s.seconds / total:.1%}", *counts, f"{s.bytes / 1e6:.3f}",
            f"{s.bytes / s.seconds / 1e9:.1f}", s.bound,
        ))  # fmt: skip
    flops, moved = sum(s.flops for s in p.steps), sum(s.bytes for s in p.steps)
    rows.append((
        "", "total", "", "", f"{total * 1e6:.1f}", "100.0%", f"{flops / total / 1e9:.1f}",
        f"{flops / total / p.machine.peak:.0%}", f"{moved / 1e6:.3f}", f"{moved / total / 1e9:.1f}",
        "",
    ))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    for row in rows:
        cells = [
            f"{cell:<{w}}" if i in _LEFT else f"{cell:>{w}}"
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    for what in ("compute", "memory"):
        spent = sum(s.seconds for s in p.steps if s.bound == what)
        yield f"bound by {what}: {spent * 1e6:.1f} µs, {spent / total:.0%}"
    own = [s for s in p.steps if s.bound == PYTHON]
    if own:
        spent, names = sum(s.seconds for s in own), dict.fromkeys(s.operator for s in own)
        yield f"in Python, {_short(', '.join(names))}: {spent * 1e6:.1f} µs, {spent / total:.0%}"
    yield f"whole run, in one call, with inputs and outputs copied: {p.seconds * 1e6:.1f} µs"


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
