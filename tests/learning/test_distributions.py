"""What a network tells of the numbers of an image: likelihood and draws, against NumPy."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.learning.distributions import (
    DISTRIBUTIONS,
    Bernoulli,
    Categorical,
    Distribution,
    LogisticMixture,
    distribution_of,
)

RNG = np.random.default_rng(0)
BY_LEVEL = [Bernoulli(), Categorical(5), Categorical(2)]
EACH = [*BY_LEVEL, LogisticMixture(5, 2), LogisticMixture(2, 3)]


def probabilities(distribution: Distribution, logits: np.ndarray, heat: float = 1) -> np.ndarray:
    """(N, C, levels, H, W)."""
    n, _, h, w = logits.shape
    if isinstance(distribution, LogisticMixture):
        top = distribution.levels - 1
        each = logits.reshape(n, -1, 3, distribution.components, 1, h, w)
        shares = np.exp(each[:, :, 0] / heat)
        shares /= shares.sum(2, keepdims=True)
        edges = np.append((2 * np.arange(top) + 1) / top - 1, np.inf)[:, None, None]
        scales = np.exp(np.maximum(each[:, :, 2], -7)) * heat
        upper = (edges - each[:, :, 1]) / scales
        lower = np.concatenate([np.full_like(upper[:, :, :, :1], -np.inf), upper[:, :, :, :-1]], 3)
        # of what is above 0 the other side, where σ is no number near 1
        other = lower > 0
        upper, lower = np.where(other, -lower, upper), np.where(other, -upper, lower)
        parts = [1 / (1 + np.exp(-np.clip(v, -700, 700))) for v in (upper, lower)]
        return (shares * (parts[0] - np.where(lower == -np.inf, 0, parts[1]))).sum(2)
    logits = logits / heat
    if isinstance(distribution, Bernoulli):
        p = 1 / (1 + np.exp(-logits))
        return np.stack([1 - p, p], 2)
    each = np.exp(logits.reshape(n, -1, distribution.levels, h, w))
    return each / each.sum(2, keepdims=True)


def exact(model: cnn.Model, fed: dict) -> np.ndarray:
    """In float64, which images are not fed in."""
    (found,) = model.runner("reference").run(fed, {})[0].values()
    return found


def case(distribution: Distribution, channels: int, dtype: str = "f64"):
    logits = cnn.input("logits", (channels * distribution.per_channel, 3, 4), dtype=dtype)
    image = cnn.input("image", (channels, 3, 4), dtype=dtype)
    z = RNG.normal(size=(6, *logits.shape[1:])) * 2
    levels = RNG.integers(0, distribution.levels, (6, *image.shape[1:]))
    return logits, image, z, levels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("distribution", EACH, ids=str)
def test_nats_are_minus_the_logarithm_of_the_probability(distribution, channels):
    logits, image, z, levels = case(distribution, channels)
    model = cnn.Model([image, logits], distribution.nats(logits, image))
    x = levels / (distribution.levels - 1)
    p = np.take_along_axis(probabilities(distribution, z), levels[:, :, None], 2)
    expected = -np.log(p).sum((1, 2, 3, 4))
    found = exact(model, {"logits": z, "image": x})
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    native = model.predict({"logits": z, "image": x})
    np.testing.assert_allclose(native, expected, rtol=1e-6)


@pytest.mark.parametrize("distribution", BY_LEVEL, ids=str)
def test_the_gradient_is_the_probability_less_the_truth(distribution):
    logits, image, z, levels = case(distribution, 2)
    total = cnn.sum(distribution.nats(logits, image))
    model = cnn.Model([image, logits], cnn.gradients(total, [logits])[0])
    p = probabilities(distribution, z)
    truth = np.arange(distribution.levels)[:, None, None] == levels[:, :, None]
    expected = (p - truth)[:, :, -1] if distribution == Bernoulli() else p - truth
    found = exact(model, {"logits": z, "image": levels / (distribution.levels - 1)})
    np.testing.assert_allclose(found, expected.reshape(z.shape), atol=1e-12)


def test_the_gradient_of_a_mixture_is_that_of_differences():
    logits, image, z, levels = case(LogisticMixture(5, 2), 2)
    x, z, step = levels / 4, z / 2, 1e-6
    total = cnn.sum(LogisticMixture(5, 2).nats(logits, image))
    model = cnn.Model([image, logits], cnn.gradients(total, [logits])[0])
    found = exact(model, {"logits": z, "image": x})

    def nats(changed):
        p = probabilities(LogisticMixture(5, 2), changed)
        return -np.log(np.take_along_axis(p, levels[:, :, None], 2)).sum((2, 3, 4, 1))

    for k in range(z.shape[1]):
        for row, column in ((0, 0), (2, 3)):
            apart = np.zeros_like(z)
            apart[:, k, row, column] = step
            slope = (nats(z + apart) - nats(z - apart)) / (2 * step)
            np.testing.assert_allclose(found[:, k, row, column], slope, atol=1e-6)
    z[:, 4:6] = -8  # scales below the least one have no gradient
    found = exact(model, {"logits": z, "image": x})
    assert not found[:, 4:6].any() and np.isfinite(found).all()


def test_narrow_and_far_components_have_exact_logarithms():
    """Scales of e⁻⁷ to e⁵, and means far outside: no difference of nearly equal numbers."""
    distribution = LogisticMixture(256, 1)
    z = np.zeros((1, 3, 1, 7))
    z[0, 1, 0] = [0, 0.3, 0.1, -3, 4, 0, 0.9]  # μ
    z[0, 2, 0] = [5, -7, -6, 0, -2, 4, 1]  # ln s
    x = np.array([128, 166, 131, 200, 30, 255, 0]).reshape(1, 1, 1, 7) / 255
    z, x = (v.astype(np.float32).astype(float) for v in (z, x))
    a, b = ((2 * x[0] - 1 - z[:, 1] + h) * np.exp(-z[:, 2]) for h in (1 / 255, -1 / 255))
    expected = np.logaddexp(0, -a) + np.logaddexp(0, b) - np.log(-np.expm1(b - a))
    expected[..., 5], expected[..., 6] = np.logaddexp(0, b)[..., 5], np.logaddexp(0, -a)[..., 6]
    logits, image = cnn.input("logits", (3, 1, 1)), cnn.input("image", (1, 1, 1))
    one = cnn.Model([image, logits], distribution.nats(logits, image))
    each = {"logits": z.transpose(3, 1, 2, 0), "image": x.transpose(3, 1, 2, 0)}
    found = one.predict({key: np.float32(v) for key, v in each.items()})
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-4)  # of (x - μ) e⁷


@pytest.mark.parametrize("distribution", EACH, ids=str)
def test_all_images_of_few_numbers_have_probability_one(distribution):
    """Σ p(x) over every image of two numbers is 1."""
    logits = cnn.input("logits", (distribution.per_channel, 1, 2), dtype="f64")
    image = cnn.input("image", (1, 1, 2), dtype="f64")
    model = cnn.Model([image, logits], distribution.nats(logits, image))
    n = distribution.levels
    z = RNG.normal(size=(1, *logits.shape[1:])).repeat(n * n, 0)
    x = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 1, 1, 2) / (n - 1)
    nats = exact(model, {"logits": z, "image": x})
    np.testing.assert_allclose(np.exp(-nats).sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("distribution", EACH, ids=str)
def test_draws_invert_the_sums_of_probabilities(distribution, temperature):
    logits, image, z, _ = case(distribution, 3, "f32")
    heat = cnn.constant(np.float32(temperature))
    u = RNG.random((6, *image.shape[1:])).astype(np.float32)
    model = cnn.Model([image, logits], distribution.draw(logits, image, heat))
    z = z.astype(np.float32)
    p = probabilities(distribution, z.astype(float), temperature)
    expected = (p.cumsum(2)[:, :, :-1] <= u[:, :, None]).sum(2) / (distribution.levels - 1)
    if isinstance(distribution, Bernoulli):
        expected = (u < p[:, :, 1]) * 1.0
    for runtime in ("native", "reference"):
        found = model.predict({"logits": z, "image": u}, runtime=runtime)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_many_draws_are_as_often_as_is_likely():
    distribution = Categorical(4)
    logits = cnn.input("logits", (4, 1, 1))
    u = cnn.input("u", (1, 1, 1))
    model = cnn.Model([u, logits], distribution.draw(logits, u, cnn.constant(np.float32(1))))
    z = np.array([0.1, -1.0, 2.0, 0.5], np.float32)
    drawn = model.predict({
        "logits": np.broadcast_to(z[:, None, None], (20000, 4, 1, 1)).copy(),
        "u": RNG.random((20000, 1, 1, 1)).astype(np.float32),
    })  # fmt: skip
    counts = np.bincount(np.rint(drawn * 3).astype(int).ravel(), minlength=4) / 20000
    np.testing.assert_allclose(counts, np.exp(z) / np.exp(z).sum(), atol=0.015)


@pytest.mark.parametrize("distribution", EACH, ids=str)
def test_they_are_told_and_read(distribution):
    assert distribution_of(distribution.to_json()) == distribution
    assert type(distribution) is DISTRIBUTIONS[distribution.name]
    for wrong in ({}, 3, {"name": "normal"}, {"name": distribution.name, "width": 3}):
        with pytest.raises(cnn.GraphError):
            distribution_of(wrong)


def test_levels_are_at_least_two():
    with pytest.raises(cnn.GraphError, match="at least 2, found 1"):
        Categorical(1)
    with pytest.raises(cnn.GraphError, match="at least 2, found 1"):
        LogisticMixture(1)
    with pytest.raises(cnn.GraphError, match="components must be an int of at least 1, found 0"):
        LogisticMixture(256, 0)
