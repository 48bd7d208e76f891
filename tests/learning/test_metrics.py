"""Metrics against scikit-learn, in several batches: random scores with ties, classes that do not
occur, items that weigh differently, labels that are left out, several outputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.batch_split import Collected
from graphcnn.compile.runner import Runner
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.learning import metrics as m
from graphcnn.learning.metrics.base import Finished, Measure, Seen, numbers
from graphcnn.learning.metrics.choosing import NAMES, chosen_metrics, named_metric
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.softmax import Softmax
from graphcnn.runtime.execution import Execution

sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is in the extra digits")

RNG = np.random.default_rng(12)
COUNT, K = 157, 7
#: Class 5 occurs and is never predicted, 6 neither; scores are quarters, so that many are equal.
LABELS = RNG.integers(0, 6, COUNT)
SCORES = (RNG.integers(-6, 7, (COUNT, K)) / 4).astype(np.float32)
SCORES[:, 5:] = -9
SCORES[np.arange(COUNT), LABELS] += np.where(LABELS < 5, 1, 0).astype(np.float32)
WEIGHTS = RNG.uniform(0.1, 3, COUNT).astype(np.float32)
PREDICTED = SCORES.argmax(1)


def softmax(z: Array) -> Array:
    e = np.exp(z.astype(np.float64) - z.max(1, keepdims=True))
    found: Array = e / e.sum(1, keepdims=True)
    return found


def measured(
    measures: Mapping[str, Measure],
    prediction: Array,
    target: Array,
    *,
    readable: Any = None,
    weights: Array | None = None,
    ignored: tuple[int, ...] = (),
    size: int = 50,
    threads: int = 1,
    classes: tuple[str, ...] = (),
) -> dict[str, float]:
    """The metrics of arrays, `size` items at a time, natively."""
    fed = {"p": prediction, "t": target} | ({} if weights is None else {"w": weights})
    inputs = {k: cnn.input(k, a.shape[1:], dtype=str(a.dtype)) for k, a in fed.items()}
    p = inputs["p"]
    seen = Seen(p, inputs["t"], p, p, readable, ignored, inputs.get("w"))
    outputs: dict[str, Value] = {key: each.of_batch(seen) for key, each in measures.items()}
    runner = Runner(Graph.of(tuple(inputs.values()), outputs), Execution.of("native", threads))
    collected = Collected(runner.axes.outputs)
    assert not any(kind.is_mixed for kind in runner.axes.outputs.values())
    for start in range(0, len(target), size):
        part = {k: a[start : start + size] for k, a in fed.items()}
        collected.add(runner.run(part, {})[0], len(part["t"]))
    return numbers(measures, collected.totals(), classes)


def of_classes(weights: Array | None, average: str | None, zero: float) -> dict[str, Any]:
    """What scikit-learn says; of each class, of all that the network has."""
    labels = {} if average is not None else {"labels": range(K)}
    options: Any = {"average": average, "zero_division": zero, "sample_weight": weights} | labels
    y, p = LABELS, PREDICTED
    return {
        "precision": sk.precision_score(y, p, **options),
        "recall": sk.recall_score(y, p, **options),
        "f1": sk.f1_score(y, p, **options),
        "f2": sk.fbeta_score(y, p, beta=2, **options),
        "iou": sk.jaccard_score(y, p, **options),
    }


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_classes_as_scikit_learn_counts_them(weights: Array | None) -> None:
    own: Any = {"item_weights": weights is not None}
    for average in ("macro", "micro", "weighted", None):
        for zero in (0.0, 1.0):
            options = {"average": average, "zero_division": zero, **own}
            measures = {
                "precision": m.Precision(**options),
                "recall": m.Recall(**options),
                "f1": m.F1(**options),
                "f2": m.FBeta(beta=2, **options),
                "iou": m.MeanIoU(**options),
            }
            found = measured(measures, SCORES, LABELS, readable=Softmax(1), weights=weights)
            wanted = of_classes(weights, average, zero)
            if average is None:
                wanted = {f"{k}[{i}]": x for k, each in wanted.items() for i, x in enumerate(each)}
            assert found == pytest.approx(wanted, rel=1e-12), (average, zero)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_single_numbers_of_classes(weights: Array | None) -> None:
    own: Any = {"item_weights": weights is not None}
    measures = {
        "accuracy": m.Accuracy(**own),
        "top": m.TopK(3, **own),
        "balanced": m.BalancedAccuracy(**own),
        "kappa": m.CohenKappa(**own),
        "matthews": m.MatthewsCorrelation(**own),
        "log_loss": m.LogLoss(**own),
        "brier": m.Brier(**own),
    }
    # No ties among the scores of an item: there scikit-learn goes by the order of the classes.
    scores = SCORES + np.linspace(0, 0.1, K, dtype=np.float32)
    y, p, probable, w = LABELS, scores.argmax(1), softmax(scores), weights
    one_hot = np.eye(K)[y]
    wanted = {
        "accuracy": sk.accuracy_score(y, p, sample_weight=w),
        "top": sk.top_k_accuracy_score(y, scores, k=3, labels=range(K), sample_weight=w),
        "balanced": sk.balanced_accuracy_score(y, p, sample_weight=w),
        "kappa": sk.cohen_kappa_score(y, p, sample_weight=w),
        "matthews": sk.matthews_corrcoef(y, p, sample_weight=w),
        "log_loss": sk.log_loss(y, probable, labels=range(K), sample_weight=w),
        "brier": np.average(((probable - one_hot) ** 2).sum(1), weights=w),
    }
    with np.errstate(all="ignore"):
        found = measured(measures, scores, y, readable=Softmax(1), weights=weights)
    assert found == pytest.approx(wanted, rel=1e-7)


def test_ranks_of_classes_and_labels() -> None:
    """Each class against the rest; a label without a positive has no ROC, and precision 0."""
    measures: dict[str, Measure] = {
        "auc": m.AUC(None), "mean": m.AUC(), "ap": m.AveragePrecision(None),
        "weighted": m.AUC("weighted"),
    }  # fmt: skip
    probable, one_hot = softmax(SCORES), np.eye(K)[LABELS]
    found = measured(measures, SCORES, LABELS, readable=Softmax(1))
    occurring = range(6)
    each = {i: sk.roc_auc_score(one_hot[:, i], probable[:, i]) for i in occurring}
    assert np.isnan(found.pop("auc[6]"))
    counts = one_hot.sum(0)
    wanted = {f"auc[{i}]": each[i] for i in occurring} | {
        "mean": np.mean([*each.values()]),
        "weighted": sum(each[i] * counts[i] for i in occurring) / COUNT,
        **{
            f"ap[{i}]": sk.average_precision_score(one_hot[:, i], probable[:, i]) for i in occurring
        },
        "ap[6]": 0.0,
    }
    assert found == pytest.approx(wanted, rel=1e-12)

    truth = RNG.integers(0, 2, (COUNT, 3)).astype(np.float32)
    odds = (RNG.integers(-5, 6, (COUNT, 3)) / 2 + truth).astype(np.float32)
    measures = {"auc": m.AUC(), "ap": m.AveragePrecision(), "micro": m.F1("micro"), "f1": m.F1(),
                "hamming": m.HammingLoss(), "exact": m.ExactMatch(), "log": m.LogLoss(),
                "share": m.Accuracy(), "specificity": m.Specificity(None)}  # fmt: skip
    found = measured(measures, odds, truth, readable=Sigmoid())
    taken = odds > 0
    p = 1 / (1 + np.exp(-odds.astype(np.float64)))
    wanted = {
        "auc": sk.roc_auc_score(truth, odds),
        "ap": sk.average_precision_score(truth, odds),
        "micro": sk.f1_score(truth, taken, average="micro"),
        "f1": sk.f1_score(truth, taken, average="macro"),
        "hamming": sk.hamming_loss(truth, taken),
        "exact": sk.accuracy_score(truth, taken),
        "log": -np.where(truth > 0, np.log(p), np.log(1 - p)).mean(),
        "share": (taken == truth).mean(),
        **{f"specificity[{i}]": sk.recall_score(truth[:, i], taken[:, i], pos_label=0)
           for i in range(3)},
    }  # fmt: skip
    assert found == pytest.approx(wanted, rel=1e-6)


def test_one_sigmoid_tells_two_classes_apart() -> None:
    truth = RNG.integers(0, 2, COUNT).astype(np.float32)
    odds = (RNG.integers(-5, 6, COUNT) / 2 + truth).astype(np.float32)
    taken, p = odds > 0, 1 / (1 + np.exp(-odds.astype(np.float64)))
    named = ["f1", "balanced_accuracy", "cohen_kappa", "matthews_correlation", "auc", "brier"]
    measures = {name: named_metric(name) for name in named}
    wanted = {
        "f1": sk.f1_score(truth, taken),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, taken),
        "cohen_kappa": sk.cohen_kappa_score(truth, taken),
        "matthews_correlation": sk.matthews_corrcoef(truth, taken),
        "auc": sk.roc_auc_score(truth, odds),
        "brier": sk.brier_score_loss(truth, p),
    }
    for shape in ((COUNT,), (COUNT, 1)):
        found = measured(measures, odds.reshape(shape), truth.reshape(shape), readable=Sigmoid())
        assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_far_from_0(outputs: int, weights: Array | None) -> None:
    """Sums in float64: of targets around 1,000 with a spread of 1, R² has its digits."""
    t = RNG.normal(1000, 1, (COUNT, outputs)).astype(np.float32)
    p = (t + RNG.normal(0.2, 0.5, t.shape)).astype(np.float32)
    own: Any = {"item_weights": weights is not None}
    kinds = {
        "mae": (m.MAE, sk.mean_absolute_error),
        "mse": (m.MSE, sk.mean_squared_error),
        "rmse": (m.RMSE, sk.root_mean_squared_error),
        "mape": (m.MAPE, sk.mean_absolute_percentage_error),
        "r2": (m.R2, sk.r2_score),
        "explained": (m.ExplainedVariance, sk.explained_variance_score),
    }
    for average, multi in (("uniform", "uniform_average"), (None, "raw_values")):
        found = measured(
            {key: kind(average, **own) for key, (kind, _) in kinds.items()}, p, t, weights=weights
        )
        wanted: dict[str, float] = {}
        exact = p.astype(np.float64), t.astype(np.float64)
        for key, (_, judge) in kinds.items():
            value = judge(exact[1], exact[0], multioutput=multi, sample_weight=weights)
            names = [key] if average else [f"{key}[{i}]" for i in range(outputs)]
            wanted.update(zip(names, np.ravel(value), strict=True))
        assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_targets_that_are_all_the_same() -> None:
    """R² is 1 where they are met and 0 where not, whatever rounding left of their spread."""
    t = np.full((COUNT, 2), 1234.1, np.float32)
    p = t.copy()
    p[:, 1] += RNG.normal(size=COUNT).astype(np.float32)
    found = measured({"r2": m.R2(None), "ev": m.ExplainedVariance(None)}, p, t)
    wanted = {
        f"{key}[{i}]": judge(t[:, i], p[:, i])
        for key, judge in (("r2", sk.r2_score), ("ev", sk.explained_variance_score))
        for i in range(2)
    }
    assert found == wanted and set(found.values()) == {0.0, 1.0}


def test_pixels_without_those_that_are_left_out() -> None:
    shape = (11, 4, 5, 6)
    scores = RNG.normal(size=shape).astype(np.float32)
    labels = RNG.integers(0, 4, (11, 5, 6))
    labels[RNG.random(labels.shape) < 0.3] = 255
    counted = labels != 255
    y, p = labels[counted], scores.argmax(1)[counted]
    probable = np.moveaxis(softmax(scores), 1, -1)[counted]
    measures = {"mean_iou": m.MeanIoU(), "dice": m.Dice(None), "accuracy": m.Accuracy(),
                "top": m.TopK(2), "log_loss": m.LogLoss(), "auc": m.AUC()}  # fmt: skip
    wanted = {
        "mean_iou": sk.jaccard_score(y, p, average="macro"),
        **{f"dice[{c}]": x for c, x in zip("abcd", sk.f1_score(y, p, average=None), strict=True)},
        "accuracy": sk.accuracy_score(y, p),
        "top": sk.top_k_accuracy_score(y, probable, k=2),
        "log_loss": sk.log_loss(y, probable),
        "auc": sk.roc_auc_score(y, probable, multi_class="ovr"),
    }
    options: Any = {"readable": Softmax(1), "ignored": (255,), "classes": tuple("abcd")}
    found = measured(measures, scores, labels, size=4, **options)
    assert found == pytest.approx(wanted, rel=1e-7)
    for size, threads in ((4, 2), (1, 1)):
        again = measured(measures, scores, labels, size=size, threads=threads, **options)
        counts = [key for key in found if key != "log_loss"]  # whole numbers: no bit moves
        assert [again[k] for k in counts] == [found[k] for k in counts]
        assert size != 4 or again == found


def test_a_metric_of_ones_own_is_finished_once() -> None:
    def squares(p: Value, t: Value) -> Value:
        return cnn.sum((p - t) ** 2.0, 0)

    def worst(total: Array) -> Finished:
        return float(total.max())

    t = RNG.normal(size=(COUNT, 3)).astype(np.float32)
    own = m.Metric(squares, worst, "worst")
    found = measured({own.name: own}, t * 0, t)
    assert found == {"worst": pytest.approx((t.astype(np.float64) ** 2).sum(0).max(), rel=1e-6)}


def test_names_and_what_does_not_fit() -> None:
    assert {key: named_metric(key).name for key in NAMES if named_metric(key).name != key} == {
        "pixel_accuracy": "accuracy"
    }
    assert named_metric("top_3_accuracy") == m.TopK(3) and named_metric("f2") == m.FBeta(beta=2)
    assert named_metric("f1_weighted") == m.F1("weighted")
    assert named_metric("f1_weighted").name == "f1_weighted"
    with pytest.raises(cnn.GraphError, match="unknown metric 'f1_micr'; did you mean 'f1_micro"):
        named_metric("f1_micr")
    with pytest.raises(cnn.GraphError, match="unknown metric 'precison'; did you mean 'precision'"):
        named_metric("precison")
    with pytest.raises(cnn.GraphError, match="unknown metric 'acc'; did you mean 'accuracy'"):
        named_metric("acc")
    with pytest.raises(cnn.GraphError, match=r"not classes: write F1\(\)"):
        chosen_metrics([cnn.metrics.F1], {})
    with pytest.raises(cnn.GraphError, match=r"not classes: write F1\(\)"):
        chosen_metrics({"f1": cnn.metrics.F1}, {})
    with pytest.raises(cnn.GraphError, match="average must be one of 'macro', 'micro', 'weighted"):
        m.F1("mean")
    x = cnn.input("x", (4,))
    model = cnn.Model(x, cnn.dense(x, 3))
    inputs = np.zeros((5, 4), np.float32)
    for metric, loss, target, words in (
        ("auc", "mse", np.zeros((5, 3), np.float32), "nothing makes probabilities of the predict"),
        ("r2", "cross_entropy", np.zeros(5, int), "but the targets are class numbers: prediction"),
        ("mae", "binary_cross_entropy", np.zeros((5, 3), np.float32), "makes them probabilities"),
        ("cohen_kappa", "binary_cross_entropy", np.zeros((5, 3), np.float32), "do not exclude"),
        (m.TopK(4), "cross_entropy", np.zeros(5, int), "k must be at most the number of classes"),
    ):  # fmt: skip
        with pytest.raises(cnn.GraphError, match=words):
            model.evaluate((inputs, target), loss=loss, metrics=[metric])
