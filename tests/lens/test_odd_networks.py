"""Networks and arguments that nobody thought of first: types, written-out shapes, unequal lists."""

import copy
import pickle

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphCnnError, LensError
from graphcnn.lens.synthesis.penalties import PENALTIES


def network(dtype: str = "float32") -> cnn.Model:
    """With constants, N in its shapes, and random numbers."""
    image = cnn.input("image", (1, 5, 5), dtype)
    x = cnn.reshape(cnn.reshape(image, (cnn.N, 25)), (cnn.N, 1, 5, 5)) * 2.0
    x = x + cnn.random_normal((cnn.N, 1, 5, 5), 0.0, 0.01, dtype=dtype)
    x = cnn.tanh(cnn.conv2d(x, 3, 3, name="C1"))
    scores = cnn.dense(cnn.reshape(x, (cnn.N, 27)), 3, name="F2")
    return cnn.Model(image, cnn.softmax(scores)).initialize(1)


IMAGES = np.random.default_rng(0).random((2, 1, 5, 5), np.float32)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_all_methods_look_at_networks_of_other_types_as_at_those_of_float32(dtype: str) -> None:
    lens, other = network().lens(), network(dtype).lens()
    other.model.set_parameters(dict(lens.model.parameters))
    for key in ("gradient", "integrated", "grad_cam", "occlude"):
        for target in range(3):
            found = [getattr(each, key)(IMAGES[:1], target, layer=None) for each in (lens, other)]
            expected, near = (each.array.astype(np.float64) for each in found)
            np.testing.assert_allclose(near, expected, atol=0.01 * np.abs(expected).max())
            if key == "grad_cam":
                break


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_layers_of_half_precision_are_worked_step_by_step(dtype: str) -> None:
    lens = network(dtype).lens()
    found = lens.steps("C1", IMAGES[0], channel=0)
    made = lens.maps(IMAGES[:1], "C1").array[0, 0].astype(np.float32)
    np.testing.assert_allclose(found["y"][-1], made, atol=0.02)


def test_places_for_items_are_bound_where_images_are_made() -> None:
    lens = network().lens()
    assert [*lens.maps(IMAGES).arrays][-1] == "image"  # constants are no layer called ""
    assert lens.maximise("C1", steps=2)["images"].shape == (3, 1, 5, 5)
    assert lens.reconstruct(IMAGES, ["C1"], steps=2)["images"].shape == (1, 2, 1, 5, 5)


def test_one_row_has_no_variation_down() -> None:
    image = cnn.input("image", (1, 1, 3))
    found = cnn.Model(image, PENALTIES["tv"](image)).predict(np.array([[[[0.0, 0.5, 0.25]]]]))
    np.testing.assert_allclose(found, [(0.5 + 0.25) / 2])
    dot = cnn.input("image", (1, 1, 1))
    assert cnn.Model(dot, PENALTIES["tv"](dot)).predict(np.ones((1, 1, 1, 1)))[0] == 0


def test_labels_of_an_array_are_a_class_for_each_image() -> None:
    lens = network().lens()
    apart = [lens.gradient(IMAGES[i : i + 1], t).array for i, t in enumerate((2, 0))]
    together = lens.gradient(IMAGES, np.array([2, 0]))
    np.testing.assert_allclose(together.array[0], apart[0][0], rtol=1e-6)
    assert "F2[0]" in together.caption


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lens: lens.smooth(IMAGES, samples=2.5), "samples must be an int of at least 1"),
        (lambda lens: lens.smooth(IMAGES, noise="3"), "noise must be a number above 0, found '3'"),
        (lambda lens: lens.integrated(IMAGES, steps=None), "steps must be an int of at least 1"),
        (lambda lens: lens.rise(IMAGES, share=1), "share must be a number above 0 and below 1"),
        (lambda lens: lens.rise(IMAGES, seed=0.5), "seed must be an int, found 0.5"),
        (lambda lens: lens.maximise("C1", turn="3"), "turn must be degrees"),
        (lambda lens: lens.maximise("C1", penalties=3), "penalties are weights by name, found 3"),
        (lambda lens: lens.maximise("C1", penalties={"tv": np.inf}), "penalties are weights of"),
        (lambda lens: lens.maximise("C1.weight"), "is state .*, not made of the image"),
        (lambda lens: lens.maximise("C1", channel=np.array([[1]])), "expected a number from 0 to"),
        (lambda lens: lens.dream(IMAGES, "none"), "has no tensor 'none'"),
        (lambda lens: lens.errors(IMAGES, [0, 1], most=-1), "most must be an int of at least 1"),
        (lambda lens: lens.steps("C1", IMAGES[0], at=3), r"at is \(row, column\)"),
        (lambda lens: lens.style(IMAGES, IMAGES, weight=-1), "weight must be a number of at least"),
    ],
)
def test_arguments_are_refused_with_what_is_expected(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GraphCnnError, match=message):
        call(network().lens())


