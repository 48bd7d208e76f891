"""Reports: the tables are scikit-learn's, the words those of the confusion; all forms agree."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.network.report.parts import ClassPart
from graphcnn.network.report.table import MOST, SHOWN, Table

sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is in the extra digits")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(120, 1, 4, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 120)
NAMES = ("cat", "dog & co", "cow")


def network(channels: int, name: str = "net", *, pixels: bool = False) -> cnn.Model:
    x = cnn.input("x", (1, 4, 4))
    y = cnn.conv2d(x, channels, 1) if pixels else cnn.dense(cnn.flatten(x), channels)
    return cnn.Model(x, {"scores": y}, name=name).initialize(2)


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_of_classes(runtime: str, tmp_path: Path) -> None:
    model = network(3)
    model.classes = NAMES
    options: Any = {"runtime": runtime, "batch_size": 50, "metrics": ["accuracy", "auc"]}
    report = model.evaluate((X, LABELS), report=True, **options)
    assert dict(report) == model.evaluate((X, LABELS), **options)
    taken = model.predict(X, raw=True).argmax(1)
    assert report.confusion.dtype == np.int64
    np.testing.assert_array_equal(report.confusion, sk.confusion_matrix(LABELS, taken))
    wanted = sk.classification_report(LABELS, taken, target_names=NAMES, output_dict=True)
    (part,) = report.parts.values()
    for i, name in enumerate(NAMES):
        found = {key: values[i] for key, values in part.table.columns.items()}
        assert found == pytest.approx(
            {k.replace("f1-score", "f1"): x for k, x in wanted[name].items()}
        )
    for mean in ("macro", "weighted"):
        row = part.table.averages[mean]
        assert row["f1"] == pytest.approx(wanted[f"{mean} avg"]["f1-score"])
    assert part.table.averages["accuracy"]["f1"] == pytest.approx(wanted["accuracy"])
    i, j = max(
        ((i, j) for i in range(3) for j in range(3) if i != j), key=lambda p: report.confusion[p]
    )
    said = f"{NAMES[i]} taken for {NAMES[j]}: {report.confusion[i, j]} of {(LABELS == i).sum()}"
    assert said in str(report) and said in report.picture().text()
    assert said.replace("&", "&amp;") in report._repr_html_()
    data = json.loads(report.to_json())
    assert data["outputs"][""]["confusion"] == report.confusion.tolist()
    assert report.draw(tmp_path / "report.svg").exists()
    assert "mean AUC" in report.draw_curves(tmp_path / "roc.svg").read_text()


def test_of_pixels_labels_and_numbers() -> None:
    labels = RNG.integers(0, 3, (120, 4, 4))
    model = network(3, pixels=True)
    report = model.evaluate((X, labels), report=True)
    taken = model.predict(X, raw=True).argmax(1)
    (part,) = report.parts.values()
    assert part.table.columns["iou"] == pytest.approx(
        sk.jaccard_score(labels.ravel(), taken.ravel(), average=None)
    )
    with pytest.raises(cnn.DataError, match="ranks no classes that could be drawn"):
        report.curves()

    truth = RNG.integers(0, 2, (120, 3)).astype(np.float32)
    model = network(3)
    report = model.evaluate((X, truth), loss="binary_cross_entropy", report=True)
    odds = model.predict(X, raw=True)
    (part,) = report.parts.values()
    columns = part.table.columns
    assert columns["auc"] == pytest.approx(sk.roc_auc_score(truth, odds, average=None))
    assert columns["ap"] == pytest.approx(sk.average_precision_score(truth, odds, average=None))
    assert columns["recall"] == pytest.approx(sk.recall_score(truth, odds > 0, average=None))
    with pytest.raises(cnn.DataError, match="net has no confusion of classes"):
        _ = report.confusion

    target = (odds * 3 + 7).astype(np.float32)
    report = model.evaluate((X, target), loss="mse", report=True)
    (part,) = report.parts.values()
    exact = target.astype(np.float64), odds.astype(np.float64)
    for key, judge in (("mae", sk.mean_absolute_error), ("r2", sk.r2_score)):
        assert part.table.columns[key] == pytest.approx(judge(*exact, multioutput="raw_values"))
    assert "too small" in str(report) and "bias" in str(report)
    assert json.loads(report.to_json())["outputs"][""]["kind"] == "numbers"


def test_of_a_stream() -> None:
    """Which does not say how many items it has."""
    model = network(3)
    batches = [(X[i : i + 50], LABELS[i : i + 50]) for i in range(0, 120, 50)]
    found = model.evaluate(cnn.data.stream(lambda: iter(batches)), report=True)
    whole = model.evaluate((X, LABELS), report=True)
    assert found.count == 120 and "120 items" in str(found)
    np.testing.assert_array_equal(found.confusion, whole.confusion)


def test_of_several_outputs_and_of_weights() -> None:
    """A table for each output; metrics count items once, or as often as their weights say."""
    x = cnn.input("x", (1, 4, 4))
    flat = cnn.flatten(x)
    outputs = {"digit": cnn.dense(flat, 3), "angle": cnn.dense(flat, 1)}
    model = cnn.Model(x, outputs, name="two").initialize(4)
    found = model.predict(X, raw=True)
    targets = {"digit": LABELS, "angle": (found["angle"] * 2 + 1).astype(np.float32)}
    report = model.evaluate(
        (X, targets),
        loss={"digit": "cross_entropy", "angle": "mse"},
        metrics={"digit": "f1", "angle": ["r2"]},
        report=True,
    )
    taken = found["digit"].argmax(1)
    assert report["digit_f1"] == pytest.approx(sk.f1_score(LABELS, taken, average="macro"))
    assert report["angle_r2"] == pytest.approx(sk.r2_score(targets["angle"], found["angle"]))
    assert [*report.parts] == ["digit", "angle"]
    np.testing.assert_array_equal(report.confusion, sk.confusion_matrix(LABELS, taken))
    assert "digit\nclass" in str(report) and "\nangle\noutput" in str(report)

    weights = RNG.uniform(0.1, 3, 120).astype(np.float32)
    model = network(3)
    taken = model.predict(X, raw=True).argmax(1)
    both = {"once": "f1", "weighted": cnn.metrics.F1(item_weights=True)}
    row = model.evaluate(cnn.data.arrays(X, LABELS).weighted(weights), metrics=both, batch_size=50)
    for key, each in (("once", None), ("weighted", weights)):
        wanted = sk.f1_score(LABELS, taken, average="macro", sample_weight=each)
        assert row[key] == pytest.approx(wanted, rel=1e-9)


def test_of_many_classes_the_worst_are_shown() -> None:
    count = MOST + 1
    confusion = np.eye(count, dtype=np.int64) * 9
    confusion[7, 5] = 4
    confusion[3] = 0
    part = ClassPart(confusion, [f"class {i}" for i in range(count)])
    assert len(part.table.shown) == SHOWN and part.table.shown[:3] == [3, 5, 7]
    text = "\n".join(part.table.lines())
    assert f"{SHOWN} of {count} rows, with the least f1" in text
    assert part.remarks == [
        "class 7 taken for class 5: 4 of 13 (30.8%)",
        "without an item: class 3",
    ]
    table = Table("output", ["a"], {"x": [float("nan")]})
    assert table.lines()[-1].split() == ["a", "–"]
