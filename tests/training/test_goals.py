"""Several losses in one step, beside the same step written by hand in NumPy.

The references differentiate by complex steps, d f / d x = Im f(x + ih) / h for h = 1e-30, exact to
the last bits of float64; the derivative within the gradient penalty is written out.
"""

import numpy as np
import pytest
from learning.torch_numbers import goals as problem
from learning.torch_numbers.goals import batches

import graphcnn as cnn
from graphcnn.errors import GradientError, GraphError, TrainingError
from graphcnn.ir.graph import state_of

H = 1e-30


def layers(x, name, out, hidden=6):
    """out of W2 tanh(W1 x + b1) + b2."""
    return cnn.dense(cnn.tanh(cnn.dense(x, hidden, name=f"{name}.1")), out, name=f"{name}.2")


def gan(seed=0):
    """A generator and a critic of points of the plane; what the critic says of both, and of points
    between them."""
    z, x = cnn.input("z", (3,), "float64"), cnn.input("x", (2,), "float64")
    share = cnn.input("share", (1,), "float64")
    generator = cnn.Model(z, layers(z, "G", 2), "generator")
    critic = cnn.Model(x, layers(x, "D", 1), "critic")
    fake = generator(z)
    between = x * share + fake * (1.0 - share)
    outputs = {"real": critic(x), "fake": critic(fake), "between": between,
               "between_score": critic(between), "points": fake}  # fmt: skip
    return cnn.Model([z, x, share], outputs, "gan").initialize(seed)


def of_d(real, fake):
    return cnn.mean(cnn.softplus(-real)) + cnn.mean(cnn.softplus(fake))


def of_g(fake):
    return cnn.mean(cnn.softplus(-fake))


def of_critic(real, fake, between, between_score):
    (slope,) = cnn.gradients(cnn.sum(between_score), [between])
    norm = cnn.sqrt(cnn.sum(slope * slope, axes=1) + 1e-12)
    penalty = cnn.mean((norm - 1.0) * (norm - 1.0))
    return cnn.mean(fake) - cnn.mean(real) + 10.0 * penalty, {"penalty": penalty}


def of_generator(fake):
    return -cnn.mean(fake)


# The same by hand


def forward(x, p, name):
    hidden = np.tanh(x @ p[f"{name}.1.weight"].T + p[f"{name}.1.bias"])
    return hidden @ p[f"{name}.2.weight"].T + p[f"{name}.2.bias"]


def softplus(x):
    return np.log1p(np.exp(x))


def np_d(p, b):
    fake = forward(forward(b["z"], p, "G"), p, "D")
    return softplus(-forward(b["x"], p, "D")).mean() + softplus(fake).mean()


def np_g(p, b):
    return softplus(-forward(forward(b["z"], p, "G"), p, "D")).mean()


def np_critic(p, b):
    points = forward(b["z"], p, "G")
    between = b["x"] * b["share"] + points * (1 - b["share"])
    hidden = np.tanh(between @ p["D.1.weight"].T + p["D.1.bias"])
    slope = ((1 - hidden**2) * p["D.2.weight"]) @ p["D.1.weight"]  # of the score by the point
    norm = np.sqrt((slope**2).sum(1) + 1e-12)
    gap = forward(points, p, "D").mean() - forward(b["x"], p, "D").mean()
    return gap + 10 * ((norm - 1) ** 2).mean()


def np_generator(p, b):
    return -forward(forward(b["z"], p, "G"), p, "D").mean()


def derivative(loss, p, keys, b):
    found = {}
    for key in keys:
        found[key] = np.zeros_like(p[key])
        for place in np.ndindex(p[key].shape):
            moved = {k: a.astype(np.complex128) for k, a in p.items()}
            moved[key][place] += 1j * H
            found[key][place] = loss(moved, b).imag / H
    return found


class Adam:
    """t counts the updates of its own parameters."""

    def __init__(self, rate, beta1):
        self.rate, self.beta1, self.t = float(np.float32(rate)), beta1, 0
        self.m, self.v = {}, {}

    def __call__(self, p, g):
        self.t += 1
        new = dict(p)
        for key in g:
            m = self.m[key] = self.beta1 * self.m.get(key, 0.0) + (1 - self.beta1) * g[key]
            v = self.v[key] = 0.999 * self.v.get(key, 0.0) + 0.001 * g[key] ** 2
            m, v = m / (1 - self.beta1**self.t), v / (1 - 0.999**self.t)
            new[key] = p[key] - self.rate * m / (np.sqrt(v) + 1e-8)
        return new


