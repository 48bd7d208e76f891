"""Machines that draw: eight heaps on a ring, all of which a generator learns to draw."""

import numpy as np
import pytest

import graphcnn as cnn

CORNERS = 2 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(8) * np.pi / 4])


def points(n=2048):
    rng = np.random.default_rng(0)
    drawn = CORNERS[rng.integers(0, 8, n)] + rng.normal(size=(n, 2)) * 0.05
    return drawn.astype(np.float32)


def layers(x, name, out):
    x = cnn.leaky_relu(cnn.dense(x, 48, name=f"{name}.1"))
    x = cnn.leaky_relu(cnn.dense(x, 48, name=f"{name}.2"))
    return cnn.dense(x, out, name=f"{name}.3")


def heaps(generator):
    """How many of the eight have their share of what is drawn, and how much of it lies in heaps."""
    noise = np.random.default_rng(1).normal(size=(2000, 2)).astype(np.float32)
    far = np.linalg.norm(generator.predict(noise)[:, None] - CORNERS, axis=2)
    near = far.min(1) < 0.5
    return (np.bincount(far.argmin(1)[near], minlength=8) >= 60).sum(), near.mean()


def of_d(real, fake):
    return cnn.mean(cnn.softplus(-real)) + cnn.mean(cnn.softplus(fake))


def of_g(again):
    return cnn.mean(cnn.softplus(-again))


def of_critic(real, fake, between, between_score):
    (slope,) = cnn.gradients(cnn.sum(between_score), [between])
    norm = cnn.sqrt(cnn.sum(slope * slope, axes=1) + 1e-12)
    penalty = cnn.mean((norm - 1.0) ** 2.0)
    return cnn.mean(fake) - cnn.mean(real) + penalty, {"penalty": penalty}


def of_generator(again):
    return -cnn.mean(again)


@pytest.mark.parametrize(
    ("d", "g", "every", "epochs", "beta2"),
    [(of_d, of_g, 1, 60, 0.999), (of_critic, of_generator, 5, 200, 0.9)],
    ids=["non-saturating", "wasserstein"],
)
def test_a_generator_draws_all_heaps(d, g, every, epochs, beta2):
    z, x = cnn.input("z", (2,)), cnn.input("x", (2,))
    generator, critic = cnn.Model(z, layers(z, "G", 2)), cnn.Model(x, layers(x, "D", 1))
    fake = generator(cnn.random_normal((cnn.N, 2), stream=1))
    again = generator(cnn.random_normal((cnn.N, 2), stream=2))
    share = cnn.random_uniform((cnn.N, 1), stream=3)
    between = x * share + fake * (1.0 - share)
    outputs = {"real": critic(x), "fake": critic(fake), "again": critic(again),
               "between": between, "between_score": critic(between)}  # fmt: skip
    adam = cnn.Adam(1e-3, beta1=0.5, beta2=beta2)
    both = {
        "d": cnn.Goal(d, trains="D.*"),
        "g": cnn.Goal(g, trains="G.*", after="d", every=every),
    }
    by = {"D.*": adam, "G.*": adam}
    model = cnn.Model(x, outputs, "gan").initialize(0)
    model.fit(points(), loss=both, optimizer=by, batch_size=128, epochs=epochs, progress=False)
    found, share_in_heaps = heaps(generator)
    assert found == 8 and share_in_heaps > 0.5
