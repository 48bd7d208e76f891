"""Costs that are measured: every candidate of a convolution run on this machine, and remembered.

The layouts and the algorithm of a heavy operator are chosen by what each would cost. In place of
the formulas of the cost model, `measured` gives the time that the code of each candidate takes:
operator, epilogue and all, with random operands, on the threads that will run it. Halos do not
count: candidates that differ in nothing else share a time.

A layer whose operands fit the second-level cache finds them there, as it does in a small network.
Any other finds them where the layers before it left them: that is why half the last cache is
filled with something else before each run.

Times are kept in the cache of compiled code, by operator, shapes, types, layouts, algorithm,
threads, processor and version, and in this process; what is known is not measured again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from graphcnn.ir.node import Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice, storage_bytes, without_halo
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code import cache
from graphcnn.runtime.native.code.kernel import node_key
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target, can_run
from graphcnn.runtime.native.machine import measure
from graphcnn.runtime.native.memory.limits import available_memory

#: How often every candidate has its turn, and how long a turn is.
ROUNDS, SECONDS = 2, 0.02
#: The most that is filled with something else before a run.
MOST_FILLED = 32 << 20

#: What this process knows: entry of the cache to seconds.
_known: dict[str, float] = {}


def measured(
    node: Node, offered: Sequence[Choice], target: Target, threads: int = 1
) -> list[Choice]:
    """The choices with measured seconds as their costs.

    As they are where there is nothing to choose, for a processor whose code cannot run here, and
    where the operands are larger than the memory: that is refused later, with an explanation.
    """
    kinds: dict[tuple[str, ...], Node] = {}
    of = [_kind(choice) for choice in offered]
    for kind, choice in zip(of, offered, strict=True):
        if kind not in kinds:
            kinds[kind] = placed_alone(node, choice)
    if len(kinds) < 2 or not can_run(target) or any(_too_large(each) for each in kinds.values()):
        return list(offered)
    entries = {
        kind: cache.entry_key(f"seconds on {threads} threads: {node_key(each)}", target)
        for kind, each in kinds.items()
    }
    missing = [kind for kind, entry in entries.items() if _remembered(entry) is None]
    best = dict.fromkeys(missing, math.inf)
    for _ in range(ROUNDS):
        for kind in missing:
            best[kind] = min(best[kind], seconds(kinds[kind], target, threads))
    for kind, time in best.items():
        _known[entries[kind]] = time
        cache.store(entries[kind], repr(time).encode())
    return [
        replace(choice, cost=_known[entries[kind]])
        for kind, choice in zip(of, offered, strict=True)
    ]


def placed_alone(node: Node, choice: Choice) -> Node:
    """The node as one choice would place it, reading inputs of the right layouts."""
    inputs = [
        Input(f"x{i}", _as(value.type, layout))()
        for i, (value, layout) in enumerate(zip(node.inputs, choice.reads, strict=True))
    ]
    return build(Placed(node.op, choice.reads, choice.writes, choice.algorithm), inputs)


def seconds(node: Node, target: Target, threads: int) -> float:
    """The least time of some runs of a node's code."""
    kernel = lower(node, target)
    sizes = [storage_bytes(t) for t in _types(node)]
    parts = min(threads, kernel.units)
    between = None if sum(sizes) <= target.l2 else _other_data(target)
    return measure(kernel, sizes, target, SECONDS, parts, between)


def _kind(choice: Choice) -> tuple[str, ...]:
    """What tells candidates apart: algorithm and layouts, without halos."""
    return choice.algorithm, *map(without_halo, (*choice.reads, *choice.writes))


def _remembered(entry: str) -> float | None:
    """The time under an entry, from this process or from the disk."""
    if entry not in _known:
        found = cache.fetch(entry)
        if found is None:
            return None
        _known[entry] = float(found)
    return _known[entry]


def _other_data(target: Target) -> Callable[[], None]:
    """A function that fills half of the last cache."""
    source, copy = np.ones((2, min(target.l3 // 2, MOST_FILLED) // 8), np.float32)

    def fill() -> None:
        np.copyto(copy, source)

    return fill


def _too_large(node: Node) -> bool:
    free = available_memory()
    return free is not None and sum(map(storage_bytes, _types(node))) > free // 2


def _types(node: Node) -> tuple[TensorType, ...]:
    return (*(v.type for v in node.inputs), *node.types)


def _as(t: TensorType, layout: str) -> TensorType:
    return replace(t, layout=layout)