def by_hand(p, losses, steps, every, in_turn):
    """Losses and parameters after each step."""
    d, g = losses
    adams = Adam(0.01, 0.5), Adam(0.02, 0.0)
    own = [[key for key in p if key.startswith(name)] for name in ("D.", "G.")]
    for step, b in enumerate(batches(steps), start=1):
        row = {"d_loss": d(p, b)}
        moved = adams[0](p, derivative(d, p, own[0], b))
        if step % every == 0:
            seen = moved if in_turn else p
            row["g_loss"] = g(seen, b)
            moved = adams[1]({**moved}, derivative(g, seen, own[1], b))
        p = moved
        yield row, p


def goals(d, g, every, in_turn):
    return {
        "d": cnn.Goal(d, trains="D.*"),
        "g": cnn.Goal(g, trains="G.*", every=every, after="d" if in_turn else None),
    }


OPTIMIZERS = {"D.*": cnn.Adam(0.01, beta1=0.5), "G.*": cnn.Adam(0.02, beta1=0.0)}
KINDS = {"non-saturating": ((of_d, of_g), (np_d, np_g)),
         "wasserstein": ((of_critic, of_generator), (np_critic, np_generator))}  # fmt: skip


@pytest.mark.parametrize("in_turn", [False, True], ids=["together", "in turn"])
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_that_written_by_hand(kind, every, in_turn):
    ours, theirs = KINDS[kind]
    model = gan()
    p = {key: array.copy() for key, array in model.parameters.items()}
    session = cnn.Session(model, goals(*ours, every, in_turn), OPTIMIZERS)
    with session:
        for b, (row, after) in zip(batches(7), by_hand(p, theirs, 7, every, in_turn), strict=True):
            found = session.step(b)
            found.pop("d_penalty", None)
            assert found.pop("loss") == pytest.approx(sum(row.values()), rel=1e-12)
            assert found == pytest.approx(row, rel=1e-10)
            for key, array in after.items():
                np.testing.assert_allclose(session.states[key], array, rtol=1e-8, atol=1e-10)
    assert session.steps == 7


def test_the_numbers_of_torch():
    model = gan()
    model.set_parameters(problem.parameters())
    with cnn.Session(model, goals(of_critic, of_generator, 3, True), OPTIMIZERS) as session:
        rows = [session.step(b) for b in batches(problem.STEPS)]
    sums = [float(model.parameters[key].sum()) for key in ("D.1.weight", "G.1.weight")]
    assert [rows[-1]["d_loss"], rows[-1]["g_loss"], *sums] == pytest.approx(problem.NUMBERS, 1e-9)


# Three outputs in one loss


def vae():
    image = cnn.input("image", (6,), "float64")
    drawn = cnn.input("drawn", (2,), "float64")
    x = cnn.tanh(cnn.dense(image, 5, name="E.1"))
    mean, log_variance = cnn.dense(x, 2, name="E.mean"), cnn.dense(x, 2, name="E.variance")
    code = mean + cnn.exp(log_variance * 0.5) * drawn
    logits = layers(code, "G", 6)
    outputs = {"logits": logits, "mean": mean, "log_variance": log_variance}
    return cnn.Model([image, drawn], outputs, "vae").initialize(2)


def bound(logits, mean, log_variance, image):
    seen = cnn.mean(cnn.sum(cnn.softplus(logits) - image * logits, axes=1))
    apart = cnn.exp(log_variance) + mean * mean - 1.0 - log_variance
    divergence = 0.5 * cnn.mean(cnn.sum(apart, axes=1))
    return seen + divergence, {"divergence": divergence}


def np_bound(p, b):
    x = np.tanh(b["image"] @ p["E.1.weight"].T + p["E.1.bias"])
    mean = x @ p["E.mean.weight"].T + p["E.mean.bias"]
    log_variance = x @ p["E.variance.weight"].T + p["E.variance.bias"]
    logits = forward(mean + np.exp(log_variance / 2) * b["drawn"], p, "G")
    seen = (softplus(logits) - b["image"] * logits).sum(1).mean()
    return seen + 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(1).mean()


def test_a_loss_sees_all_outputs_and_inputs():
    model, rng, adam = vae(), np.random.default_rng(5), Adam(0.01, 0.9)
    p = {key: array.copy() for key, array in model.parameters.items()}
    with cnn.Session(model, cnn.Goal(bound), cnn.Adam(0.01)) as session:
        for _ in range(5):
            pixels = (rng.random((4, 6)) < 0.5).astype(float)
            b = {"image": pixels, "drawn": rng.normal(size=(4, 2))}
            row = session.step(b)
            assert row.keys() == {"loss", "divergence"}
            assert row["loss"] == pytest.approx(np_bound(p, b), rel=1e-12)
            p = adam(p, derivative(np_bound, p, list(p), b))
            for key, array in p.items():
                np.testing.assert_allclose(session.states[key], array, rtol=1e-8, atol=1e-10)


