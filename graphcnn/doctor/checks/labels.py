"""Labels: which classes there are, how often, and in which order."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from graphcnn.data.streams import Stream
from graphcnn.doctor.case import Case
from graphcnn.doctor.finding import Finding, fine, listed, look, share, short, wrong
from graphcnn.ir.node import Array
from graphcnn.learning.aim import Term
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.softmax import Softmax

#: Classes of which one has so many times the items of another are told.
_UNEVEN: Final = 10
#: Neighbours that differ so much more rarely than in random order are in order.
_IN_ORDER: Final = 0.25


def labels(case: Case) -> Iterator[Finding]:
    for term in case.terms:
        if term.loss.targeted:
            of = f"{term.name}: " if term.name else ""
            yield from _of_one(case, term, case.known_targets[term.name], of)


def _of_one(case: Case, term: Term, targets: Array, of: str) -> Iterator[Finding]:
    if targets.dtype.kind in "iu":
        rule = case.targets.rules[term.name]
        yield from _classes(case, targets, rule.classes, rule.ignored, of)
    elif isinstance(term.loss.readable, Sigmoid) and _is_truth(targets):
        yield from _several(case, targets, of)
    elif isinstance(term.loss.readable, Softmax):
        shares = targets.sum(1)
        yield fine(
            "labels",
            f"{of}shares of {targets.shape[1]} classes, which add up to "
            f"{short(float(shares.mean()))}",
        )
    else:
        yield from _numbers(targets, of)


def _is_truth(targets: Array) -> bool:
    return bool(((targets == 0) | (targets == 1)).all())


def _classes(
    case: Case, targets: Array, classes: int | None, ignored: tuple[int, ...], of: str
) -> Iterator[Finding]:
    """Class numbers of items, or of pixels."""
    what = "items" if targets.ndim == 1 else "pixels"
    counted = targets[~np.isin(targets, ignored)] if ignored else targets.ravel()
    if ignored:
        left = targets.size - counted.size
        if left:
            yield fine(
                "labels",
                f"{of}{share(left, targets.size)} {what} are left out by "
                f"ignore_index {', '.join(map(str, ignored))}",
            )
    if not counted.size:
        yield wrong(
            "labels",
            f"{of}every label is left out by ignore_index",
            "There is nothing to learn.",
            "Look at the labels and at ignore_index.",
        )
        return
    counts = np.bincount(counted.ravel(), minlength=classes or 0)
    present = np.flatnonzero(counts)
    name = _namer(case)
    if len(present) == 1:
        yield wrong(
            "labels",
            f"{of}all {counted.size:,} {what} have the one label {name(int(present[0]))}",
            "The network learns to say it always, and its loss falls to 0 without having looked.",
            "Look at how the labels were read.",
        )
        return
    missing = [name(int(i)) for i in np.flatnonzero(counts == 0)]
    sizes = counts[present]
    least, most = int(sizes.min()), int(sizes.max())
    if missing:
        yield look(
            "labels",
            f"{of}{len(missing)} of {len(counts)} classes do not occur: {listed(missing)}",
            "The outputs of these classes only ever learn to be small.",
            f"Give the network as many classes as there are (classes={len(present)}), or look for "
            "labels that count from 1.",
        )
    ends = f"{least:,} of {name(int(present[sizes.argmin()]))} to {most:,} of " + name(
        int(present[sizes.argmax()])
    )
    if most >= _UNEVEN * least:
        yield look(
            "labels",
            f"{of}the {len(present)} classes have {ends} {what}, {short(most / least)} times as "
            "many",
            f"Who always says {name(int(present[sizes.argmax()]))} is right for "
            f"{100 * most / counted.size:.3g} %, so accuracy tells little, and rare classes count "
            "little in the loss.",
            "Train with class_weights='balanced' or data.balanced(), and measure "
            "metrics=['balanced_accuracy', 'f1'].",
        )
    elif not missing:
        yield fine("labels", f"{of}{len(present)} classes, {ends} {what}")
    if targets.ndim == 1:
        yield from _order(case, targets, of)


def _order(case: Case, targets: Array, of: str) -> Iterator[Finding]:
    """Whether neighbours have the same label more often than by chance."""
    if len(targets) < 20 or isinstance(case.data, Stream):
        return
    counts = np.bincount(targets - targets.min()) / len(targets)
    by_chance = 1 - float((counts**2).sum())
    changes = float((targets[1:] != targets[:-1]).mean())
    if changes >= _IN_ORDER * by_chance:
        return
    seen = (
        f"{of}labels lie in order: neighbours differ in {100 * changes:.3g} % of places, "
        f"{100 * by_chance:.3g} % in random order"
    )
    if case.shuffle:
        yield fine("labels", f"{seen}; fit shuffles them")
        return
    yield wrong(
        "labels",
        f"{seen}, and shuffle=False takes them so",
        "Batches of one class each pull the network back and forth, and it forgets the others.",
        "Leave out shuffle=False.",
    )


def _several(case: Case, targets: Array, of: str) -> Iterator[Finding]:
    """Truth values that do not exclude each other."""
    axes = (0, *range(2, targets.ndim))
    shares = np.atleast_1d(targets.mean(axes, dtype=np.float64))
    name = _namer(case)
    never = [name(i) for i, x in enumerate(shares) if x in (0, 1)]
    if never:
        all_of_them = len(never) == len(shares)
        yield (wrong if all_of_them else look)(
            "labels",
            f"{of}{len(never)} of {len(shares)} labels are the same for all items: {listed(never)}",
            "There is nothing to learn of them.",
            "Look at how they were read, or leave these outputs out.",
        )
    else:
        yield fine(
            "labels",
            f"{of}{len(shares)} labels, true for {100 * shares.min():.3g} to "
            f"{100 * shares.max():.3g} % of all",
        )


def _numbers(targets: Array, of: str) -> Iterator[Finding]:
    """Numbers to predict."""
    mean, std = float(targets.mean(dtype=np.float64)), float(targets.std(dtype=np.float64))
    seen = (
        f"{of}targets from {short(float(targets.min()))} to {short(float(targets.max()))}, mean "
        f"{short(mean)}, std {short(std)}"
    )
    if std == 0:
        yield wrong(
            "labels",
            f"{of}all targets are {short(mean)}",
            "There is nothing to learn.",
            "Look at how they were read.",
        )
    elif std > 30 or abs(mean) > 30 * std or std < 0.01:
        yield look(
            "labels",
            f"{seen}; about 1 is expected of a std, and a mean near 0",
            "Gradients of such targets are as large as they are: the first steps are those of "
            "scaling, or blow up.",
            f"Learn (y - {short(mean)}) / {short(std)}, and undo it of what is predicted.",
        )
    else:
        yield fine("labels", seen)


def _namer(case: Case) -> Callable[[int], str]:
    """How a class is called."""
    names = case.model.classes

    def name(index: int) -> str:
        known = index < len(names) and names[index] != str(index)
        return f"{index} ({names[index]!r})" if known else str(index)

    return name
