"""The networks with a memory that draw pixel after pixel, beside loops over single pixels."""

import numpy as np
import pytest
from models.test_pixelcnn import seen

import graphcnn as cnn
from graphcnn.models import MODELS

RNG = np.random.default_rng(0)
S, F = 5, 4
NAMES = ("row_lstm", "diagonal_lstm")


def stirred(name: str, **options) -> cnn.Model:
    made = MODELS[name](**{"size": S, "features": F, "layers": 2, **options}).initialize(0)
    rng = np.random.default_rng(1)
    made.set_parameters(
        {k: (v + rng.normal(size=v.shape) * 0.3 * (v != 0)).astype("f4")
         if not k.endswith("bias") else rng.normal(size=v.shape).astype("f4") * 0.3
         for k, v in made.parameters.items()}
    )  # fmt: skip
    return made


# The layers by hand: h and c of every pixel from those of its neighbours, outside of the image 0


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(gates, c):
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


class Map:
    """Vectors of pixels, zeros beside the image."""

    def __init__(self, x):
        self.x = x

    def __getitem__(self, place):
        r, c = place
        return self.x[:, r, c] if 0 <= r < S and 0 <= c < S else np.zeros(len(self.x))


def row_layer(p, name, x):
    reads, keeps = p[f"{name}.input.weight"], p[f"{name}.state.weight"]
    h, c, at = np.zeros((F, S, S)), np.zeros((F, S, S)), Map(x)
    for r in range(S):
        for k in range(S):
            gates = p[f"{name}.input.bias"].astype(float)
            for tap in (0, 1):  # the third one is masked
                gates = gates + reads[:, :, 0, tap] @ at[r, k + tap - 1]
            for tap in (0, 1, 2):
                gates = gates + keeps[:, :, 0, tap] @ Map(h)[r - 1, k + tap - 1]
            before = c[:, r - 1, k] if r else np.zeros(F)
            h[:, r, k], c[:, r, k] = cell(gates, before)
    return h


def diagonal_layer(p, name, x):
    def one_way(way, step):
        at = f"{name}.{way}"
        h, c = np.zeros((F, S, S)), np.zeros((F, S, S))
        for r in range(S):
            for k in range(S)[::step]:
                gates = p[f"{at}.input.weight"][:, :, 0, 0] @ x[:, r, k] + p[f"{at}.input.bias"]
                gates = gates + p[f"{at}.state.weight"][:, :, 0, 0] @ Map(h)[r - 1, k]
                gates = gates + p[f"{at}.state.weight"][:, :, 1, 0] @ Map(h)[r, k - step]
                h[:, r, k], c[:, r, k] = cell(gates, Map(c)[r, k - step])
        return h

    left, right = one_way("left", 1), one_way("right", -1)
    down = np.zeros_like(right)
    down[:, 1:] = right[:, :-1]
    return left + down


LAYERS = {"row_lstm": row_layer, "diagonal_lstm": diagonal_layer}


def by_hand(name: str, p, x):
    def product(key, v):
        return np.einsum("oi,irc->orc", p[f"{key}.weight"][:, :, 0, 0].astype(float), v) + p[
            f"{key}.bias"
        ].reshape(-1, 1, 1)

    for layer in ("layer1", "layer2"):
        x = x + product(f"{layer}.up", LAYERS[name](p, layer, x))
    return product("logits", np.maximum(product("head", np.maximum(x, 0)), 0))


@pytest.mark.parametrize("runtime", ["reference", "native"])
@pytest.mark.parametrize("name", NAMES)
def test_every_layer_is_that_of_single_pixels(name, runtime):
    model = stirred(name)
    images = RNG.random((3, 1, S, S)).astype(np.float32)
    first = cnn.Model(model.graph.inputs, model.value("first", activated=False))
    first.set_parameters({k: model.parameters[k] for k in first.parameters})
    found = model.predict(images, raw=True, runtime=runtime)
    for x, y in zip(first.predict(images).astype(float), found, strict=True):
        np.testing.assert_allclose(y, by_hand(name, model.parameters, x), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("channels", "levels"), [(1, 2), (3, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_a_number_depends_on_none_that_is_drawn_later(name, channels, levels):
    """To the bit, in the image that is changed number by number."""
    size = 7
    model = stirred(
        name, channels=channels, levels=levels, features=12 * channels, layers=1, size=size
    )
    found = seen(model, channels)
    assert not np.triu(found).any()  # none behind, nor itself
    y, x, _ = np.unravel_index(np.arange(len(found)), (size, size, channels))
    up, aside = y[:, None] - y[None], np.abs(x[:, None] - x[None])
    before = np.arange(len(found))[:, None] > np.arange(len(found))
    assert found[before & (up <= 2) & (aside <= 2) & ((up == 0) | (aside <= up))].all()
    if name == "diagonal_lstm":  # all that is before, in one layer
        assert found[before].mean() > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_gradients_behind_are_zero(name):
    model = stirred(name)
    image, mask = model.graph.inputs[0], np.zeros((1, 1, S, S), np.float32)
    mask[..., 2, 2] = 1.0
    scored = cnn.sum(model.graph.outputs["logits"] * cnn.constant(mask))
    (slope,) = cnn.gradients(scored, [image])
    found = cnn.Model(image, slope).predict(RNG.random((2, 1, S, S)).astype(np.float32))
    behind = np.arange(S * S).reshape(S, S) >= 2 * S + 2
    assert (found[..., behind] == 0).all()
    assert (found[..., 1, 1:4] != 0).all() and (found[..., 2, :2] != 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_bits_are_those_of_any_threads(name):
    images = (RNG.random((24, 1, S, S)) < 0.5).astype(np.float32)
    states = []
    for threads in (1, 2):
        model = MODELS[name](size=S, features=F, layers=2)
        model.fit(images, images, loss=model.objective, batch_size=8, threads=threads, seed=3,
                  progress=False)  # fmt: skip
        states.append({key: array.tobytes() for key, array in model.states.items()})
    assert states[0] == states[1]


@pytest.mark.filterwarnings("ignore::graphcnn.GraphCnnWarning")
@pytest.mark.parametrize("name", NAMES)
def test_what_it_draws_is_as_likely_as_it_says(name):
    """The mean of - ln p over what is drawn is the entropy, as the loss of other draws."""
    model = stirred(name, size=3)
    drawn = model.sample(600, seed=1)
    assert np.array_equal(model.sample(7, seed=1), drawn[:7])
    pairs = np.array(np.meshgrid(*[[0, 1]] * 9, indexing="ij"), np.float32).reshape(9, -1).T
    images = pairs.reshape(-1, 1, 3, 3)
    nats = [model.evaluate((x[None], x[None]), loss=model.objective)["loss"] for x in images[:64]]
    logits = model.predict(images, raw=True).reshape(len(images), -1).astype(float)
    p = np.exp((pairs * logits - np.logaddexp(0, logits)).sum(1))
    assert p.sum() == pytest.approx(1, abs=1e-5)  # a distribution of all images there are
    np.testing.assert_allclose(nats, -np.log(p[:64]), rtol=1e-5)
    counts = np.zeros(len(images))
    np.add.at(counts, (drawn.reshape(600, 9) @ 2 ** np.arange(9)[::-1]).astype(int), 1)
    assert np.abs(counts / 600 - p).sum() < np.sqrt(len(images) / 600)
