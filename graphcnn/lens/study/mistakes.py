"""What a classifier gets wrong: its confusion matrix, and the mistakes that it is surest of."""

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import N
from graphcnn.learning.losses import LOSSES
from graphcnn.lens.checks import check_count
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.stream import class_names, loss_of_labels
from graphcnn.lens.target import has_sigmoids
from graphcnn.network.evaluation import check_measurable
from graphcnn.network.feeding import as_dataset, item_feeds, prediction_type
from graphcnn.pictures.results.confusion import confusion_picture
from graphcnn.pictures.results.mistakes import errors_picture

#: Items that are read from a data set at a time.
_PIECE: Final = 256


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of each item of a data set that has a class.

    Attributes:
        data: the data set.
        classes: names of the classes; numbers where nobody knows any.
        items: numbers of the items in the data set, (n,).
        true, predicted: class numbers, (n,).
        probability: of the class predicted, and `probability_true` of the right one, (n,).
    """

    data: Dataset
    classes: tuple[str, ...]
    items: Array
    true: Array
    predicted: Array
    probability: Array
    probability_true: Array

    @property
    def wrong(self) -> Array:
        """Places of the mistakes, the surest first; equally sure ones in their order."""
        found = np.flatnonzero(self.true != self.predicted)
        return found[np.argsort(-self.probability[found], kind="stable")]

    def confusion(self) -> Array:
        """Items of class i taken for class j, int64 (K, K)."""
        count = len(self.classes)
        flat = np.bincount(self.true * count + self.predicted, minlength=count * count)
        return flat.reshape(count, count).astype(np.int64)


def answers(core: Core, data: Any, targets: Any = None) -> Answers:
    """The class that the model gives each item, the first of those with the largest score, and its
    probability: softmax of the scores in float64. One sigmoid tells two classes apart: its score
    stands against 0.

    Raises:
        LensError: a model or data without classes of which one is right: regression, several
            labels for an item, a label for each pixel; scores that are not finite.
        DataError: data that do not fit the model.
    """
    network = core.network
    scores = _scores(core)
    check_measurable(network.graph)
    loss = loss_of_labels(core.model)
    dataset = as_dataset(data, core.model, loss=loss, targets=targets)
    labels, count = dataset.labels, cast(int, scores.shape[1])
    if count == 1:
        labels, count = _of_two(labels), 2
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        of = "a class for each pixel" if labels.dtype.kind in "iu" else "numbers, no classes"
        shape = "".join(f", {d}" for d in labels.shape[1:])
        raise LensError(
            f"mistakes are counted where each item has one class; the targets of {dataset.name!r} "
            f"are {of}: (n{shape}) {labels.dtype}"
        )
    known = ~np.isin(labels, dataset.ignored)
    outside = labels[known & ((labels < 0) | (labels >= count))]
    if outside.size:
        raise LensError(f"{network.name} tells {count} classes apart, found label {outside[0]}")
    if not known.any():
        raise LensError(f"no item of {dataset.name!r} has a class")
    inputs = network.graph.inputs
    probe = core.probe("predictions", lambda: (inputs, {"scores": scores}))
    columns: list[tuple[Array, Array, Array]] = []
    start = 0
    for batch, *_ in dataset.epoch(None, 0, _PIECE):
        feeds = item_feeds(network, batch)
        found = probe(*(feeds[v.node.name] for v in inputs))["scores"]
        columns.append(_read(found, labels[start : start + len(found)], known, start, core))
        start += len(found)
    read = [np.concatenate(parts)[known] for parts in zip(*columns, strict=True)]
    names = tuple(class_names(core, dataset, count))
    return Answers(dataset, names, np.flatnonzero(known), labels[known], *read)


def _scores(core: Core) -> Value:
    """The scores f32[N,K] of classes of which one is right."""
    model = core.network
    prediction = next(iter(model.graph.outputs.values()))
    trained_with = LOSSES.get(core.model.loss or "")
    reason = ""
    if trained_with is not None and "accuracy" not in trained_with.metrics:
        reason = f"it was trained with {core.model.loss}: it predicts numbers, no classes"
    elif prediction.type.rank != 2 or prediction.shape[0] != N:
        reason = f"its prediction is {prediction_type(model)}, expected scores f32[N,K] of classes"
    elif has_sigmoids(core.model):
        if prediction.shape[1] != 1:
            reason = "its classes do not exclude each other: each has a sigmoid of its own"
    elif prediction.shape[1] == 1:
        reason = f"its prediction is {prediction_type(model)}, one number that no sigmoid reads"
    if reason:
        raise LensError(f"{model.name} has no confusion of classes: {reason}")
    return core.scores


def _of_two(labels: Array) -> Array:
    """Targets 0 and 1 of one sigmoid, (n,) or (n, 1), as class numbers; others as they are."""
    flat = labels.reshape(len(labels), -1)
    fits = flat.shape[1] == 1 and np.isin(flat, (0, 1)).all()
    return flat[:, 0].astype(np.int64) if fits else labels


def _read(
    scores: Array, labels: Array, known: Array, start: int, core: Core
) -> tuple[Array, Array, Array]:
    """Class, its probability and that of the label of each row of scores."""
    if not np.isfinite(scores).all():
        raise LensError(
            f"the scores of {core.scores.node.name or core.model.name!r} are not finite for item "
            f"{start + int(np.flatnonzero(~np.isfinite(scores).all(1))[0])}"
        )
    exact = scores.astype(np.float64)
    if exact.shape[1] == 1:
        exact = np.concatenate([np.zeros_like(exact), exact], 1)
    powers = np.exp(exact - exact.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    rows = np.arange(len(scores))
    predicted = exact.argmax(1)
    true = np.where(known[start : start + len(scores)], labels, 0)
    return predicted, shares[rows, predicted], shares[rows, true]


def confusion(core: Core, data: Any, targets: Any, order: str) -> Finding:
    """See `Study.confusion`."""
    found = answers(core, data, targets)
    matrix = found.confusion()
    right = np.diag(matrix).astype(np.float64)
    with np.errstate(invalid="ignore"):
        recall, precision = right / matrix.sum(1), right / matrix.sum(0)
    arrays = {
        "confusion": matrix,
        "recall": recall,
        "precision": precision,
        "true": found.true,
        "predicted": found.predicted,
        "items": found.items,
    }
    facts = _facts(core, found, "class of the largest score")
    title = f"confusion of {core.model.name} on {found.data.name}"
    return Finding(
        title,
        arrays,
        facts,
        lambda made: confusion_picture(
            made["confusion"], found.classes, order=order, title=made.title, facts=[made.caption]
        ),
    )


def errors(core: Core, data: Any, targets: Any, most: int) -> Finding:
    """See `Study.errors`."""
    check_count("most", most)
    found = answers(core, data, targets)
    wrong = found.wrong[:most]
    if not len(wrong):
        raise LensError(
            f"{core.model.name} makes no mistake among {len(found.true):,} items of "
            f"{found.data.name!r}: there is none to show"
        )
    images, _ = core.images(found.data.first_items[found.items[wrong]])
    arrays = {
        "items": found.items[wrong],
        "true": found.true[wrong],
        "predicted": found.predicted[wrong],
        "probability": found.probability[wrong],
        "probability_true": found.probability_true[wrong],
        "images": images,
    }
    facts = _facts(core, found, "mistakes by the probability of the class predicted")
    count = len(found.wrong)
    subtitle = f"{len(wrong)} of {count:,} mistakes among {len(found.true):,} items, surest first"
    title = f"mistakes of {core.model.name} on {found.data.name}"
    return Finding(
        title,
        arrays,
        facts,
        lambda made: errors_picture(
            made["images"], made["true"], made["predicted"], made["probability"], found.classes,
            probability_true=made["probability_true"], items=made["items"], title=made.title,
            subtitle=subtitle, facts=[made.caption],
        ),
    )  # fmt: skip


def _facts(core: Core, found: Answers, method: str) -> dict[str, str]:
    left_out = len(found.data) - len(found.true)
    return {
        "data": f"{found.data.name}, {len(found.true):,} items"
        + (f" ({left_out:,} without a class left out)" if left_out else ""),
        "method": method,
        **core.settings(),
    }
