"""Activations and gradients before the first step: dead units, saturation, what vanishes."""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from graphcnn.doctor.case import Case, Signal, norm
from graphcnn.doctor.finding import Finding, fine, listed, look, short, wrong
from graphcnn.errors import TrainingError
from graphcnn.ir.node import Array, Node
from graphcnn.ir.sources import Constant
from graphcnn.ops.activation import HardSigmoid, HardSwish, Relu, Sigmoid, Tanh
from graphcnn.ops.elementwise import Maximum
from graphcnn.ops.softmax import Softmax

#: Images that activations are looked at of, and their numbers at a time.
_IMAGES, _NUMBERS = 512, 1 << 25
#: Numbers of a layer that are kept for its histogram.
_KEPT: Final = 1 << 14
#: Beyond these a sigmoid, or a tanh, hardly has a slope: less than 0.04 of the largest.
_SIGMOID, _TANH = 0.01, 0.98
#: Shares of units, or of numbers.
_SOME, _MANY = 0.2, 0.5
#: A unit that is 0 for fewer items than these may well be alive for others.
_FEW = 8


def signals(case: Case) -> Iterator[Finding]:
    found = case.evidence.signals = tuple(_signals(case))
    yield from _dead(found)
    yield from _saturated(found)
    yield from _depth(found)


def _watched(case: Case) -> list[Node]:
    """Activations, and where there are none what layers with weights give."""
    nodes = case.model.graph.operations
    end = {v.node for v in case.model.graph.outputs.values()}
    acting = [
        n
        for n in nodes
        if (n.op.family == "activation" or isinstance(n.op, Softmax) or _rectifies(n))
        and n.output.dtype.is_float
        and n.output.type.rank > 1
    ]
    hidden = [n for n in acting if n not in end or not isinstance(n.op, Softmax)]
    return hidden or [n for n in nodes if n.op.anchor and n.output.type.rank > 1]


def _rectifies(node: Node) -> bool:
    if isinstance(node.op, Relu | HardSwish):
        return True
    zeros = [v.node.op for v in node.inputs if isinstance(v.node.op, Constant)]
    return isinstance(node.op, Maximum) and any(not c.array.any() for c in zeros)


