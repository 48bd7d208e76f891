"""The loss before the first step, beside those of predictions that do not look at the items."""

import math
from collections.abc import Iterator

from graphcnn.doctor.case import Case
from graphcnn.doctor.constants import constants_of, without_penalties
from graphcnn.doctor.finding import Finding, fine, look, short, wrong
from graphcnn.learning.losses.of_classes import CrossEntropy
from graphcnn.learning.objective import with_loss
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import own_labels
from graphcnn.ops.activation import Sigmoid


def start(case: Case) -> Iterator[Finding]:
    """The loss of the first batch in training form, against log K or the best constant."""
    images, labels = case.batch[:2]
    labels = own_labels(labels, case.model)
    graph, loss = case.model.graph, without_penalties(case.loss)
    types = fed_types(loss, graph, labels)
    joint = with_loss(graph, loss, {}, types)
    targets = Targets.of(joint, graph.outputs)
    checked = targets.check(labels)
    count = len(next(iter(checked.values()), images))
    found = constants_of(graph, loss, checked, types, count, case.execution)
    measured = case.loss_of(joint, images, targets.feeds(labels))
    case.evidence.start, case.evidence.constants = measured, found
    only = case.terms[0].loss if len(case.terms) == 1 else None
    name, zero = "the loss of equal scores", found.zero
    if isinstance(only, CrossEntropy) and only.weight is None:
        classes = graph.outputs[case.terms[0].outputs[0]].shape[1]
        name = f"log {classes} = {math.log(int(classes)):.3g}"  # type: ignore[arg-type]
    seen = f"the loss before the first step is {short(measured)}"
    if isinstance(only, CrossEntropy) and zero == measured == 0:
        yield wrong(
            "start",
            f"{seen}, and stays there: the softmax of one score is 1",
            "Nothing can be learned.",
            "Give the network a score for each class, or loss='binary_cross_entropy' and one score "
            "for yes or no.",
        )
        return
    if not math.isfinite(measured):
        yield wrong(
            "start",
            f"{seen}",
            "Numbers overflow before anything is learned.",
            "Look at the pixels, the first weights and log or division by 0 in the loss.",
        )
    elif case.trained:
        yield from _of_trained(seen, measured, found.best)
    elif only is not None and only.readable is not None:
        yield from _of_classes(seen, measured, zero, found.best, name, only)
    else:
        yield from _of_numbers(seen, measured, found.best)


def _of_trained(seen: str, measured: float, best: float) -> Iterator[Finding]:
    if measured <= best * 1.05:
        yield fine(
            "start",
            f"{seen}; the weights are trained, and the best constant prediction has {short(best)}",
        )
        return
    yield look(
        "start",
        f"{seen}, although the weights are trained: the best constant prediction has {short(best)}",
        "With these data the network knows less than nothing: another normalisation, another order "
        "of the classes, or a training that went wrong.",
        "Compare model.normalisation and model.classes with those of the training, or begin anew: "
        "model.initialize(0).",
    )


def _of_classes(
    seen: str, measured: float, zero: float, best: float, name: str, loss: object
) -> Iterator[Finding]:
    ratio = measured / zero if zero else math.inf
    if ratio > 1.5:
        yield (wrong if ratio > 4 else look)(
            "start",
            f"{seen}, {short(ratio)} times {name}, which is expected of weights that know nothing",
            "The scores are large before anything is known: the first steps only make them small, "
            "and may kill units on the way.",
            "Look at the pixels (normalisation), or draw the last layer smaller: "
            "cnn.dense(x, classes, init=cnn.Constant(0)), which only the last may have.",
        )
    elif ratio < 0.6:
        yield look(
            "start",
            f"{seen}, well below {name}, although the weights are drawn",
            "The answer may be in what the network is fed.",
            "Look whether the label is among the inputs.",
        )
    elif best < 0.6 * zero:
        what = (
            "log(p / (1 - p))" if isinstance(getattr(loss, "readable", None), Sigmoid) else "log p"
        )
        yield look(
            "start",
            f"{seen}, near {name}; with the shares p of the classes as bias it would be "
            f"{short(best)}",
            "The first epoch goes into learning how often classes occur.",
            f"Set the last bias to {what}: model.set_parameters({{'logits.bias': np.log(p)}}) with "
            "the name that model.parameters has.",
        )
    else:
        yield fine("start", f"{seen}, near {name}")


def _of_numbers(seen: str, measured: float, best: float) -> Iterator[Finding]:
    ratio = measured / best if best > 0 else 1.0
    if ratio <= 10:
        yield fine("start", f"{seen}; the best constant prediction has {short(best)}")
        return
    yield look(
        "start",
        f"{seen}, {short(ratio)} times that of the best constant prediction, {short(best)}",
        "The first steps only bring the predictions to the mean of the targets.",
        "Normalise the targets, (y - mean) / std, or set the last bias to their mean: "
        "model.set_parameters({'NAME.bias': mean}).",
    )