def test_images_with_their_labels_are_no_images() -> None:
    with pytest.raises(DataError, match=r"of a pair \(images, labels\) give the images"):
        network().lens().gradient((IMAGES, np.arange(2)))
    two = cnn.input("z", (3,))
    model = network()
    both = cnn.Model([*model.graph.inputs, two], next(iter(model.graph.outputs.values())) + two)
    with pytest.raises(LensError, match="make a model of the image in which the others"):
        both.lens().gradient(IMAGES)


def test_a_lens_and_what_it_found_are_pickled_and_copied() -> None:
    lens = network().lens(threads=1)
    found = lens.gradient(IMAGES, 1)
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert again.array.tobytes() == found.array.tobytes() and not again.array.flags.writeable
        assert again.svg() == found.svg() and again.caption == found.caption
    for other in (copy.deepcopy(lens), pickle.loads(pickle.dumps(lens))):
        assert other.execution == lens.execution and other.model is not lens.model
        assert other.gradient(IMAGES, 1).array.tobytes() == found.array.tobytes()


def test_networks_without_a_gradient_are_asked_by_covering_them() -> None:
    """`round` stands for what quantises; max pooling of another output is on no way."""
    image = cnn.input("image", (1, 5, 5))
    x = cnn.relu(cnn.conv2d(cnn.round(image * 8.0), 3, 3, name="C1"))
    outputs = {"scores": cnn.dense(cnn.flatten(x), 3, name="F2"), "other": cnn.max_pool2d(x, 3)}
    lens = cnn.Model(image, outputs).initialize(1).lens()
    found = lens.attribute(IMAGES[0], 1, methods=["gradient", "occlude"])
    with pytest.raises(cnn.GradientError, match=r"round .* occlude and rise need no gradient"):
        lens.smooth(IMAGES[0], 1)
    assert np.ptp(found["occlude"]) > 0 and "gradient" not in found.arrays


@pytest.mark.parametrize("name", ["select", "baseline"])
def test_no_name_of_a_network_is_in_the_way(name: str) -> None:
    image = cnn.input(name, (1, 5, 5))
    x = cnn.relu(cnn.conv2d(image, 3, 3, name="map"))
    kernel = cnn.parameter((3, 27), name="image")
    scores = cnn.dense(cnn.flatten(x), 3, weight=kernel, name="score")
    lens = cnn.Model(image, scores).initialize(1).lens()
    assert set(lens.attribute(IMAGES[0], 1).arrays) >= {"gradient", "integrated", "occlude"}
    assert lens.gradient(IMAGES, 1, rule="deeplift").array.any()
    assert lens.grad_cam(IMAGES, 1, kind="score").array.any()
    assert lens.maximise("map", steps=1)["images"].shape == (3, 1, 5, 5)
    assert lens.ablate("map", data=(IMAGES, np.arange(2)))["accuracy"].shape == (3,)
    assert lens.unit("map", 0, data=IMAGES, steps=0)["maxima"].shape == (2,)
