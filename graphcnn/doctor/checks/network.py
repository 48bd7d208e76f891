"""The graph: how it ends, what it normalises by, and what of it is trained at all."""

import math
from collections.abc import Iterator
from typing import Final

from graphcnn.doctor.case import Case, place
from graphcnn.doctor.finding import Finding, fine, listed, look, share, short, wrong
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.learning.aim import Term
from graphcnn.learning.probabilities import behind_views, source_of, squashed
from graphcnn.ops.activation import HardSigmoid, Relu, Sigmoid, Softplus, Tanh
from graphcnn.ops.elementwise import Abs, Exp, Maximum
from graphcnn.ops.softmax import LogSoftmax, Softmax

#: What an activation can give.
_RANGES: Final = {
    Relu: (0.0, math.inf),
    Sigmoid: (0.0, 1.0),
    HardSigmoid: (0.0, 1.0),
    Softmax: (0.0, 1.0),
    Tanh: (-1.0, 1.0),
    Softplus: (0.0, math.inf),
    Exp: (0.0, math.inf),
    Abs: (0.0, math.inf),
    LogSoftmax: (-math.inf, 0.0),
}
#: Items of a batch whose mean and variance say little.
_FEW: Final = 8


def ends(case: Case) -> Iterator[Finding]:
    """Whether what the network ends in is what its losses take."""
    for term in case.terms:
        for name in term.outputs:
            found = _end(case, term, case.model.graph.outputs[name])
            of = f"{name}: " if len(case.model.graph.outputs) > 1 else ""
            yield from (Finding(f.check, f.grade, of + f.seen, f.means, f.do) for f in found)


def _end(case: Case, term: Term, prediction: Value) -> Iterator[Finding]:
    readable, loss = term.loss.readable, term.loss.name or "the loss"
    scores = source_of(prediction, readable)
    last = behind_views(scores)[1].node
    twice = squashed(scores)
    if readable is not None and twice is not None:
        node, _ = twice
        yield wrong(
            "output",
            f"{loss} applies {readable.name} to what {place(node)} made: "
            "probabilities are squashed twice",
            "Probabilities are between 0 and 1, so the second one is nearly even whatever is "
            "learned: the loss cannot fall to 0, and gradients are small.",
            "Let the model end in the scores: return the last dense or conv2d without "
            f"{node.op.name} (outputs=[...] of import_onnx names what it ends with).",
        )
    elif isinstance(last.op, Relu) and readable is not None:
        yield look(
            "output",
            f"{place(last)} cuts the scores below 0 before {loss} applies {readable.name}",
            "Scores that should be small stay 0 and get no gradient: classes are told apart worse, "
            "or not at all where all are 0.",
            "Leave out the activation of the last layer.",
        )
    elif readable is None and term.loss.targeted:
        yield from _reach(case, term, last)
    elif scores is not prediction:
        yield fine(
            "output",
            f"the model ends in {readable.name if readable else ''}; {loss} is "
            "computed of the scores before it",
        )
    elif readable is not None:
        yield fine("output", f"{last.op.name} {last.name!r} gives the scores that {loss} takes")


def _reach(case: Case, term: Term, last: Node) -> Iterator[Finding]:
    """Whether targets that are numbers lie in the range of the last activation."""
    targets: Array = case.known_targets[term.name]
    low, high = _range(last)
    if targets.dtype.kind != "f" or (low, high) == (-math.inf, math.inf):
        yield fine("output", f"{last.op.name} {last.name!r} can give any number")
        return
    out = int(((targets < low) | (targets > high)).sum())
    found = f"{short(float(targets.min()))} to {short(float(targets.max()))}"
    span = f"{'no number below' if high == math.inf else f'numbers from {low:g} to'} " + (
        f"{low:g}" if high == math.inf else f"{high:g}"
    )
    if not out:
        yield fine("output", f"{place(last)} gives {span}, and the targets go from {found}")
        return
    yield wrong(
        "output",
        f"{place(last)} gives {span}, but the targets go from {found}: {share(out, targets.size)} "
        "are out of its reach",
        "They are never predicted, and pull their units to where the gradient is 0.",
        "Leave out the activation of the last layer, or bring the targets into its range.",
    )


def _range(node: Node) -> tuple[float, float]:
    constants = [v.node.op for v in node.inputs if isinstance(v.node.op, Constant)]
    if isinstance(node.op, Maximum) and constants and constants[0].array.size == 1:
        return float(constants[0].array.item()), math.inf
    return _RANGES.get(type(node.op), (-math.inf, math.inf))


def norms(case: Case) -> Iterator[Finding]:
    """Batch normalisations of few items."""
    found = [n for n in case.session.graph.nodes if n.op.name == "batch_norm_train"]
    size = case.batch_size
    count = case.data.known_count
    last = (count % size) if count else 0
    if not found:
        return
    names = listed([n.name for n in found])
    few = min(size, last or size)
    numbers = {
        n: size * math.prod(d for d in n.inputs[0].shape[2:] if isinstance(d, int)) for n in found
    }
    least = min(found, key=lambda n: numbers[n])
    if size < _FEW:
        yield look(
            "batch norm",
            f"{len(found)} batch norms ({names}) take mean and variance of {size} items, "
            f"{numbers[least]} numbers a channel in {least.name!r}; 16 items or more are usual",
            "Such means jump from batch to batch, and the running ones, by which is predicted, fit "
            "none of them.",
            "Take batch_size=32 or more; where memory does not allow it cnn.group_norm(x, groups), "
            "or model.freeze('*', statistics='kept') of a network that is trained.",
        )
    elif few < _FEW and few != size:
        yield look(
            "batch norm",
            f"the last batch of an epoch has {few} of {size} items for {len(found)} batch norms",
            "Its statistics are far off, and move the running ones.",
            "drop_last=True leaves it out.",
        )
    else:
        yield fine("batch norm", f"{len(found)} batch norms take statistics of {size} items")


def trained(case: Case) -> Iterator[Finding]:
    """What is frozen, and what gets no gradient because no loss hangs on it. Where that is all,
    there is no training step, which is told before."""
    parameters = [state_of(p) for p in case.model.graph.parameters]
    frozen = [p.key for p in parameters if not p.trainable]
    keys = [p.key for p in parameters if p.trainable]
    if frozen:
        yield look(
            "layers",
            f"{len(frozen)} of {len(parameters)} parameters are frozen: {listed(frozen)}",
            "They stay as they are, which is meant where a head is trained on good layers.",
            f"model.unfreeze({frozen[0].rpartition('.')[0] + '.*'!r}) puts a layer back into "
            "training.",
        )
    known = case.evidence.gradients
    apart = [key for key in keys if known is not None and key not in known]
    if apart:
        yield wrong(
            "layers",
            f"no loss depends on {len(apart)} of {len(parameters)} parameters: {listed(apart)}",
            "They are never changed.",
            "Give the output behind them a loss, loss={name: ...}, or leave the layers out.",
        )
    if not frozen and not apart:
        count = sum(p.type.size for p in case.model.graph.parameters)
        yield fine("layers", f"all {len(keys)} parameters ({count:,} numbers) are trained")
