"""What the graph can hold, `fit`, `evaluate`, `predict` and data sets can feed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn

RNG = np.random.default_rng(0)
KW: dict[str, Any] = dict(progress=False, batch_size=8, optimizer=cnn.Adam(0.02))
SHAPES = [(), (5,), (2, 7), (1, 6, 6), (3, 5, 4), (2, 3, 4, 5), (1, 2, 3, 2, 3)]


def network(shape: tuple[int, ...], dtype: str = "float32") -> cnn.Model:
    x = cnn.input("x", shape, dtype)
    h = cnn.cast(x, "float32") if dtype != "float32" else x
    h = cnn.reshape(h, (int(np.prod(shape)),))
    h = cnn.dense(h, 8, activation="relu")
    return cnn.Model(x, cnn.dense(h, 2, name="logits"))


def items(shape: tuple[int, ...], n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x = RNG.random((n, *shape)).astype(np.float32)
    return x, (x.reshape(n, -1).mean(1) > 0.5).astype(np.int64)


def same_bits(a: cnn.Model, b: cnn.Model) -> bool:
    return all(np.array_equal(a.states[k], b.states[k]) for k in a.states)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_items_of_any_rank(shape: tuple[int, ...], runtime: str, tmp_path: Path) -> None:
    x, y = items(shape)
    data = cnn.data.arrays(x, y)
    assert data.image_shape == shape and len(data) == 40
    train, held = data.split(0.25)
    assert (len(train), len(held)) == (30, 10) and train.images.shape == (30, *shape)
    options = dict(KW, validation=held, runtime=runtime, seed=1)
    whole, resumed, pair = network(shape), network(shape), network(shape)
    history = whole.fit(train, epochs=4, **options)
    resumed.fit(train, epochs=2, checkpoint=tmp_path, **options)
    resumed.fit(train, epochs=4, resume=tmp_path, **options)
    pair.fit(train.images, train.labels, epochs=4, **options)
    assert same_bits(whole, resumed) and same_bits(whole, pair)
    found = whole.evaluate(held, runtime=runtime, batch_size=8)
    assert found["loss"] == pytest.approx(history[-1]["val_loss"], rel=1e-6)
    assert whole.evaluate(held.images, held.labels, runtime=runtime, batch_size=8) == found
    right = (whole.predict(held.images, runtime=runtime).argmax(1) == held.labels).mean()
    assert found["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize("shape", [(4,), (3, 5), (1, 4, 4), (2, 2, 3, 2)], ids=str)
def test_whole_numbers_as_inputs(shape: tuple[int, ...]) -> None:
    x = RNG.integers(0, 9, (40, *shape))
    y = (x.reshape(40, -1).mean(1) > 4).astype(np.int64)
    model = network(shape, "int64")
    history = model.fit((x, y), epochs=3, **KW)
    assert history[-1]["loss"] < history[0]["loss"]
    by_name = network(shape, "int64")
    by_name.fit(cnn.data.arrays({"x": x}, y), epochs=3, **KW)
    assert same_bits(model, by_name)


def two() -> cnn.Model:
    image, extra = cnn.input("image", (1, 6, 6)), cnn.input("extra", (3,))
    x = cnn.concat([cnn.flatten(image), extra], 1)
    return cnn.Model([image, extra], cnn.dense(cnn.dense(x, 8, activation="relu"), 2))


def two_data(n: int = 40) -> tuple[dict[str, np.ndarray], np.ndarray]:
    image = RNG.integers(0, 256, (n, 1, 6, 6)).astype(np.uint8)
    extra = RNG.random((n, 3)).astype(np.float32)
    return {"image": image, "extra": extra}, (extra.sum(1) > 1.5).astype(np.int64)


def test_several_inputs_as_dict_tuple_and_data_set(tmp_path: Path) -> None:
    xs, y = two_data()
    norm = cnn.Normalisation((0.5,), (0.25,))
    data = cnn.data.arrays(xs, y, normalisation=norm, name="pairs")
    assert repr(data) == (
        "<Dataset 'pairs': 40 items of image 1×6×6 uint8, extra 3 float32, 2 classes>"
    )
    inputs, label = data[3]
    assert inputs["extra"].tolist() == xs["extra"][3].tolist() and label == y[3]
    assert data[5:9].images["image"].shape == (4, 1, 6, 6)
    train, held = data.split(0.25)
    by_set, resumed, by_session = two(), two(), two()
    history = by_set.fit(train, epochs=4, validation=held, **KW)
    assert history[-1]["loss"] < history[0]["loss"] and by_set.normalisation == norm
    resumed.fit(train, epochs=1, checkpoint=tmp_path, validation=held, **KW)
    resumed.fit(train, epochs=4, resume=tmp_path, validation=held, **KW)
    assert same_bits(by_set, resumed)
    with cnn.Session(by_session, optimizer=cnn.Adam(0.02)) as session:
        for epoch in range(4):
            for batch, labels in train.batches(8, train.shuffled_order(0, epoch)):
                session.step(batch, labels)
    assert same_bits(by_set, by_session) and by_session.normalisation == norm
    p = by_set.predict(held.images)
    assert np.array_equal(p, by_set.predict((held.images["image"], held.images["extra"])))
    assert by_set.evaluate(held)["accuracy"] == pytest.approx((p.argmax(1) == held.labels).mean())

    as_dict, as_tuple = two(), two()
    as_dict.fit((xs, y), **KW)
    as_tuple.fit(((xs["image"], xs["extra"]), y), **KW)
    assert same_bits(as_dict, as_tuple)


def test_every_image_input_is_scaled_and_the_first_normalised() -> None:
    a, b = cnn.input("a", (1, 2, 2)), cnn.input("b", (3, 2, 2))
    model = cnn.Model([a, b], {"a": cnn.relu(a), "b": cnn.relu(b)})
    model.normalisation = cnn.Normalisation((0.2,), (0.5,))
    x = {"a": np.full((1, 1, 2, 2), 255, np.uint8), "b": np.full((1, 3, 2, 2), 255, np.uint8)}
    found = model.predict(x)
    assert found["a"].max() == pytest.approx(0.8 / 0.5) and found["b"].max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("model", "data", "match"),
    [
        (two, (RNG.random((4, 1, 6, 6)), [0, 1, 0, 1]), "the inputs image, extra; .* one array"),
        (two, ({"image": np.zeros((4, 1, 6, 6))}, [0] * 4), "takes the inputs .* has image$"),
        (two, ({"image": np.zeros((4, 1, 6, 6)), "extra": np.zeros((3, 3))}, [0] * 4), "equally"),
        (two, ({"image": np.zeros((4, 1, 6, 6)), "extra": np.zeros((4, 2))}, [0] * 4),
         r"takes f32 items \(3,\) for extra, but 'arrays' has \(2,\)"),
        (two, {"image": np.zeros((4, 1, 6, 6))}, "found dict with image; inputs by name are"),
        (two, [1, 2, 3], "a pair .* found list"),
        (lambda: network((1, 6, 6)), (np.zeros((6, 6)), [0] * 6), r"\(1, 6, 6\), but .* \(6,\)"),
        (lambda: network((1, 6, 6)), (np.zeros((1, 6, 6)), [0]), None),
        (lambda: network((6, 6, 6)), (np.zeros((6, 6, 6)), [0] * 6), r"image\[None\]"),
        (lambda: network((3, 6, 5)), (np.zeros((2, 6, 5, 3)), [0, 1]), "channels last"),
        (lambda: network((5,)), (np.zeros((4, 6)), [0] * 4), r"items \(5,\), but 'x' has|\(6,\)"),
        (lambda: network((5,)), (np.array([["a"] * 5]), [0]), "must be numbers, found str"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit(model: Any, data: Any, match: str | None) -> None:
    if match is None:
        model().fit(data, progress=False)
        return
    with pytest.raises(cnn.DataError, match=match):
        model().fit(data, progress=False)


def test_what_is_given_in_the_wrong_place() -> None:
    x, y = items((1, 6, 6))
    data, model = cnn.data.arrays(x, y), network((1, 6, 6))
    with pytest.raises(cnn.DataError, match="fed arrays, found a Dataset: pass its images"):
        model.predict(data)
    with pytest.raises(cnn.DataError, match="a Dataset has targets of its own"):
        model.fit(data, y, progress=False)


def test_few_items_with_the_batch_size_that_nobody_chose() -> None:
    x, y = items((1, 6, 6), n=20)
    model = network((1, 6, 6))
    model.fit((x, y), progress=False)
    again = network((1, 6, 6))
    again.fit((x, y), batch_size=20, progress=False)
    assert same_bits(model, again)


def test_a_prediction_that_is_time_major() -> None:
    x = cnn.input("x", (5, 3))
    steps = cnn.matmul(x, cnn.parameter((3, 2), name="w"))
    first, second = cnn.Model(x, steps), cnn.Model(x, cnn.transpose(steps, (1, 0, 2)))
    data = RNG.random((21, 5, 3)).astype(np.float32), RNG.random((21, 5, 2)).astype(np.float32)
    for model in (first, second):
        model.initialize(3).fit(data, epochs=2, loss="mse", validation=data, seed=3, **KW)
    np.testing.assert_allclose(first.parameters["w"], second.parameters["w"], rtol=1e-5)
    error = np.mean((second.predict(data[0]).transpose(1, 0, 2) - data[1]) ** 2)
    assert second.evaluate(data, batch_size=4)["loss"] == pytest.approx(error, rel=1e-5)
    with pytest.raises(cnn.DataError, match=r"targets must have the shape \(n, 5, 2\)"):
        second.evaluate((data[0], data[1][:, 0]))


@pytest.mark.parametrize("kind", [tuple, list])
def test_inputs_in_their_order(kind: Any) -> None:
    a, b = cnn.input("a", (3,)), cnn.input("b", (3,))
    model = cnn.Model([a, b], cnn.dense(a * b, 1))
    first, second = RNG.random((2, 20, 3)).astype(np.float32)
    target = RNG.random((20, 1)).astype(np.float32)
    by_name, in_order = {"a": first, "b": second}, kind((first, second))
    model.fit(in_order, target, epochs=1, loss="mse", **KW)
    assert model.evaluate(in_order, target) == model.evaluate((by_name, target))
    assert np.array_equal(model.predict(in_order), model.predict(by_name))
