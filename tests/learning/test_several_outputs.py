"""Losses of several outputs, their weights, penalties and targets: trained, measured, kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.node import Array

RNG = np.random.default_rng(0)
X = RNG.random((40, 1, 6, 6)).astype(np.float32)
DIGIT = (X[:, 0, 0, 0] * 3).astype(np.int64)
ANGLE = X.mean((1, 2, 3))[:, None].astype(np.float32)
BOTH = {"digit": DIGIT, "angle": ANGLE}
LOSS: dict[Any, Any] = {"digit": cnn.losses.CrossEntropy(label_smoothing=0.1), "angle": "mse"}
KW: dict[str, Any] = dict(batch_size=8, optimizer=cnn.Adam(0.02), progress=False)


def two() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    h = cnn.dense(cnn.flatten(image), 8, activation="relu", name="hidden")
    heads = {"digit": cnn.dense(h, 3, name="d"), "angle": cnn.dense(h, 1, name="a"), "code": h}
    return cnn.Model(image, heads, "two")


def cross_entropy(z: Array, t: Array, smoothing: float = 0.0) -> Array:
    z = z.astype(np.float64)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    one_hot = np.eye(z.shape[1])[t] * (1 - smoothing) + smoothing / z.shape[1]
    return -(one_hot * log_p).sum(1)


def same(a: cnn.Model, b: cnn.Model) -> bool:
    return all(np.array_equal(a.states[key], b.states[key]) for key in a.states)


def test_what_is_reported_is_the_sum_of_what_is_said() -> None:
    model = two()
    weight = cnn.penalties.L2(0.01)
    small = {"[da].weight": weight, "hidden": cnn.penalties.L1(0.001)}
    chosen = {"digit": ["accuracy", "f1"], "angle": "mae"}
    options: dict[str, Any] = dict(
        loss=LOSS, loss_weights={"angle": 0.5}, penalties=small, metrics=chosen
    )
    history = model.fit(X, BOTH, validation=(X, BOTH), epochs=3, **options, **KW)
    names = ["loss", "penalty", "digit_loss", "digit_accuracy", "digit_f1", "angle_loss"]
    assert set(history.columns) == {
        *(f"{part}{name}" for part in ("", "val_") for name in (*names, "angle_mae"))
    }
    assert history[-1]["loss"] < history[0]["loss"]
    outputs = model.predict(X, raw=True)
    states = {key: array.astype(np.float64) for key, array in model.states.items()}
    digit = cross_entropy(outputs["digit"], DIGIT, 0.1).mean()
    angle = ((outputs["angle"].astype(np.float64) - ANGLE) ** 2).mean()
    penalty = 0.01 * sum((states[f"{key}.weight"] ** 2).sum() for key in "da")
    penalty += 0.001 * abs(outputs["code"]).sum(1).mean()
    found = model.evaluate(X, BOTH, metrics=chosen, batch_size=7)
    assert found == pytest.approx(
        {
            "loss": digit + 0.5 * angle + penalty,
            "penalty": penalty,
            "digit_loss": digit,
            "digit_accuracy": (outputs["digit"].argmax(1) == DIGIT).mean(),
            "digit_f1": found["digit_f1"],
            "angle_loss": angle,
            "angle_mae": abs(outputs["angle"] - ANGLE).mean(),
        },
        rel=1e-5,
    )
    assert found["loss"] == pytest.approx(history[-1]["val_loss"], rel=1e-6)


def test_all_ways_to_say_it_are_one() -> None:
    """A dict, a list, a function by its name; targets by name or in order; fit and a loop."""
    first, *others = (two() for _ in range(5))
    weights = {"angle": 0.5}
    first.fit(X, BOTH, loss=LOSS, loss_weights=weights, epochs=2, **KW)
    listed = [LOSS["digit"], cnn.mse, None]
    others[0].fit(X, (DIGIT, ANGLE), loss=listed, loss_weights=[1, 0.5, 7], epochs=2, **KW)
    more = {**BOTH, "code": np.zeros((40, 8), np.float32)}  # which has no loss
    data = cnn.data.Dataset(X, more)
    others[1].fit(data, loss=LOSS, loss_weights=weights, epochs=2, threads=2, **KW)
    others[2].fit((X, BOTH), loss=LOSS, loss_weights=weights, epochs=2, threads=1, **KW)
    options: dict[str, Any] = dict(loss=LOSS, loss_weights=weights, optimizer=cnn.Adam(0.02))
    with cnn.Session(others[3], **options) as session:
        for epoch in range(2):
            for images, targets in data.epoch(0, epoch, 8):
                session.step(images, targets)
    assert [same(first, other) for other in others] == [True] * 4


def test_what_was_trained_is_kept_and_read(tmp_path: Path) -> None:
    model = two()
    small = {"*.weight": (cnn.penalties.L1(1e-3), cnn.penalties.L2(1e-3))}
    options: dict[str, Any] = dict(loss=LOSS, loss_weights={"angle": 0.5}, penalties=small)
    model.fit(X, BOTH, **options, **KW)
    loaded = cnn.load(model.save(tmp_path / "two.safetensors"))
    assert loaded.loss == "cross_entropy" and loaded.objective == model.objective
    assert loaded.evaluate(X, BOTH) == model.evaluate(X, BOTH)
    read, raw = loaded.predict(X), loaded.predict(X, raw=True)
    np.testing.assert_allclose(read["digit"].sum(1), 1, rtol=1e-5)
    assert np.array_equal(read["angle"], raw["angle"]) and np.array_equal(read["code"], raw["code"])
    # A function cannot be kept, and a name alone needs no more than before.
    for loss, kept in ((lambda z, t: cnn.mse(z, cnn.cast(t, "float32")), None), ("mse", "mse")):
        other = two()
        other.fit(X, np.eye(3, dtype=np.float32)[DIGIT], loss=loss, **KW) if kept else None
        assert "objective" not in other.metadata() and other.loss == kept
    text = model.metadata()["objective"].replace("label_smoothing", "softness")
    graph = model.graph
    from graphcnn.network.metadata import read as read_fields

    with pytest.raises(
        cnn.WeightsError, match="'objective' of the metadata must be JSON of losses"
    ):
        read_fields({"loss": "mse", "objective": text}, graph, "file")


def test_a_run_of_several_losses_resumes_to_the_bit(tmp_path: Path) -> None:
    options: dict[str, Any] = dict(loss=LOSS, loss_weights={"angle": 0.5}, **KW)
    weighted = cnn.data.Dataset(X, BOTH).weighted(np.arange(40) % 3)
    whole, parts = two(), two()
    whole.fit(weighted, epochs=3, **options)
    parts.fit(weighted, epochs=1, checkpoint=tmp_path, **options)
    resumed = two()
    resumed.fit(weighted, epochs=3, resume=tmp_path, **options)
    assert same(whole, resumed)
    others: list[tuple[dict[str, Any], str]] = [
        ({"loss_weights": {"angle": 0.6}}, "loss: the run had .*angle 0.5.* has .*angle 0.6"),
        ({"loss": {**LOSS, "angle": cnn.losses.Huber(2.0)}}, "loss: the run had"),
        ({"penalties": {"d.weight": cnn.penalties.L2(1.0)}}, "loss: the run had"),
    ]
    for change, words in others:
        with pytest.raises(cnn.WeightsError, match=words):
            two().fit(weighted, epochs=3, resume=tmp_path, **{**options, **change})
    with pytest.raises(cnn.WeightsError, match="data content: the run had"):
        two().fit(cnn.data.Dataset(X, BOTH), epochs=3, resume=tmp_path, **options)


@pytest.mark.parametrize(
    ("loss", "more", "words"),
    [
        ({"digt": "mse"}, {}, "unknown output of two, in loss, 'digt'; did you mean 'digit'"),
        ({}, {}, "loss must name an output"),
        ({"digit": "mse"}, {"loss_weights": {"angle": 1}}, "in loss_weights, 'angle'"),
        ({"digit": "mse"}, {"loss_weights": {"digit": -1}}, "finite and at least 0, found -1"),
        ("mse", {"loss_weights": {"digit": 1}}, "found one loss"),
        ({"digit": "mse"}, {"metrics": "accuracy"}, "metrics of several outputs are given by outp"),
        ({"digit": "mse"}, {"metrics": {"digt": "mae"}}, "'digt'; did you mean 'digit'"),
        ({("digit", "angle"): "mse"}, {}, "mse compares 1 prediction, found the key"),
        ({"digit": "triplet"}, {}, "triplet compares 3 predictions, found the key 'digit'"),
        (["mse"] * 4, {}, r"3 outputs \(digit, angle, code\), found 4 losses"),
        ({"digit": cnn.losses.MSE}, {}, r"write MSE\(\)"),
        ("mse", {"penalties": {"x": 1}}, r"L2\(1e-4\)}, found 'x': 1"),
        ("mse", {"penalties": {"b.weight": cnn.penalties.L2(1)}}, "no tensor 'b.weight'; did you"),
        ({"digit": cnn.losses.Focal(gamma=-1)}, {}, "gamma must be at least 0, found -1"),
    ],
)
def test_what_is_not_there_is_named(loss: Any, more: dict[str, Any], words: str) -> None:
    model = two()
    with pytest.raises(cnn.GraphError, match=words):
        model.training_graph(loss, **more)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ({"digit": DIGIT}, "targets are missing for 'angle'; found 'digit'"),
        ({**BOTH, "angel": ANGLE}, "no output 'angel' takes targets; did you mean 'angle'"),
        (DIGIT, "must be a dict with 'digit', 'angle', or a tuple"),
        ((DIGIT, ANGLE, ANGLE), "targets must be 2, for 'digit', 'angle', found 3"),
        ({**BOTH, "angle": ANGLE[:, 0]}, r"target 'angle': .*\(n, 1\), found \(40,\); .reshape"),
        ({**BOTH, "digit": DIGIT + 1}, "target 'digit': label 3 in row .* is out of range"),
    ],
)
def test_targets_are_those_of_the_outputs(targets: Any, words: str) -> None:
    with pytest.raises(cnn.DataError, match=words):
        two().fit(X, targets, loss=LOSS, **KW)


def test_each_item_has_all_targets() -> None:
    session = cnn.Session(two(), LOSS)
    with pytest.raises(cnn.DataError, match="every loss, found 4 of 'digit', 3 of 'angle'"):
        session.step(X[:4], {"digit": DIGIT[:4], "angle": ANGLE[:3]})


def test_a_dict_is_not_for_one_loss() -> None:
    with pytest.raises(cnn.DataError, match="one loss takes one array of targets, found a dict"):
        two().fit(X, BOTH, **KW)


def test_losses_that_see_several_predictions() -> None:
    """And one without a target: the code is to be near a normal distribution."""

    def together(digit: cnn.Value, angle: cnn.Value, target: cnn.Value) -> cnn.Value:
        return cnn.mean((cnn.sum(digit, 1, keepdims=True) - angle - target) ** 2.0)

    def small(code: cnn.Value) -> cnn.Value:
        return cnn.mean(code * code)

    loss = {("digit", "angle"): together, "code": cnn.losses.WithoutTarget(small)}
    model = two()
    history = model.fit(X, {("digit", "angle"): ANGLE}, loss=loss, epochs=3, **KW)
    assert history.columns == ["loss", "digit_angle_loss", "code_loss"]
    out = {key: y.astype(np.float64) for key, y in model.predict(X).items()}
    found = model.evaluate(X, ANGLE)
    wanted = ((out["digit"].sum(1, keepdims=True) - out["angle"] - ANGLE) ** 2).mean()
    assert found["digit_angle_loss"] == pytest.approx(wanted, rel=1e-5)
    assert found["code_loss"] == pytest.approx((out["code"] ** 2).mean(), rel=1e-5)


def test_triplets_need_no_targets() -> None:
    names = ("anchor", "positive", "negative")
    weight = cnn.parameter((4, 2), name="w")
    inputs = [cnn.input(name, (4,)) for name in names]
    outputs = {f"{v.node.name}_code": cnn.matmul(v, weight) for v in inputs}
    data = {name: RNG.normal(size=(24, 4)).astype(np.float32) for name in names}
    alone, keyed = (cnn.Model(inputs, outputs) for _ in range(2))
    history = alone.fit(data, loss=cnn.losses.Triplet(margin=0.5), epochs=4, **KW)
    assert history[-1]["loss"] < history[0]["loss"] and history.columns == ["loss"]
    keyed.initialize(0).fit(data, loss={tuple(outputs): cnn.losses.Triplet(0.5)}, epochs=4, **KW)
    assert same(alone, keyed) and alone.evaluate(data)["loss"] < history[-1]["loss"]
    with pytest.raises(cnn.GraphError, match="triplet compares 3 predictions, and the outputs of"):
        cnn.Model(inputs, [*outputs.values(), inputs[0]], "two").training_graph("triplet")


def test_export_for_training_is_of_one_loss(tmp_path: Path) -> None:
    with pytest.raises(cnn.ExportError, match="one loss and its target, found digit: CrossEntropy"):
        two().export_onnx_training(tmp_path / "t", loss=LOSS)