def test_a_loss_takes_the_targets_of_the_data():
    x = cnn.input("x", (3,))
    model = cnn.Model(x, {"a": cnn.dense(x, 2, name="A"), "b": cnn.dense(x, 1, name="B")})

    def of_a(a, target):
        return cnn.cross_entropy(a, target)

    def of_b(b, x, weights=None):
        return cnn.mean((b - cnn.sum(x, axes=1, keepdims=True)) ** 2.0)

    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(40, 3)).astype(np.float32), rng.integers(0, 2, 40)
    both = {"a": cnn.Goal(of_a, trains="A.*"), "b": cnn.Goal(of_b, trains="B.*")}
    history = model.fit(images, labels, loss=both, epochs=2, validation=0.25, progress=False)
    assert history.columns == ["loss", "a_loss", "b_loss", "val_loss", "val_a_loss", "val_b_loss"]
    alone = cnn.Model(x, cnn.dense(x, 2, name="A"))
    with cnn.Session(model.initialize(1), both, cnn.SGD(0.1)) as session:
        session.step(images, labels)
    alone.initialize(1)
    with cnn.Session(alone, "cross_entropy", cnn.SGD(0.1)) as session:
        session.step(images, labels)
    np.testing.assert_allclose(model.parameters["A.weight"], alone.parameters["A.weight"], 1e-6)


# What is computed


def test_no_gradient_of_others_is_computed():
    model = gan()
    graph = model.training_graph(goals(of_d, of_g, 1, False), OPTIMIZERS)
    alone = model.training_graph({"d": cnn.Goal(of_d, trains="D.*"), **frozen_g()}, OPTIMIZERS)
    updated = {state_of(s).key for s in graph.updates}
    assert {"D.1.weight", "G.1.weight"} <= updated
    assert len(alone.nodes) < len(graph.nodes)
    # Of d's loss alone, nothing is differentiated on the way back into the generator.
    model.freeze("G.*")
    only = model.training_graph({"d": cnn.Goal(of_d, trains="D.*")}, {"D.*": cnn.SGD(0.1)})
    backward = {n.origin.forward for n in only.nodes if "backward" in n.origin.passes}
    assert backward and not [name for name in backward if name.startswith("G.")]


def frozen_g():
    return {"g": cnn.Goal(lambda points: cnn.mean(points), trains="G.*")}


def test_steps_without_a_goal_do_not_compute_it():
    model = gan()
    session = cnn.Session(model, goals(of_d, of_g, 3, False), OPTIMIZERS)
    (b,) = batches(1)
    found = session.gradients(b)
    assert {key[0] for key in found} == {"D"}
    assert "g_loss" not in session.step(b)
    before = session.states
    assert "g_loss" not in session.step(b)
    still = {k for k, a in before.items() if a.tobytes() == session.states[k].tobytes()}
    assert {k for k in before if k.startswith("G.")} <= still
    assert "training.g.step" in still
    assert {key[0] for key in session.gradients(b)} == {"D", "G"}
    assert "g_loss" in session.step(b)
    assert int(session.states["training.g.step"]) == 1


def test_gradients_are_those_of_each_loss():
    model = gan()
    p = {key: array.copy() for key, array in model.parameters.items()}
    (b,) = batches(1)
    found = cnn.Session(model, goals(of_d, of_g, 1, False), OPTIMIZERS).gradients(b)
    expected = derivative(np_d, p, [k for k in p if k[0] == "D"], b)
    expected |= derivative(np_g, p, [k for k in p if k[0] == "G"], b)
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-7, atol=1e-12)


def test_a_value_of_the_graph_is_a_loss():
    z, x = cnn.input("z", (3,)), cnn.input("x", (2,))
    fake, critic = layers(z, "G", 2), cnn.Model(x, layers(x, "D", 1))
    real, score = critic(x), critic(fake)
    model = cnn.Model([z, x], {"real": real, "fake": score, "points": fake}).initialize(0)
    rng = np.random.default_rng(0)
    b = {"z": rng.normal(size=(8, 3)).astype("f4"), "x": rng.normal(size=(8, 2)).astype("f4")}
    rows = []
    for both in (
        {"d": cnn.Goal(of_d, trains="D.*"), "g": cnn.Goal(of_g, trains="G.*")},
        {"d": cnn.Goal(of_d(real, score), trains="D.*"), "g": cnn.Goal(of_g(score), trains="G.*")},
    ):
        with cnn.Session(model.initialize(0), both, "sgd") as session:
            rows.append([session.step(b) for _ in range(3)])
    assert rows[0] == rows[1]


