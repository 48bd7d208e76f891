"""Losses and metrics of a whole data set, whatever the batch size, against their formulas."""

from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.batch_axis import means
from graphcnn.ir.node import Array, Value
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.objective import with_loss
from graphcnn.learning.targets import fed_types

RNG = np.random.default_rng(0)
X = RNG.normal(size=(53, 1, 2, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, 53)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
WEIGHTS = np.array([0.2, 1.0, 3.0], np.float32)
SIZES = (1, 8, 20, 53, 100)
RUNTIMES = pytest.mark.parametrize("runtime", ["native", "reference"])


def classifier() -> cnn.Model:
    x = cnn.input("x", (1, 2, 3))
    return cnn.Model(x, cnn.dense(cnn.flatten(x), 3), name="net").initialize(3)


def hits(p: Value, t: Value) -> tuple[Value, Value]:
    found = cnn.cast(cnn.equal(cnn.argmax(p, 1), 1), "float32")
    return found, cnn.cast(cnn.equal(t, 1), "float32")


def recall(p: Value, t: Value) -> Value:
    found, wanted = hits(p, t)
    return cnn.sum(found * wanted) / cnn.sum(wanted)


def f1(p: Value, t: Value) -> Value:
    found, wanted = hits(p, t)
    return 2.0 * cnn.sum(found * wanted) / (cnn.sum(found) + cnn.sum(wanted))


def worst(p: Value, t: Value) -> Value:
    return cnn.max(p)


def errors(p: Value, t: Value) -> Value:
    return cnn.sum(cnn.cast(cnn.not_equal(cnn.argmax(p, 1), t), "int64"))


def weighted(p: Value, t: Value) -> Value:
    w = cnn.sum(t * cnn.constant(WEIGHTS), 1)
    return -cnn.sum(cnn.sum(t * cnn.log_softmax(p), 1) * w) / cnn.sum(w)


def spread(p: Value, t: Value) -> Value:
    """The standard deviation of the predictions: of the mean of all, not of a batch."""
    return cnn.sqrt(cnn.mean((p - cnn.mean(p)) ** 2.0))


METRICS = {"recall": recall, "f1": f1, "worst": worst, "errors": errors, "accuracy": cnn.accuracy}


def formulas(logits: Array) -> dict[str, float]:
    """The metrics of all items, by NumPy."""
    picked = logits.argmax(1)
    found, wanted = picked == 1, LABELS == 1
    both = (found & wanted).sum()
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return {
        "loss": float(-log_p[np.arange(53), LABELS].mean()),
        "recall": float(both / wanted.sum()),
        "f1": float(2 * both / (found.sum() + wanted.sum())),
        "worst": float(logits.max()),
        "errors": float((picked != LABELS).sum()),
        "accuracy": float((picked == LABELS).mean()),
    }


@RUNTIMES
def test_metrics_are_those_of_the_whole(runtime: str) -> None:
    model = classifier()
    wanted = formulas(model.predict(X, raw=True, runtime="reference").astype(np.float64))
    assert 0 < wanted["recall"] < 1 and wanted["recall"] != wanted["f1"]
    for size in SIZES:
        found = model.evaluate((X, LABELS), metrics=METRICS, batch_size=size, runtime=runtime)
        assert list(found) == list(wanted)
        assert found == pytest.approx(wanted, rel=1e-5)


@RUNTIMES
def test_a_loss_weighted_by_classes(runtime: str) -> None:
    model = classifier()
    z = model.predict(X, runtime="reference").astype(np.float64)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    w = WEIGHTS[LABELS]
    wanted = {
        "loss": -(log_p[np.arange(53), LABELS] * w).sum() / w.sum(),
        "spread": z.std(),
        "total": ((z - ONE_HOT) ** 2).sum(),
    }
    total = lambda p, t: cnn.sum((p - t) ** 2.0)  # noqa: E731
    for size in SIZES:
        found = model.evaluate(
            (X, ONE_HOT), loss=weighted, metrics={"spread": spread, "total": total},
            batch_size=size, runtime=runtime,
        )  # fmt: skip
        assert found == pytest.approx(wanted, rel=1e-5)


def test_validation_measures_the_whole() -> None:
    """And training reports no mean of the batches' recalls, which would be another number."""
    model = classifier()
    with pytest.warns(cnn.TrainingWarning, match="^recall: no mean over the items") as said:
        history = model.fit(
            (X, LABELS), epochs=2, batch_size=16, validation=(X, LABELS),
            metrics={"recall": recall, "accuracy": cnn.accuracy}, progress=False,
        )  # fmt: skip
    assert [Path(w.filename).name for w in said] == ["test_evaluation.py"]
    wanted = formulas(model.predict(X, raw=True, runtime="reference"))
    assert history.rows[-1].keys() == {
        "loss", "accuracy", "val_loss", "val_recall", "val_accuracy"
    }  # fmt: skip
    for key in ("loss", "recall", "accuracy"):
        assert history.rows[-1][f"val_{key}"] == pytest.approx(wanted[key], rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_all_losses_and_metrics_of_ours_are_means(loss: str) -> None:
    """With weights of the items, too."""
    known = LOSSES[loss]
    x = cnn.input("x", (7, 2, 3))
    outputs = [cnn.conv2d(x, 7, 1) for _ in range(known.predictions or 1)]
    if known.predictions != 1:
        outputs = [cnn.flatten(y) for y in outputs]
    if loss == "ctc":  # of seven steps
        outputs = [cnn.reshape(y, (cnn.N, 7, 6)) for y in outputs]
    model = cnn.Model(x, outputs)
    metrics = ["accuracy", "top_5_accuracy"] if loss == "cross_entropy" else None
    types = fed_types(loss, model.graph)
    for fed in (types, {**types, "weights": cnn.TensorType((cnn.N,), cnn.DType.FLOAT32)}):
        found = means(with_loss(model.graph, loss, metrics, fed), model.graph.outputs.values())
        assert len(found) >= 1 + len(metrics or ()) and all(found.values())


def test_pixels_that_are_ignored_do_not_count() -> None:
    """The mean over the pixels that count is none over the items, which have other numbers of
    them."""
    x = cnn.input("x", (1, 2, 3))
    model = cnn.Model(x, cnn.conv2d(x, 3, 1)).initialize(4)
    labels = RNG.integers(0, 3, (53, 2, 3))
    labels[RNG.random((53, 2, 3)) < np.linspace(0, 0.9, 53)[:, None, None]] = 255
    z = model.predict(X, raw=True, runtime="reference").astype(np.float64)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    counts = labels != 255
    picked = np.take_along_axis(log_p, np.where(counts, labels, 0)[:, None], 1)[:, 0]
    for size in (1, 10, 53):
        found = model.evaluate(
            (X, labels), batch_size=size, metrics={},
            loss=lambda p, t: cnn.cross_entropy(p, t, ignore_index=255),
        )  # fmt: skip
        assert found["loss"] == pytest.approx(-picked[counts].mean(), rel=1e-5)


@RUNTIMES
def test_a_model_that_mixes_items_is_measured_at_once(runtime: str) -> None:
    x = cnn.input("x", (1, 2, 3))
    flat = cnn.flatten(x)
    model = cnn.Model(x, cnn.dense(flat - cnn.mean(flat, 0, keepdims=True), 3)).initialize(1)
    z = model.predict(X, runtime="reference").astype(np.float64)
    wanted = ((z - ONE_HOT) ** 2).mean()
    for size in (7, 53):
        found = model.evaluate((X, ONE_HOT), loss="mse", batch_size=size, runtime=runtime)
        assert found["loss"] == pytest.approx(wanted, rel=1e-5)


def test_a_loss_with_a_part_for_the_weights() -> None:
    x = cnn.input("x", (1, 2, 3))
    w = cnn.parameter((6, 3), name="w")
    model = cnn.Model(x, cnn.matmul(cnn.flatten(x), w)).initialize(2)
    array = model.states["w"].astype(np.float64)
    z = X.reshape(53, 6).astype(np.float64) @ array
    wanted = ((z - ONE_HOT) ** 2).mean() + 0.1 * (array**2).sum()
    (w,) = model.graph.parameters

    def decayed(p: Value, t: Value) -> Value:
        return cnn.mean((p - t) ** 2.0) + 0.1 * cnn.sum(w * w)

    for size in (7, 53):
        found = model.evaluate((X, ONE_HOT), loss=decayed, batch_size=size)
        assert found["loss"] == pytest.approx(wanted, rel=1e-5)


def test_which_outputs_are_means() -> None:
    model = classifier()
    graph = with_loss(model.graph, "cross_entropy", METRICS)
    found = means(graph, model.graph.outputs.values())
    assert found == {
        "loss": True, "recall": False, "f1": False, "worst": False, "errors": False,
        "accuracy": True,
    }  # fmt: skip


def test_predictions_without_items_cannot_be_measured() -> None:
    x = cnn.input("x", (1, 2, 3))
    for model, words in (
        (cnn.Model(x, cnn.mean(x)), r"output 'output' of model is f32\[\]"),
        (cnn.Model(x, cnn.mean(x, 0)), r"output 'output' of model is f32\[1,2,3\]"),
    ):
        with pytest.raises(cnn.DataError, match=f"one by one, but {words}: it must have one"):
            model.evaluate((X, X), loss="mse")
