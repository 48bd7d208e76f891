"""Methods side by side, and the numbers that say what their maps are worth."""

import pickle

import numpy as np
import pytest
from support.small_training import small, stripes, train

import graphcnn as cnn
from graphcnn.lens.attribution.certificates import cascade, curves, order_of, rank_correlation
from graphcnn.lens.attribution.methods import METHODS
from graphcnn.lens.attribution.subject import subject
from graphcnn.lens.attribution.ties import tied_pixels
from graphcnn.lens.probe import Probe


@pytest.fixture(scope="module")
def model() -> cnn.Model:
    return train(small().initialize(0))


def test_rank_correlation_is_that_of_ranks_with_means_for_ties() -> None:
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([-1.0, 20, -30, 400])) == 1
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1
    found = rank_correlation(np.array([1.0, 1, 2, 3]), np.array([1.0, 2, 3, 3]))
    assert np.isclose(found, np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5])[0, 1])
    assert rank_correlation(np.zeros(4), np.arange(4.0)) == 0


def test_the_most_important_pixel_comes_first() -> None:
    assert order_of(np.array([[1.0, 3.0], [3.0, -4.0]])).tolist() == [1, 2, 0, 3]


def test_deletion_and_insertion_are_loops(model: cnn.Model) -> None:
    lens, image = model.lens(), stripes(1, seed=5).images
    about, start = subject(lens, image, 1), lens.black()[0]
    order = order_of(lens.gradient(image, 1).array[0, 0])
    found = curves(lens, about, order, start[0], 4)
    deleted, inserted = about.fed.copy(), start.copy()
    for step in range(5):
        chosen = order[: 16 * step]
        deleted.reshape(64)[chosen] = start.reshape(64)[chosen]
        inserted.reshape(64)[chosen] = about.fed.reshape(64)[chosen]
        for curve, made in ((found.deletion, deleted), (found.insertion, inserted)):
            s = lens.predicted(made)[0].astype(np.float64)
            assert np.isclose(curve[step], np.exp(s[1]) / np.exp(s).sum(), atol=1e-6)
    d = found.deletion
    assert np.isclose(found.areas[0], (d[0] / 2 + d[1] + d[2] + d[3] + d[4] / 2) / 4)


def test_weights_are_shuffled_from_the_scores_to_the_image(model: cnn.Model) -> None:
    lens = model.lens()
    before = {key: array.tobytes() for key, array in model.states.items()}
    stages = cascade(lens, 3, 6)
    assert [name for name, _ in stages] == ["logits", "bn1", "c1"]
    first, last = stages[0][1], stages[-1][1]
    assert np.array_equal(first["c1.weight"], model.states["c1.weight"])
    for key in ("c1.weight", "logits.weight"):
        assert not np.array_equal(last[key], model.states[key])
        assert np.array_equal(np.sort(last[key], None), np.sort(model.states[key], None))
    image = stripes(1, seed=5).images
    plain = lens.gradient(image, 1)
    other = lens.on(last).gradient(image, 1)
    assert not np.array_equal(plain.array, other.array)
    copied = small()
    copied.update_states({key: np.array(array) for key, array in last.items()})
    copied.normalisation = model.normalisation
    assert np.array_equal(copied.lens().gradient(image, 1).array, other.array)
    assert np.array_equal(lens.gradient(image, 1).array, plain.array)
    assert before == {key: array.tobytes() for key, array in model.states.items()}


def test_other_states_run_on_what_is_compiled(model: cnn.Model) -> None:
    lens = model.lens()
    image = stripes(1, seed=5).images
    lens.gradient(image, 1)
    probes = {id(p._runner) for p in lens._made.values() if isinstance(p, Probe)}
    states = cascade(lens, 3, 6)[-1][1]
    other = lens.on(states)
    found = other.gradient(image, 1).array
    assert {id(p._runner) for p in other._made.values() if isinstance(p, Probe)} == probes
    again = pickle.loads(pickle.dumps(other)).gradient(image, 1).array
    assert np.array_equal(found, again), "a copy has these states, too"


def test_all_methods_stand_side_by_side_with_their_certificates(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images[0]
    one, two = model.lens(threads=1), model.lens(threads=2)
    found = one.attribute(image, 1, methods=list(METHODS))
    names = [name for name in METHODS if name in found.arrays]
    assert len(names) >= 10 and {"gradient", "integrated", "occlude", "guided"} <= {*names}
    for name in ("gradient", "integrated"):
        assert np.array_equal(found[name], getattr(one, name)(image, 1).array)
    assert found["areas"].shape == (len(names) + 1, 2)
    assert found["correlation"].shape == (len(names), 3, 2)
    assert found.facts["shuffled weights"] == "logits → bn1 → c1"
    again = two.attribute(image, 1, methods=list(METHODS))
    for key, array in found.arrays.items():
        assert array.tobytes() == again[key].tobytes(), key
    assert found.png() == again.png()
    with pytest.raises(cnn.LensError, match="on one image, found 2"):
        one.attribute(stripes(2, seed=5).images, 1)
    with pytest.raises(cnn.LensError, match="methods are some of gradient"):
        one.attribute(image, 1, methods=["saliency"])


def test_pixels_that_hang_on_ties_are_counted() -> None:
    x = cnn.input("image", (1, 4, 4))
    y = cnn.flatten(cnn.max_pool2d(x, 2))
    net = cnn.Model(x, cnn.dense(y, 2, name="logits")).initialize(0)
    image = np.zeros((1, 1, 4, 4), np.float32)
    image[0, 0] = np.arange(16).reshape(4, 4)
    lens = net.lens()
    assert tied_pixels(lens, subject(lens, image, 1)) == 0
    image[0, 0, :2, :2] = 3
    assert tied_pixels(lens, subject(lens, image, 1)) == 2 / 16


def test_most_of_a_digit_is_background_and_it_is_said(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images[0].copy()
    image[:, :6] = 0
    found = model.lens().attribute(image, 1, methods=["gradient", "guided"])
    assert found.facts["background"].startswith("75 % of the pixels are one number")
    lens = model.lens()
    (_, states) = cascade(lens, 0, 6)[0]
    own, other = lens.gradient(image, 1).array, lens.on(states).gradient(image, 1).array
    whole, inside = found["correlation"][0, 0]
    assert whole == rank_correlation(own, other)
    assert inside == rank_correlation(own[..., 6:, :], other[..., 6:, :])
    assert "background" not in model.lens().attribute(
        stripes(1, seed=5).images[0], 1, methods=["gradient"]
    ).facts  # fmt: skip