def test_a_loss_calls_a_model_that_shares_the_states():
    z, x = cnn.input("z", (3,)), cnn.input("x", (2,))
    critic = cnn.Model(x, layers(x, "D", 1))
    fake = layers(z, "G", 2)
    model = cnn.Model([z, x], {"points": fake, "real": critic(x), "fake": critic(fake)})

    def calls(points, x):
        return of_d(critic(x), critic(points))

    rng = np.random.default_rng(0)
    b = {"z": rng.normal(size=(8, 3)).astype("f4"), "x": rng.normal(size=(8, 2)).astype("f4")}
    rows = []
    for d in (of_d, calls):
        both = {"d": cnn.Goal(d, trains="D.*"), "g": cnn.Goal(of_g, trains="G.*", after="d")}
        with cnn.Session(model.initialize(0), both, "sgd") as session:
            rows.append([session.step(b) for _ in range(3)])
    assert rows[0] == rows[1]


# What is refused


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"d": cnn.Goal(of_d, trains="E.*")}, "goal 'd': trains='E.*' fits no parameter; the"),
        ({"d": cnn.Goal(of_d, trains="D.*")}, "no goal trains G.1.weight, .*model.freeze"),
        ({"d": cnn.Goal(of_d, trains="*"), "g": cnn.Goal(of_g, trains="G.*")},
         "G.1.weight is to be trained by the goals 'd' and 'g'"),
        ({"d": cnn.Goal(of_d), "g": "mse"}, "'d' is a cnn.Goal, 'g' is not"),
        ({"d": cnn.Goal(of_d, trains="D.*"), "g": cnn.Goal(of_g, trains="G.*", after="c")},
         "unknown goal, in after= of 'g'"),
        ({"d": cnn.Goal(of_d, trains="D.*", after="g"), "g": cnn.Goal(of_g, after="d")},
         "after the one before"),
        ({"d d": cnn.Goal(of_d)}, "must be a word, found 'd d'"),
        (cnn.Goal(lambda reel: reel), "reel.*did you mean 'real'"),
        (cnn.Goal(lambda real: real), "must be a float scalar"),
    ],
)  # fmt: skip
def test_refusals(losses, message):
    with pytest.raises(GraphError, match=message):
        gan().training_graph(losses, "sgd")


def test_a_loss_that_does_not_depend_on_what_it_trains():
    points = {"d": cnn.Goal(of_d, trains="D.*"), "g": cnn.Goal(lambda real: cnn.mean(real),
                                                             trains="G.*")}  # fmt: skip
    with pytest.raises(GradientError, match=r"goal 'g'.*does not depend on .*G\.1\.weight"):
        gan().training_graph(points, "sgd")


def test_frozen_parameters_belong_to_nobody():
    model = gan()
    model.freeze("D.*")
    with pytest.raises(GraphError, match="every parameter that goal 'd' trains is frozen"):
        model.training_graph(goals(of_d, of_g, 1, False), "sgd")
    before = model.parameters["D.1.weight"].copy()
    with cnn.Session(model, {"g": cnn.Goal(of_g, trains="G.*")}, "sgd") as session:
        assert session.step(next(batches(1))).keys() == {"loss", "g_loss"}
    assert np.array_equal(model.parameters["D.1.weight"], before)


def test_what_steps_in_turn_cannot_show():
    session = cnn.Session(gan(), goals(of_d, of_g, 1, True), OPTIMIZERS)
    with pytest.raises(TrainingError, match="goal 'g' comes after an update of the same step"):
        session.step(next(batches(1)), ready=lambda gradients: None)
    with pytest.raises(TrainingError, match="goal 'g' comes after an update of the same step"):
        session.gradients(next(batches(1)))
    with pytest.raises(TrainingError, match="goal 'g' comes after an update of the same step"):
        session.apply({})
    session = cnn.Session(gan(), goals(of_d, of_g, 2, False), OPTIMIZERS)
    with pytest.raises(TrainingError, match="goal 'g' is due every 2 steps only"):
        session.apply({})
    with pytest.raises(GraphError, match="cannot be cut into 2 shards"):
        cnn.Session(gan(), goals(of_d, of_g, 1, True), OPTIMIZERS, shards=2).step(next(batches(1)))


def test_a_derivative_through_a_batch_norm_is_refused():
    x = cnn.input("x", (2, 4, 4))
    score = cnn.dense(cnn.tanh(cnn.flatten(cnn.batch_norm(cnn.conv2d(x, 3, 3)))), 1)
    model = cnn.Model(x, {"score": score})

    def penalised(score, x):
        (slope,) = cnn.gradients(cnn.sum(score), [x])
        return cnn.mean(slope * slope) + cnn.mean(score)

    with pytest.raises(GraphError, match="derivative through batch_norm"):
        model.training_graph(cnn.Goal(penalised), "sgd")
