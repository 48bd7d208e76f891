"""Gradients, integrated and smoothed, and the maps that are refused."""

import numpy as np
import pytest
from support.small_training import small, stripes, train

import graphcnn as cnn
from graphcnn.ir.philox import words
from graphcnn.lens.attribution import samples
from graphcnn.lens.attribution.integrated import gauss_legendre
from graphcnn.lens.attribution.smooth import noise_of
from graphcnn.models import lenet5


@pytest.fixture(scope="module")
def model() -> cnn.Model:
    return train(small().initialize(0))


def test_gradients_are_quotients_of_differences(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images[0]
    lens = model.lens()
    plain = lens.gradient(image, 1)
    assert plain.array.shape == (1, 1, 8, 8) and plain["score"].shape == (1,)
    steps = np.eye(64, dtype=np.float32).reshape(64, 1, 8, 8) * np.float32(1e-3)
    both = [lens.predicted(lens.fed(image[None] + s * steps))[:, 1] for s in (1, -1)]
    slopes = ((both[0] - both[1]) / 2e-3).reshape(8, 8)
    std = model.normalisation.std[0] if model.normalisation else 1
    assert np.allclose(plain.array[0, 0] / std, slopes, atol=0.02 * np.abs(slopes).max())
    timed = lens.gradient(image, 1, times_input=True)
    assert np.array_equal(timed.array, plain.array * lens.fed(image))


def test_contributions_add_up(model: cnn.Model) -> None:
    lens, data = model.lens(), stripes(3, seed=6)
    found = lens.integrated(data.images, data.labels.tolist())
    difference = found["score"] - found["baseline_score"]
    assert np.allclose(found["sum"], difference, rtol=0.01)
    assert "residual" in found.facts["sum"] and "Gauss-Legendre" in found.facts["steps"]
    coarse = lens.integrated(data.images, 0, steps=1, rule="riemann-right", tolerance=None)
    raised = lens.integrated(data.images, 0, steps=1, rule="riemann-right", tolerance=0.01)
    assert (coarse["steps"] == 1).all() and raised["steps"].max() > 1
    assert np.allclose(raised["sum"], raised["score"] - raised["baseline_score"], rtol=0.01)
    assert "raised from 1" in raised.facts["steps"] and "raised" not in coarse.facts["steps"]
    lift = lens.gradient(data.images, 0, rule="deeplift")
    start = lens.predicted(lens.black()[0])[0, 0]
    total = lift.array.sum((1, 2, 3))
    assert np.allclose(total, lift["score"] - start, atol=1e-4)


def test_the_places_of_integration_are_those_of_numpy() -> None:
    for n in (1, 2, 7, 50):
        weights, places = gauss_legendre(n)
        x, w = np.polynomial.legendre.leggauss(n)
        assert np.allclose(places, (1 + x) / 2, atol=1e-15, rtol=0)
        assert np.allclose(weights, w / 2, atol=1e-14, rtol=0)


def test_noise_is_keyed_by_seed_and_sample() -> None:
    whole = samples.normal(7, 0, 300, samples.NOISE, 65)
    parts = [samples.normal(7, i, i + 100, samples.NOISE, 65) for i in (0, 100, 200)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.array_equal(samples.words(7, 3, 4, 5, 9)[0], words(7, 3, 5, 9))
    assert abs(whole.mean()) < 0.02 and abs(whole.std() - 1) < 0.02
    assert not np.array_equal(whole, samples.normal(8, 0, 300, samples.NOISE, 65))


def test_a_smoothed_gradient_is_the_mean_over_noisy_copies(model: cnn.Model) -> None:
    lens, fed = model.lens(), model.lens().fed(stripes(1, seed=5).images)
    noise = np.float32(0.2) * (fed.max() - fed.min()) * noise_of(3, 0, 70, (1, 8, 8))
    each = lens.gradient(fed + noise, [1] * 70).array.astype(np.float64)
    unfed = stripes(1, seed=5).images
    found = lens.smooth(unfed, 1, samples=70, noise=0.2, seed=3)
    assert np.allclose(found.array[0], each.mean(0), atol=1e-6 * np.abs(each).max())
    squares = lens.smooth(unfed, 1, samples=70, noise=0.2, seed=3, squared=True)
    assert np.allclose(squares.array[0], (each**2).mean(0), rtol=1e-4, atol=1e-6)


def test_an_image_has_the_same_bits_alone_again_and_on_two_threads(model: cnn.Model) -> None:
    images = stripes(3, seed=7).images
    one, two = model.lens(threads=1), model.lens(threads=2)
    for look in (
        lambda lens, x: lens.gradient(x, 1, rule="lrp"),
        lambda lens, x: lens.integrated(x, 1),
        lambda lens, x: lens.smooth(x, 1, samples=70, seed=3),
    ):
        first = look(one, images)
        assert first.array.tobytes() == look(two, images).array.tobytes()
        assert first.array.tobytes() == look(one, images).array.tobytes()
        assert first.array[1].tobytes() == look(two, images[1]).array.tobytes()
        assert first.png() == look(two, images).png()


def closed(value: float) -> cnn.Model:
    """LeNet-5 whose C5 is closed by its biases, or not a number."""
    model = lenet5().initialize(0)
    return model.set_parameters({"C5.bias": np.full(120, value, np.float32)}) or model


def test_maps_that_show_nothing_are_refused_with_the_layer(model: cnn.Model) -> None:
    image = np.random.default_rng(0).random((2, 1, 28, 28)).astype(np.float32)
    lens = closed(-100.0).lens()
    with pytest.raises(
        cnn.LensError, match=r'logits\[7\].*image 0.*dies at relu "F6.relu", all 84'
    ):
        lens.gradient(image, 7)
    with pytest.raises(cnn.LensError, match=r'C5\[3\]: .*dies at relu "C5.relu", all 120 units'):
        lens.gradient(image[0], 3, layer="C5")
    assert np.abs(lens.gradient(image, 7, rule="redirected").array).max() > 0
    with pytest.raises(cnn.LensError, match='not finite is dense "C5"'):
        closed(np.nan).lens().gradient(image, 7)
    with pytest.raises(cnn.LensError, match="image 0 is one colour"):
        model.lens().smooth(np.zeros((1, 1, 8, 8), np.float32), 1)
    with pytest.raises(cnn.LensError, match="no rule is called 'guide'"):
        model.lens().gradient(image, 7, rule="guide")
    with pytest.raises(cnn.LensError, match="3 targets for 2 images"):
        closed(0.0).lens().gradient(image, [1, 2, 3])


def test_every_pixel_of_a_segmentation_has_scores() -> None:
    net = cnn.models.unet(classes=3, size=32).initialize(0)
    x = np.random.default_rng(0).random((2, *net.graph.inputs[0].shape[1:])).astype(np.float32)
    found = net.lens().gradient(x, 1)
    assert found.array.shape == x.shape and found.facts["target"].startswith("logits[1]")
    assert np.allclose(found["score"], net.lens().predicted(x)[:, 1].mean((1, 2)), atol=1e-5)
