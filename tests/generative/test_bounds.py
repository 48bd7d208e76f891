"""How likely images are under a network of codes, beside sums over all images and all codes."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.errors import DataError, GraphError
from graphcnn.generative.bounds import importance_bound
from graphcnn.generative.graphs import decoder
from graphcnn.generative.plane import plane, quantiles
from graphcnn.ir.node import Array
from graphcnn.passes.streaming.sampler import IMAGE

BITS = 4
#: All images that there are.
IMAGES = ((np.arange(2**BITS)[:, None] >> np.arange(BITS)) & 1).astype(np.float32)
IMAGES = IMAGES.reshape(-1, 1, 1, BITS)


def coder(z: int = 1, seed: int = 3, own: bool = True) -> cnn.Model:
    """An autoencoder of images of four bits; its code is the prior where nothing is its own."""
    image = cnn.input("image", (1, 1, BITS))
    x = cnn.flatten(image)
    init = "xavier" if own else "zeros"
    mean = cnn.dense(x, z, init=init, name="mean")
    log_variance = cnn.dense(x, z, init=init, name="log_variance")
    code = cnn.normal(mean, cnn.exp(log_variance * 0.5), predict="draw", name="code")
    x = cnn.tanh(cnn.dense(code, 5, name="hidden"))
    logits = cnn.reshape(cnn.dense(x, BITS, name="bits"), (cnn.N, 1, 1, BITS))
    outputs = {"logits": logits, "mean": mean, "log_variance": log_variance}
    model = cnn.Model(image, {**outputs, "drawn": cnn.sigmoid(logits)}, "coder").initialize(seed)
    model.sampler = cnn.samplers.Codes("code", image="drawn")
    return model


def exact(model: cnn.Model) -> Array:
    """-log p(x) of all images: the sum over codes by the rule of Gauss and Hermite."""
    codes, weights = np.polynomial.hermite_e.hermegauss(80)
    graph = decoder(model.graph, cnn.samplers.Codes("code", "logits"))
    fed = {"code": codes[:, None].astype(np.float32)}
    logits = Runner(graph).run(fed, model.states)[0][IMAGE].reshape(-1, BITS).astype(np.float64)
    log_p = (IMAGES.reshape(-1, 1, BITS) * logits - np.logaddexp(0, logits)).sum(2)
    return -np.log(np.exp(log_p) @ (weights / weights.sum()))


def test_the_bound_is_the_likelihood_in_the_limit() -> None:
    model = coder(own=False)
    wanted = exact(model)
    assert np.exp(-wanted).sum() == pytest.approx(1, abs=1e-6)
    found = importance_bound(model, IMAGES, 4000)
    assert found.dtype == np.float64 and found.shape == (16,)
    np.testing.assert_allclose(found, wanted, atol=0.03)
    assert np.exp(-found).sum() == pytest.approx(1, abs=0.01)


def test_more_codes_are_a_better_bound_and_any_encoder_gives_one() -> None:
    model = coder()
    wanted = exact(model)
    means = [
        np.mean([importance_bound(model, IMAGES, k, seed=s).mean() for s in range(40)])
        for k in (1, 8, 200)
    ]
    assert means[0] > means[1] + 0.1 > means[2] + 0.15 and means[2] > wanted.mean() - 0.01
    np.testing.assert_allclose(importance_bound(model, IMAGES, 5000), wanted, atol=0.1)
    found = np.exp(-importance_bound(model, IMAGES, 3000)).sum()
    assert found == pytest.approx(1, abs=0.02)


def test_one_code_is_the_loss() -> None:
    """In the mean over codes: -log p(x | z) + log q(z | x) - log p(z)."""
    model = coder()
    found = np.mean([importance_bound(model, IMAGES, 1, seed=s).mean() for s in range(400)])
    losses = [
        model.evaluate((IMAGES[[i] * 400], IMAGES[[i] * 400]), loss="elbo")["loss"]
        for i in range(16)
    ]
    assert found == pytest.approx(np.mean(losses), abs=0.05)


def test_numbers_belong_to_images_whatever_their_batch_and_threads() -> None:
    model = coder(z=3)
    whole = importance_bound(model, IMAGES, 20, threads=1)
    np.testing.assert_array_equal(whole, importance_bound(model, IMAGES, 20, threads=2))
    np.testing.assert_allclose(whole, importance_bound(model, IMAGES, 20, batch_size=3), rtol=1e-6)
    few = importance_bound(model, IMAGES[:5], 20)
    np.testing.assert_allclose(whole[:5], few, rtol=1e-6)
    assert not np.allclose(whole, importance_bound(model, IMAGES, 20, seed=1), rtol=1e-4)
    same = importance_bound(model, np.repeat(IMAGES[:1], 9, 0), 5)
    assert len(set(same)) == 9  # codes of their own
    reference = importance_bound(model, IMAGES, 3, runtime="reference")
    np.testing.assert_allclose(reference, importance_bound(model, IMAGES, 3), rtol=1e-5)


def test_far_exponents_stay_finite() -> None:
    model = coder()
    model.set_parameters({"bits.bias": np.full(BITS, 4000, np.float32)})
    found = importance_bound(model, np.zeros((2, 1, 1, BITS), np.float32), 7)
    np.testing.assert_allclose(found, 4 * 4000, rtol=1e-2)


def test_what_has_no_bound() -> None:
    model = coder()
    with pytest.raises(DataError, match="samples must be"):
        importance_bound(model, IMAGES, 0)
    with pytest.raises(DataError, match="seed must be an int"):
        importance_bound(model, IMAGES, 1, seed="a")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="output of coder, for the bound, 'logit'"):
        importance_bound(model, IMAGES, 1, outputs=("logit", "mean", "log_variance"))


def test_the_plane_has_the_quantiles_of_its_codes() -> None:
    at = quantiles(4)
    np.testing.assert_allclose(at, [-1.15035, -0.318639, 0.318639, 1.15035], atol=1e-5)
    model = coder(z=2)
    images = plane(model, 4)
    assert images.shape == (4, 4, 1, 1, BITS)
    graph = decoder(model.graph, model.sampler)  # type: ignore[arg-type]
    code = np.array([[at[1], at[3]]], np.float32)  # the second number falls from row to row
    (wanted,) = Runner(graph).run({"code": code}, model.states)[0][IMAGE]
    np.testing.assert_allclose(images[0, 1], wanted, rtol=1e-6)
    with pytest.raises(GraphError, match=r"codes of two numbers, \(N, 2\), .* f32\[N,3\]"):
        plane(coder(z=3))
    model.sampler = None
    with pytest.raises(GraphError, match="does not draw from codes"):
        plane(model)