def _signals(case: Case) -> Iterator[Signal]:
    watched = _watched(case)
    if not watched:
        return
    runner = case.runner({str(i): n.output for i, n in enumerate(watched)})
    each = sum(math.prod(d for d in n.output.shape if isinstance(d, int)) for n in watched)
    most = max(1, min(_IMAGES, _NUMBERS * 8 // max(each, 1)))
    tallies = [_Tally(n) for n in watched]
    seen = 0
    for batch in case.batches():
        items = batch[0]
        outputs = case.run(runner, items)
        for i, tally in enumerate(tallies):
            tally.add(outputs[str(i)])
        seen += len(next(iter(items.values()))) if isinstance(items, dict) else len(items)
        if seen >= most:
            break
    for tally in tallies:
        yield tally.signal(seen)


class _Tally:
    """What adds up over batches."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.count, self.sum, self.squares, self.zeros = 0, 0.0, 0.0, 0
        self.flat: int | None = None
        self.alive: Any = False
        self.values: list[Array] = []

    def add(self, y: Array) -> None:
        self.count += y.size
        self.sum += float(y.sum(dtype=np.float64))
        self.squares += float(np.square(y, dtype=np.float64).sum())
        self.zeros += int((y == 0).sum())
        flat = _flat(self.node, y)
        if flat is not None:
            self.flat = (self.flat or 0) + flat
        self.alive = self.alive | (y != 0).any((0, *range(2, y.ndim)))
        room = max(_KEPT // 8, 1)
        self.values.append(y.ravel()[:: max(y.size // room, 1)][:room].astype(np.float32))

    def signal(self, images: int) -> Signal:
        count = max(self.count, 1)
        mean = self.sum / count
        return Signal(
            self.node.name,
            self.node.op.name,
            mean,
            math.sqrt(max(self.squares / count - mean * mean, 0.0)),
            int(np.size(self.alive)),
            int((~np.atleast_1d(self.alive)).sum()),
            self.zeros / count,
            None if self.flat is None else self.flat / count,
            images,
            np.concatenate(self.values)[:_KEPT],
        )


def _flat(node: Node, y: Array) -> int | None:
    """How many numbers of an activation with two ends are so near one that its slope is nearly 0;
    of a softmax all those whose largest is nearly 1. None of one without."""
    op = node.op
    if isinstance(op, Sigmoid):
        return int(((y < _SIGMOID) | (y > 1 - _SIGMOID)).sum())
    if isinstance(op, Tanh):
        return int((np.abs(y) > _TANH).sum())
    if isinstance(op, HardSigmoid):
        return int(((y == 0) | (y == 1)).sum())
    if isinstance(op, Softmax):
        return int((y.max(op.axis) > 1 - _SIGMOID).sum() * y.shape[op.axis])
    return None


def _dead(found: tuple[Signal, ...]) -> Iterator[Finding]:
    found = tuple(s for s in found if s.saturated is None)
    some = [s for s in found if s.dead > _SOME * s.units]
    if not some:
        units, dead = sum(s.units for s in found), sum(s.dead for s in found)
        images = found[0].images if found else 0
        if found:
            yield fine("units", f"{dead} of {units} units are 0 for all of {images} items")
        return
    worst = max(some, key=lambda s: s.dead / s.units)
    dead = worst.dead > _MANY * worst.units and worst.images >= _FEW
    yield (wrong if dead else look)(
        "units",
        f"{worst.dead} of {worst.units} units of {worst.op} {worst.name!r} are 0 for all of "
        f"{worst.images} items"
        + (
            f", and many in {listed([s.name for s in some if s is not worst])}"
            if len(some) > 1
            else ""
        ),
        "A unit that is always 0 gets no gradient and stays so: it is lost.",
        "Look at the bias and the input in front of it; a smaller learning rate keeps units alive, "
        "and so do cnn.batch_norm before and cnn.leaky_relu in place of relu; model.initialize(0) "
        "begins anew.",
    )


def _saturated(found: tuple[Signal, ...]) -> Iterator[Finding]:
    bounded = [(s.saturated, s) for s in found if s.saturated is not None]
    if not bounded:
        return
    share, worst = max(bounded, key=lambda each: each[0])
    seen = f"{100 * share:.3g} % of the numbers of {worst.op} {worst.name!r} lie at its ends"
    if share < 0.2:
        yield fine("saturation", seen)
        return
    yield (wrong if share > _MANY else look)(
        "saturation",
        f"{seen}; a few are usual before the first step",
        "The slope there is nearly 0, and so is the gradient of all layers before.",
        "Normalise the pixels, draw smaller weights (init=cnn.Xavier()), or put cnn.batch_norm "
        "before it.",
    )


def _depth(found: tuple[Signal, ...]) -> Iterator[Finding]:
    """Whether what is passed on grows or shrinks from layer to layer."""
    sizes = [(s, math.hypot(s.mean, s.std)) for s in found if s.op not in ("sigmoid", "softmax")]
    if len(sizes) < 2:
        return
    (first, a), (last, b) = sizes[0], sizes[-1]
    if not math.isfinite(b) or (a > 0 and not 1e-3 < b / a < 1e3):
        grows = not b < a
        yield look(
            "signal",
            f"from {first.name!r} to {last.name!r} activations {'grow' if grows else 'shrink'} "
            f"from {short(a)} to {short(b)} over {len(sizes)} layers",
            "Each layer multiplies what it gets, and gradients run the same way back.",
            "Draw weights for their activation (init=cnn.He() before relu), or put cnn.batch_norm "
            "behind each convolution.",
        )
    else:
        yield fine(
            "signal", f"activations go from {short(a)} to {short(b)} over {len(sizes)} layers"
        )


def gradients(case: Case) -> Iterator[Finding]:
    """How large the gradients of the first batch are, from the last layer back to the first."""
    try:
        arrays = case.session.gradients(*case.batch)
    except TrainingError as error:
        yield wrong(
            "gradients",
            f"the first step fails: {error}",
            "Nothing can be learned.",
            "Look at the node that is named, and at what it is fed.",
        )
        return
    case.evidence.gradients = {name: norm(a) for name, a in arrays.items()}
    kernels = {k: norm(a) for k, a in arrays.items() if a.ndim > 1}
    if not kernels:
        return
    odd = [k for k, x in kernels.items() if not math.isfinite(x)]
    none = [k for k, x in kernels.items() if x == 0]
    if odd:
        yield wrong(
            "gradients",
            f"the gradient of {listed(odd)} is not finite",
            "One step makes all weights so.",
            "Look at the pixels and the loss.",
        )
        return
    if none:
        yield wrong(
            "gradients",
            f"the gradient of {listed(none)} is 0 for the first batch",
            "These layers learn nothing: all that is behind them is dead or saturated.",
            "Look at the units and the saturation of the layers behind.",
        )
        return
    weights = case.model.parameters
    sizes = {k: x / math.sqrt(weights[k].size) for k, x in kernels.items()}
    (first, a), (last, b) = next(iter(sizes.items())), list(sizes.items())[-1]
    least, most = min(sizes, key=lambda k: sizes[k]), max(sizes, key=lambda k: sizes[k])
    seen = f"a weight of {first!r} has a gradient of {short(a)}, of {last!r} {short(b)}"
    ratio = a / b
    if ratio < 1e-3:
        yield (wrong if ratio < 1e-5 else look)(
            "gradients",
            f"{seen}: {short(1 / ratio)} times smaller, over {len(sizes)} layers",
            "Gradients vanish on their way back: the first layers hardly learn.",
            "relu in place of sigmoid or tanh, init=cnn.He(), cnn.batch_norm, or shortcuts as in "
            "cnn.models.resnet18.",
        )
    elif ratio > 1e3 or sizes[most] > 1e3:
        yield (wrong if sizes[most] > 1e4 or ratio > 1e5 else look)(
            "gradients",
            f"{seen}; the largest is {short(sizes[most])}, of {most!r}",
            "Gradients explode on their way back: a step is as large.",
            "Smaller weights (init=cnn.He()), cnn.batch_norm, or clip_norm=1.0 of the optimiser.",
        )
    else:
        yield fine("gradients", f"{seen} (least {short(sizes[least])} of {least!r})")
