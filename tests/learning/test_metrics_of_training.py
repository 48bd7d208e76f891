"""Metrics of training are those of the whole epoch, however it was cut, stopped and resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.node import Value
from graphcnn.training.history import History

RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 6)).astype(np.float32)
LABELS = RNG.integers(0, 3, 90)
LABELS[::7] = 255
NAMES: list[Any] = ["accuracy", "f1", cnn.metrics.F1(average=None), "mean_iou", "cohen_kappa"]


def loss(z: Value, t: Value) -> Value:
    return cnn.cross_entropy(z, t, ignore_index=255)


def network() -> cnn.Model:
    x = cnn.input("x", (6,))
    model = cnn.Model(x, cnn.dense(cnn.relu(cnn.dense(x, 8)), 3), name="net").initialize(1)
    model.classes = ("cat", "dog", "cow")
    return model


def trained(model: cnn.Model, **options: Any) -> History:
    settings: dict[str, Any] = {
        "loss": loss, "metrics": NAMES, "batch_size": 16, "epochs": 2, "progress": False,
        "validation": (X, LABELS), "seed": 5,
    }  # fmt: skip
    return model.fit((X, LABELS), **(settings | options))


def test_an_epoch_without_learning_is_a_measurement() -> None:
    """All of them, with labels left out: a mean of what batches gave would be another number."""
    model = network()
    row = trained(model, optimizer=cnn.SGD(1e-30), epochs=1).rows[0]
    wanted = model.evaluate((X, LABELS), loss=loss, metrics=NAMES)
    assert [*wanted] == [
        "loss", "accuracy", "f1", "f1[cat]", "f1[dog]", "f1[cow]", "mean_iou", "cohen_kappa"
    ]  # fmt: skip
    for key in wanted.keys() - {"loss"}:
        assert row[key] == row[f"val_{key}"] == wanted[key]
    session = cnn.Session(network(), loss, cnn.SGD(1e-30), ["auc", *NAMES])
    of_batch = session.step(X[:30], LABELS[:30])
    assert of_batch.keys() == {*wanted, "auc"}
    assert of_batch["f1[dog]"] == model.evaluate((X[:30], LABELS[:30]), loss=loss, metrics=NAMES)[
        "f1[dog]"
    ]  # fmt: skip


class Stop(cnn.Watcher):
    """Breaks a run off in the middle of its second epoch."""

    def batch(self, run: Any, *_: Any) -> None:
        if run.position.epoch == 1 and run.position.batch == 3:
            raise KeyError("broken off")


@pytest.mark.parametrize("threads", [1, 2])
def test_resuming_within_an_epoch_moves_no_bit(tmp_path: Path, threads: int) -> None:
    whole = trained(network())
    with pytest.raises(KeyError):
        trained(network(), checkpoint=tmp_path, checkpoint_every=1, callbacks=[Stop()])
    rest = trained(network(), resume=tmp_path, threads=threads)
    assert rest.rows == whole.rows and "f1[cow]" in rest.columns
    with pytest.raises(cnn.WeightsError, match="metrics: the run had"):  # equal graphs, other means
        trained(
            network(),
            resume=tmp_path,
            metrics=[*NAMES[:2], cnn.metrics.F1(None, zero_division=1.0), *NAMES[3:]],
        )


def test_what_ranks_all_items_is_of_the_validation_data() -> None:
    names = ["auc", "average_precision"]
    history = trained(network(), metrics=names)
    assert history.columns == ["loss", "val_loss", "val_auc", "val_average_precision"]
    with pytest.warns(cnn.TrainingWarning, match="ranks all items at once, and is reported of val"):
        assert trained(network(), metrics=names, validation=None).columns == ["loss"]
    few = network().evaluate((X, LABELS), loss=loss, metrics=names, batch_size=7)
    assert few == network().evaluate((X, LABELS), loss=loss, metrics=names, threads=2) | {
        "loss": few["loss"]
    }
