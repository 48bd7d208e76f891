"""Targets: their type comes from the data, and which numbers are allowed from the graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.ir.node import Array
from graphcnn.learning.target_rule import TargetRule
from graphcnn.network.feeding import target_rule
from graphcnn.runtime.execution import Execution

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 1, 6, 6)).astype(np.float32)
LABELS = (IMAGES[:, 0, 0, 0] * 3).astype(np.int64)
PIXELS = (IMAGES[:, 0] * 3).astype(np.int64)
WEIGHT = np.array([0.5, 1.0, 2.0], np.float32)
KW: dict[str, Any] = dict(progress=False, batch_size=8, optimizer=cnn.Adam(0.02))


def classifier(classes: int = 3) -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    return cnn.Model(image, cnn.dense(cnn.flatten(image), classes, name="logits"))


def segmenter(classes: int = 3) -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.conv2d(image, 8, 3, padding=1, activation="relu")
    return cnn.Model(image, cnn.conv2d(x, classes, 1))


def same_bits(a: cnn.Model, b: cnn.Model) -> bool:
    return all(np.array_equal(a.states[k], b.states[k]) for k in a.states)


def written_out(z: cnn.Value, t: cnn.Value) -> cnn.Value:
    """A label-smoothed and weighted cross-entropy as users write it."""
    target = cnn.one_hot(t, 3) * 0.9 + 0.1 / 3
    return -cnn.mean(cnn.sum(target * cnn.constant(WEIGHT) * cnn.log_softmax(z), 1))


def test_the_function_is_the_loss_of_that_name() -> None:
    by_name, by_function = classifier(), classifier()
    by_name.fit((IMAGES, LABELS), loss="cross_entropy", **KW)
    history = by_function.fit((IMAGES, LABELS), loss=cnn.cross_entropy, **KW)
    assert same_bits(by_name, by_function) and "accuracy" in history.columns
    assert by_function.loss == "cross_entropy"
    assert by_function.evaluate((IMAGES, LABELS)) == by_name.evaluate((IMAGES, LABELS))


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, t: cnn.cross_entropy(z, t),
        lambda z, t: cnn.cross_entropy(z, t, label_smoothing=0.1),
        lambda z, t: cnn.cross_entropy(z, t, weight=WEIGHT, label_smoothing=0.1),
        written_out,
    ],
)
def test_class_numbers_reach_a_loss_of_ones_own(loss: Callable[..., cnn.Value]) -> None:
    model, own = classifier(), classifier()
    history = model.fit(
        (IMAGES, LABELS), validation=(IMAGES, LABELS), loss=loss, metrics="accuracy", epochs=2, **KW
    )
    assert history[-1]["loss"] < history[0]["loss"] and "val_accuracy" in history.columns
    # The default is the loss of the last training; `predict` gives what the graph gives.
    assert model.evaluate((IMAGES, LABELS)) == model.evaluate((IMAGES, LABELS), loss=loss)
    session = cnn.Session(own, loss, cnn.Adam(0.02), metrics="accuracy")
    data = cnn.data.arrays(IMAGES, LABELS)
    for epoch in range(2):
        for x, t in data.epoch(0, epoch, 8):
            session.step(x, t)
    session.sync()
    assert same_bits(model, own)
    with pytest.raises(cnn.DataError, match="label 3 in row 7 is out of range: 3 classes"):
        model.fit((IMAGES, np.where(np.arange(40) == 7, 3, LABELS)), loss=loss, **KW)


def expected_loss(
    z: Array, t: Array, weight: Array, smoothing: float, ignored: tuple[int, ...]
) -> float:
    """The formula of the documentation, in float64, item by item."""
    rows = np.moveaxis(z, 1, -1).reshape(-1, z.shape[1]).astype(np.float64)
    top = total = 0.0
    for row, label in zip(rows, t.reshape(-1), strict=True):
        if label in ignored:
            continue
        minus_log = np.log(np.exp(row - row.max()).sum()) - (row - row.max())
        top += (1 - smoothing) * weight[label] * minus_log[label]
        top += smoothing / len(row) * float(weight @ minus_log)
        total += weight[label]
    return top / total if total else 0.0


@pytest.mark.parametrize("runtime", ["native", "reference"])
@pytest.mark.parametrize("item", [(), (4, 5)])
@pytest.mark.parametrize(
    ("weight", "smoothing", "ignored"),
    [(WEIGHT, 0, ()), (None, 0, 255), (None, 0.2, -1), (WEIGHT, 0.2, (255, -1)), ("zero", 0, 255)],
)
def test_weights_smoothing_and_labels_that_are_left_out(
    runtime: str, item: tuple[int, ...], weight: Any, smoothing: float, ignored: Any
) -> None:
    left_out = (ignored,) if isinstance(ignored, int) else ignored
    z = RNG.normal(size=(6, 3, *item)).astype(np.float32)
    t = RNG.integers(0, 3, (6, *item))
    for label in left_out:
        t.reshape(-1)[RNG.integers(0, t.size, t.size // 4)] = label
    w = {None: np.ones(3), "zero": np.array([0.0, 1.0, 0.0])}.get(
        weight if isinstance(weight, str | None) else "", WEIGHT
    )
    given = None if weight is None else w
    logits, labels = cnn.input("z", (3, *item)), cnn.input("t", item, "int64")
    loss = cnn.cross_entropy(
        logits, labels, weight=given, label_smoothing=smoothing, ignore_index=ignored
    )
    model = cnn.Model([logits, labels], {"loss": loss, "dz": cnn.gradients(loss, [logits])[0]})
    found, _ = Runner(model.graph, Execution(runtime)).run({"z": z, "t": t}, model.states)
    expected = expected_loss(z, t, w, smoothing, left_out)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)
    direction = RNG.normal(size=z.shape)
    moved = [
        expected_loss(z + step * direction, t, w, smoothing, left_out) for step in (1e-6, -1e-6)
    ]
    assert float((found["dz"] * direction).sum()) == pytest.approx(
        (moved[0] - moved[1]) / 2e-6, rel=1e-3, abs=1e-5
    )


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_where_no_label_counts_the_loss_is_0(runtime: str) -> None:
    logits, labels = cnn.input("z", (3,)), cnn.input("t", (), "int64")
    loss = cnn.cross_entropy(logits, labels, ignore_index=9)
    right = cnn.accuracy(logits, labels, ignore_index=9)
    model = cnn.Model([logits, labels], [loss, right, cnn.gradients(loss, [logits])[0]])
    feeds = {"z": RNG.normal(size=(4, 3)).astype(np.float32), "t": np.full(4, 9)}
    found, _ = Runner(model.graph, Execution(runtime)).run(feeds, model.states)
    assert all(not np.any(array) for array in found.values())


@pytest.mark.parametrize("ignored", [255, -1])
@pytest.mark.parametrize("as_data_set", [False, True])
def test_segmentation_with_pixels_of_no_class(ignored: int, as_data_set: bool) -> None:
    labels = np.where(IMAGES[:, 0] > 0.9, ignored, PIXELS)

    def loss(z: cnn.Value, t: cnn.Value) -> cnn.Value:
        return cnn.cross_entropy(z, t, ignore_index=ignored)

    data: Any = (IMAGES, labels)
    if as_data_set:
        data = cnn.data.arrays(IMAGES, labels, ignore_index=ignored)
        assert data.classes == ("0", "1", "2") and data[:3].ignored == (ignored,)
    model = segmenter()
    history = model.fit(
        data, validation=data, loss=loss, metrics=["accuracy"], epochs=3, seed=1, **KW
    )
    assert model.classes == ("0", "1", "2")
    predicted = model.predict(IMAGES).argmax(1)
    counts = labels != ignored
    share = float((predicted == labels)[counts].mean())
    assert history[-1]["val_accuracy"] == pytest.approx(share, abs=0.01)
    whole = model.evaluate(data, metrics=["accuracy"], batch_size=40)
    assert whole["accuracy"] == pytest.approx(share, rel=1e-5)
    wrong = labels.copy()
    wrong[4, 1, 2] = 17
    with pytest.raises(
        cnn.DataError, match=rf"label 17 in row 4 at \(1, 2\) .* 0..2, and {ignored} is ignored"
    ):
        model.fit((IMAGES, wrong), loss=loss, **KW)


def test_which_labels_are_right_is_read_off_the_graph() -> None:
    from_one = target_rule(classifier(), lambda z, t: cnn.cross_entropy(z, t - 1), LABELS)
    assert [from_one.accepts(i) for i in range(5)] == [False, True, True, True, False]

    def masked(z: cnn.Value, t: cnn.Value) -> cnn.Value:
        counts = cnn.not_equal(t, 99)
        return cnn.cross_entropy(z, cnn.where(counts, t, 0))

    own = target_rule(classifier(), masked, LABELS)
    assert own.ignored == (99,) and own.accepts(2) and not own.accepts(3)
    free = target_rule(
        classifier(), lambda z, t: cnn.mean(z) * cnn.mean(cnn.cast(t, "f32")), LABELS
    )
    assert free.accepts(-7) and free.classes is None


def test_whole_numbers_for_binary_cross_entropy() -> None:
    y = (LABELS > 0).astype(np.int64)
    as_ints, as_floats = classifier(1), classifier(1)
    as_ints.fit((IMAGES, y), loss="binary_cross_entropy", **KW)
    as_floats.fit((IMAGES, y[:, None].astype(np.float32)), loss="binary_cross_entropy", **KW)
    assert same_bits(as_ints, as_floats) and as_ints.classes == ()
    several = classifier(3)
    several.fit((IMAGES, RNG.integers(0, 2, (40, 3))), loss="binary_cross_entropy", **KW)
    with pytest.raises(cnn.DataError, match=r"floats \(n, 1\), found integers \(40,\).* 0 or 1"):
        classifier(1).fit((IMAGES, LABELS), loss="binary_cross_entropy", **KW)


@pytest.mark.parametrize(
    "loss", ["binary_cross_entropy", lambda z, t: cnn.binary_cross_entropy(z, t)]
)
def test_probabilities_outside_0_to_1_are_refused(loss: Any) -> None:
    y = RNG.random((40, 1)).astype(np.float32)
    classifier(1).fit((IMAGES, y), loss=loss, **KW)
    for value in (-0.25, 255):
        wrong = y.copy()
        wrong[3] = value
        with pytest.raises(cnn.DataError, match=rf"lie in \[0, 1\], found {value:g} in row 3"):
            classifier(1).fit((IMAGES, wrong), loss=loss, **KW)
        with pytest.raises(cnn.DataError, match=r"lie in \[0, 1\]"):
            classifier(1).evaluate((IMAGES, wrong), loss=loss)


def test_numbers_of_another_shape_than_the_prediction_for_a_loss_of_ones_own() -> None:
    def nearest(z: cnn.Value, t: cnn.Value) -> cnn.Value:  # t: two wishes of three numbers
        first, second = cnn.split(t, 2)
        far = lambda s: cnn.mean((z - cnn.reshape(s, (3,))) ** 2.0, 1)  # noqa: E731
        return cnn.mean(cnn.minimum(far(first), far(second)))

    y = RNG.random((40, 2, 3)).astype(np.float32)
    history = classifier().fit((IMAGES, y), loss=nearest, epochs=2, **KW)
    assert history[1]["loss"] < history[0]["loss"]
    # As many numbers in another shape would broadcast to what nobody meant.
    with pytest.raises(cnn.DataError, match=r"\(n, 1\), found \(40,\); \.reshape\(-1, 1\)"):
        classifier(1).fit((IMAGES, y[:, 0, 0]), loss=lambda z, t: cnn.mean((z - t) ** 2.0), **KW)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (dict(weight=[1.0, 2.0]), r"one number per class, 3, found f32\[2\]"),
        (dict(weight=[1.0, -1.0, 0.0]), "finite numbers of at least 0"),
        (dict(weight=[1.0, np.nan, 0.0]), "finite numbers of at least 0"),
        (dict(ignore_index=1.5), "ignore_index must hold ints"),
        (dict(label_smoothing=1.0), "less than 1, found 1.0"),
    ],
)
def test_wrong_settings_of_cross_entropy(mistake: dict[str, Any], message: str) -> None:
    with pytest.raises(cnn.GraphError, match=message):
        cnn.cross_entropy(cnn.input("z", (3,)), cnn.input("t", (), "int64"), **mistake)


def test_truth_values_are_the_numbers_0_and_1() -> None:
    yes = LABELS > 0
    for units, loss in ((2, "cross_entropy"), (1, "binary_cross_entropy")):
        as_truth, as_numbers = classifier(units), classifier(units)
        as_truth.fit((IMAGES, yes), loss=loss, **KW)
        as_numbers.fit(cnn.data.arrays(IMAGES, yes.astype(int)), loss=loss, **KW)
        assert same_bits(as_truth, as_numbers)
        assert as_truth.evaluate(IMAGES, yes) == as_numbers.evaluate(IMAGES, yes.astype(int))


def test_a_loss_that_is_not_known_any_more(tmp_path: Path) -> None:
    y = RNG.random((40, 3)).astype(np.float32)
    model = classifier()
    model.fit(IMAGES, y, loss=lambda z, t: cnn.mean((z - t) ** 2.0), **KW)
    loaded = cnn.load(model.save(tmp_path / "a.safetensors"))
    with pytest.raises(cnn.DataError, match="no loss is known of model"):
        loaded.evaluate(IMAGES, y)
    assert loaded.evaluate(IMAGES, y, loss="mse") == model.evaluate(IMAGES, y)
    with pytest.raises(cnn.DataError, match=r"found float32; labels\.astype\(np\.int64\)"):
        model.evaluate(IMAGES, LABELS.astype(float), loss="cross_entropy")


def test_the_graph_of_a_step_for_class_numbers() -> None:
    kind = cnn.TensorType((cnn.N,), cnn.DType.INT64)
    step = classifier().training_graph(lambda z, t: cnn.cross_entropy(z, t), target=kind)
    assert step.inputs[-1].type == kind and list(step.outputs) == ["loss"]


@pytest.mark.parametrize("as_metric", [False, True])
def test_every_item_with_every_other_is_no_loss(as_metric: bool) -> None:
    """(N, 1) and (N,) broadcast to (N, N): the mean of that learns the mean of all targets."""
    image = cnn.input("image", (1, 6, 6))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 1))
    squares = lambda z, t: cnn.mean((z - cnn.cast(t, "float32")) ** 2.0)  # noqa: E731
    flat = lambda z, t: squares(cnn.reshape(z, ()), t)  # noqa: E731
    asked = {"loss": flat, "metrics": [squares]} if as_metric else {"loss": squares}
    with pytest.raises(
        cnn.GraphError, match=r"sub \(test_targets.py:\d+\) of \(N, 1\) and \(N,\) gives \(N, N\)"
    ):
        model.fit(IMAGES, LABELS, **asked, **KW)
    model.fit(IMAGES, LABELS, loss=flat, **KW)
    model.fit(IMAGES, LABELS[:, None], loss=squares, **KW)


def test_pairs_that_are_meant() -> None:
    """A contrastive loss compares every item with every other, and says so by the axes."""

    def contrast(z: cnn.Value, t: cnn.Value) -> cnn.Value:
        same = cnn.cast(cnn.equal(cnn.reshape(t, (1,)), t), "float32")
        near = cnn.matmul(z, cnn.transpose(z, (1, 0)))
        return cnn.mean((near - same) ** 2.0)

    assert np.isfinite(classifier().fit(IMAGES, LABELS, loss=contrast, **KW)["loss"]).all()


@pytest.mark.parametrize(
    ("targets", "advice"),
    [
        (np.eye(3, dtype=np.int64)[LABELS], r"labels.argmax\(axis=1\)"),
        (np.full((40, 3), 0.3), r"soft labels must sum to 1 .*the sum 0.9 in row 0"),
        (
            np.full((40, 3), [2.0, -1, 0]),
            r"targets must lie in \[0, 1\], found -1 in row 0 at \(1,\)",
        ),
        (LABELS[:, None], r"\.reshape\(-1\) makes it so"),
        (np.array(["cat", "dog", "owl"])[LABELS], "np.unique"),
        (np.ma.masked_array(LABELS, LABELS > 1), r"hold \d+ masked numbers"),
    ],
)
def test_targets_of_other_kinds_get_advice(targets: Any, advice: str) -> None:
    with pytest.raises(cnn.DataError, match=advice):
        classifier().fit(IMAGES, targets, **KW)


def test_one_hot_pixels_and_one_output() -> None:
    one_hot = np.eye(3)[PIXELS]
    with pytest.raises(cnn.DataError, match=r"labels.argmax\(axis=3\)"):
        segmenter().fit(IMAGES, one_hot, **KW)
    # With the classes where those of the prediction are, they are soft labels.
    soft, hard = segmenter(), segmenter()
    row = soft.fit(IMAGES, np.moveaxis(one_hot, -1, 1), **KW)[-1]
    assert row == pytest.approx(hard.fit(IMAGES, PIXELS, **KW)[-1], rel=1e-5)
    with pytest.raises(cnn.DataError, match="one output for two classes takes binary_cross_ent"):
        classifier(1).fit(IMAGES, LABELS % 2, **KW)


def test_images_of_other_kinds_get_advice() -> None:
    for images, advice in (
        ((IMAGES * 255).astype(np.int64), r"images.astype\(np.uint8\)"),
        (IMAGES > 0.5, r"images.astype\(np.float32\)"),
        (np.ma.masked_array(IMAGES, IMAGES > 0.5), "masked numbers"),
    ):
        with pytest.raises(cnn.DataError, match=advice):
            classifier().fit(images, LABELS, **KW)
        with pytest.raises(cnn.DataError, match=advice):
            classifier().predict(images)


def test_functions_of_numpy_in_a_loss_are_named() -> None:
    with pytest.raises(cnn.GraphError, match=r"numpy.mean computes with numbers, and <pow"):
        classifier(1).fit(
            IMAGES, LABELS[:, None] * 0.5, loss=lambda z, t: np.mean((z - t) ** 2.0), **KW
        )


def test_writing_into_what_was_read_says_how_to_write() -> None:
    model = classifier().initialize()
    key = next(iter(model.parameters))
    with pytest.raises(cnn.GraphError, match=rf"model.set_parameters\({{'{key}': array}}\) wri"):
        model.parameters[key] = np.zeros(3)


def test_a_pair_where_one_array_is_meant() -> None:
    with pytest.raises(cnn.DataError, match=r"found arrays of \(40, 1, 6, 6\) and \(40,\)"):
        classifier().predict((IMAGES, LABELS))


def test_what_labels_there_are_is_looked_for_only_where_one_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = cnn.input("x", (5,))
    model = cnn.Model(x, cnn.dense(x, 3)).initialize(0)

    def from_one(prediction: cnn.Value, target: cnn.Value) -> cnn.Value:
        return cnn.cross_entropy(prediction, target - 1)

    images, told = np.ones((4, 5), np.float32), r"label 4 in row 2 .* have the labels 1\.\.3"
    with pytest.raises(cnn.DataError, match=told):
        model.fit((images, np.array([1, 2, 4, 1])), loss=from_one, progress=False)
    monkeypatch.setattr(TargetRule, "_taken", None)  # which is no function
    model.fit((images, np.array([1, 2, 3, 1])), loss=from_one, progress=False)
