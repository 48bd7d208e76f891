"""The result of every operator, for batches as machine code."""

import numpy as np
import pytest

import graphcnn as cnn


def merged() -> cnn.Model:
    """What inference merges: a convolution with its normalisation, a sum and a ReLU; a dropout."""
    image = cnn.input("image", (2, 9, 9))
    x = cnn.conv2d(image, 6, 3, padding=1, activation="relu", name="C1")
    y = cnn.batch_norm(cnn.conv2d(x, 6, 3, padding=1, name="C2"), name="B2")
    y = cnn.dropout(cnn.relu(cnn.add(x, y, name="add"), name="R2"), name="D")
    y = cnn.max_pool2d(y, 3, name="S3")
    model = cnn.Model(image, cnn.dense(cnn.flatten(y, name="flat"), 4, name="F4"))
    rng = np.random.default_rng(1)
    model.initialize_missing(0)
    model.replace_states({k: rng.uniform(0.2, 1, v.shape).astype(v.dtype) for k, v in
                          model.states.snapshot().items()})  # fmt: skip
    return model


def test_batches_have_the_results_of_the_definition() -> None:
    model = merged()
    images = np.random.default_rng(0).normal(size=(5, 2, 9, 9)).astype(np.float32)
    names = ["image", "C1", "C1.relu", "C2", "B2", "add", "R2", "D", "S3", "flat", "F4"]
    expected = model.activations(images, runtime="reference")
    found = model.activations(images, threads=1)
    for each in (expected, found):
        assert sorted(each) == sorted(names)
    for name, array in expected.items():
        np.testing.assert_allclose(
            found[name], array, rtol=0, atol=2e-6 * np.abs(array).max(), err_msg=name
        )
    np.testing.assert_array_equal(found["R2"], np.maximum(found["add"], 0))
    again = model.activations(images, threads=2, batch_size=2)
    for name, array in model.activations(images, threads=1, batch_size=2).items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)
        np.testing.assert_allclose(array, found[name], rtol=0, atol=2e-6 * np.abs(array).max())
    alone = model.activations(images[3])
    for name, array in model.activations(images[3:4], runtime="reference").items():
        np.testing.assert_array_equal(alone[name], array, err_msg=name)
    model.replace_states({k: v * 2 for k, v in model.states.snapshot().items()})
    assert not np.allclose(model.activations(images)["C1"], found["C1"])


def test_items_that_influence_each_other_run_at_once() -> None:
    x = cnn.input("x", (3,))
    model = cnn.Model(x, cnn.sub(x, cnn.mean(x, 0, keepdims=True, name="mean"), name="rest"))
    items = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    found = model.activations(items)
    np.testing.assert_allclose(found["mean"], items.mean(0, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(found["rest"], items - items.mean(0), atol=1e-6)
    with pytest.raises(cnn.DataError, match="outputs depend on all items of a batch"):
        model.activations(items, batch_size=8)
