"""Goals that a name tells: the losses of GAN and WGAN-GP, as they are written by hand, and kept."""

from pathlib import Path

import numpy as np
import pytest
from training import test_goals as hand
from training.test_goals import batches, by_hand

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.errors import GraphError, RecipeError, WeightsError
from graphcnn.learning.aim_text import read_aim
from graphcnn.passes.training import named_goals
from graphcnn.recipes.optimizing import optimizer_of

TINY = {"size": 8, "features": 4, "z": 3}
ADAM = {"D.*": cnn.Adam(0.01, beta1=0.5), "G.*": cnn.Adam(0.02, beta1=0.0)}


def np_smoothed(p, b):
    fake = hand.forward(hand.forward(b["z"], p, "G"), p, "D")
    real = hand.forward(b["x"], p, "D")
    of_real = 0.9 * hand.softplus(-real) + 0.1 * hand.softplus(real)
    return of_real.mean() + hand.softplus(fake).mean()


KINDS = {
    "gan": ("gan", (hand.np_d, hand.np_g), 1),
    "smoothed": (cnn.goals.GAN(smoothing=0.1), (np_smoothed, hand.np_g), 1),
    "wgan_gp": ("wgan_gp", (hand.np_critic, hand.np_generator), 5),
    "wgan_gp in turn": (cnn.goals.WGANGP(every=1), (hand.np_critic, hand.np_generator), 1),
}


def points(monkeypatch) -> cnn.Model:
    """A network of points whose images between two lie where its input `share` has them."""
    model = hand.gan()
    outputs = {"real": "real", "fake": "fake", "drawn": "points"}
    made = {name: model.graph.outputs[own] for name, own in outputs.items()}
    share = model.graph.inputs[-1]
    monkeypatch.setattr(named_goals, "random_uniform", lambda *shape, **options: share)
    return cnn.Model(model.graph.inputs, made, "points").initialize(0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_that_written_by_hand(kind, monkeypatch):
    goals, losses, every = KINDS[kind]
    model = points(monkeypatch)
    p = {key: array.copy() for key, array in model.parameters.items()}
    with cnn.Session(model, goals, ADAM) as session:
        for b, (row, after) in zip(batches(7), by_hand(p, losses, 7, every, True), strict=True):
            found = session.step(b)
            assert {key: found[key] for key in row} == pytest.approx(row, rel=1e-10)
            assert ("g_loss" in found) == ("g_loss" in row)
            for key, array in after.items():
                np.testing.assert_allclose(session.states[key], array, rtol=1e-8, atol=1e-10)


def test_what_stands_beside_the_losses(monkeypatch):
    model, b = points(monkeypatch), next(batches(1))
    said = {k: np.asarray(v, float) for k, v in model.predict(b).items()}
    row = model.evaluate(b, loss="gan")
    assert row["d_real"] == pytest.approx((1 / (1 + np.exp(-said["real"]))).mean(), rel=1e-6)
    assert row["d_fake"] == pytest.approx((1 / (1 + np.exp(-said["fake"]))).mean(), rel=1e-6)
    row = model.evaluate(b, loss="wgan_gp")
    distance = (said["real"] - said["fake"]).mean()
    assert row["d_distance"] == pytest.approx(distance, rel=1e-6)
    assert row["d_loss"] == pytest.approx(10 * row["d_penalty"] - distance, rel=1e-6)


def test_each_step_and_item_has_a_place_of_its_own_between_two_images():
    model = cnn.models.wgan_gp(**TINY).initialize(0)
    graph = model.training_graph("wgan_gp", "sgd")
    shares = [n for n in graph.nodes if n.op.name == "random_uniform" and n.output.shape[1:]]
    shape = {n.output.shape for n in shares}
    assert (cnn.N, 1, 1, 1) in shape
    images = np.random.default_rng(0).random((8, 1, 8, 8)).astype("f4")
    still = {"D.*": cnn.SGD(1e-30), "G.*": cnn.SGD(1e-30)}
    with cnn.Session(model, "wgan_gp", still) as session:
        rows = [session.step(images) for _ in range(2)]
    assert rows[0]["d_penalty"] != rows[1]["d_penalty"]


def test_they_are_saved_with_their_settings(tmp_path: Path):
    model = cnn.models.wgan_gp(**TINY).initialize(0)
    assert cnn.load(model.save(tmp_path / "a.safetensors")).objective == cnn.goals.WGANGP()
    images = np.random.default_rng(0).random((16, 1, 8, 8)).astype("f4")
    own = cnn.goals.WGANGP(every=2, penalty=3.0, critic="D*")
    model.fit(images, loss=own, optimizer="adam", batch_size=8, progress=False)
    again = cnn.load(model.save(tmp_path / "b.safetensors"))
    assert again.objective == own and str(again.objective).startswith("wgan_gp(critic='D*'")
    assert again.evaluate(images).keys() == {
        "loss", "d_loss", "d_distance", "d_penalty", "g_loss"
    }  # fmt: skip


@pytest.mark.parametrize("name", cnn.goals.GOALS)
def test_a_name_is_its_goals(name):
    images = np.random.default_rng(0).random((8, 1, 8, 8)).astype("f4")
    rows = []
    for loss in (name, cnn.goals.GOALS[name], dict(cnn.goals.GOALS[name])):
        with cnn.Session(cnn.models.dcgan(**TINY).initialize(0), loss, ADAM) as session:
            rows.append([session.step(images) for _ in range(5)])
    assert rows[0] == rows[1] == rows[2]


def test_a_file_that_tells_others_is_refused(tmp_path: Path):
    path = tmp_path / "gan.safetensors"
    model = cnn.models.dcgan(**TINY).initialize(0)
    model.objective = cnn.goals.WGANGP(every=2)
    model.save(path)
    path.write_bytes(path.read_bytes().replace(b"wgan_gp", b"wgan_gq"))
    with pytest.raises(WeightsError, match="field 'objective' of the metadata"):
        cnn.load(path)
    for text in (
        '{"goals": "wgan_gq", "options": {}}',
        '{"goals": ["gan"], "options": {}}',
        '{"goals": "gan", "options": {"slope": 1.0}}',
        '{"goals": "gan", "options": {"every": 0}}',
        '{"goals": "gan", "options": 3}',
        '{"goals": "gan"}',
        '["goals"]',
    ):
        with pytest.raises((ValueError, GraphError)):
            read_aim(text, model.graph)


@pytest.mark.parametrize("between", [cnn.batch_norm, cnn.dropout])
def test_a_slope_through_what_training_computes_otherwise_is_refused(between):
    x = cnn.input("x", (2,))
    critic = cnn.Model(x, cnn.dense(between(x, name="D.other"), 1, name="D.1"))
    drawn = cnn.dense(cnn.random_normal((cnn.N, 2)), 2, name="G.1")
    outputs = {"real": critic(x), "fake": critic(drawn), "drawn": drawn}
    with pytest.raises(GraphError, match=r"D\.other"):
        cnn.Model(x, outputs).training_graph("wgan_gp", "sgd")


def test_wrong_use_is_told():
    with pytest.raises(GraphError, match=r"smoothing must be in \[0, 1\), found 1"):
        cnn.goals.GAN(smoothing=1)
    with pytest.raises(GraphError, match="penalty must be finite and at least 0, found -1"):
        cnn.goals.WGANGP(penalty=-1)
    with pytest.raises(GraphError, match="every= takes a number of steps, at least 1, found 0"):
        cnn.goals.WGANGP(every=0)
    x = cnn.input("x", (3,))
    model = cnn.Model(x, {"reel": cnn.dense(x, 1, name="D")}, "odd")
    with pytest.raises(GraphError, match=r"output or input of odd, .* goal 'd', 'real'.*reel"):
        model.evaluate(np.zeros((2, 3), "f4"), loss="gan")
    with pytest.raises(GraphError, match=r"unknown loss 'wgan'.*wgan_gp"):
        model.evaluate(np.zeros((2, 3), "f4"), loss="wgan")
    pair = hand.gan()
    with pytest.raises(GraphError, match=r"goal 'd': trains='C\.\*' fits no parameter.*D\."):
        pair.training_graph(cnn.goals.GAN(critic="C.*"), "sgd")
    image, told = cnn.input("image", (3,)), cnn.input("told", (3,))
    drawn = cnn.dense(told, 3, name="G")
    critic = cnn.Model(image, cnn.dense(image, 1, name="D"))
    outputs = {"real": critic(image) * cnn.sum(told), "fake": critic(drawn), "drawn": drawn}
    two = cnn.Model([image, told], outputs)
    says = r"real must depend on one input, of the type of drawn f32\[N,3\], found image .* told"
    with pytest.raises(GraphError, match=says):
        two.training_graph("wgan_gp", "sgd")


# Of recipes

SEVERAL = """
network = "dcgan"
loss = { name = "gan", smoothing = 0.1 }

[optimizer."D.*"]
learning_rate = 0.01
beta1 = 0.5

[optimizer."G.*"]
name = "rmsprop"
learning_rate = { schedule = "cosine", initial = 0.1 }
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


def test_a_recipe_has_an_optimiser_for_each(tmp_path: Path):
    recipe = recipes.load(written(tmp_path, SEVERAL))
    made = optimizer_of(recipe)
    assert isinstance(made, cnn.Optimizers)
    assert dict(made.pairs) == {
        "D.*": cnn.Adam(0.01, beta1=0.5),
        "G.*": cnn.RMSProp(cnn.schedules.Cosine(0.1)),
    }
    assert optimizer_of(recipe.with_({"optimizer": "sgd"})) == optimizer_of(
        recipes.Recipe.of({"optimizer": "sgd"})
    )
    one = recipe.with_({'optimizer."D.*".learning_rate': 0.5})
    assert dict(optimizer_of(one).pairs)["D.*"] == cnn.Adam(0.5, beta1=0.5)


@pytest.mark.parametrize(("change", "message"), [
    ({"optimizer.learning_rate": 0.1}, r"optimizer\.learning_rate.*beside optimisers by patterns.*"
     r'optimizer\."D\.\*"\.learning_rate'),
    ({'optimizer."D.*"': 3}, r'optimizer\."D\.\*".*a table'),
    ({'optimizer."D.*".momentun': 3}, r'optimizer\."D\.\*"\.momentun'),
    ({"loss": "wgan"}, r"loss\.name: .*gan, wgan_gp, found 'wgan', did you mean"),
    ({"loss.penalty": 3}, r"loss\.penalty has no meaning for gan; it is for wgan_gp"),
    ({"loss.smoothing": 1}, r"loss\.?\w*: smoothing must be in \[0, 1\), found 1"),
])  # fmt: skip
def test_what_a_recipe_says_wrong_is_told_with_its_key(change, message, tmp_path: Path):
    recipe = recipes.load(written(tmp_path, SEVERAL)).with_(change)
    with pytest.raises(RecipeError, match=message):
        recipes.train(recipe, ())


def tiny_run(name: str, **settings) -> recipes.Trained:
    images = np.random.default_rng(0).random((32, 1, 8, 8)).astype("f4")
    zeros = np.zeros(32, np.int64)
    data = cnn.data.Dataset(images, zeros), cnn.data.Dataset(images[:8], zeros[:8])
    run = {"epochs": 3, "batch_size": 8}
    recipe = recipes.load(name).with_({
        "network.arguments": TINY, "run": run, "machine.threads": 1, "output.progress": False,
        **settings,
    })  # fmt: skip
    return recipes.train(recipe, data)


def bits(model: cnn.Model) -> dict[str, bytes]:
    return {key: array.tobytes() for key, array in model.states.items()}


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_the_bits_are_those_of_any_threads_and_after_a_resume(name, tmp_path: Path):
    whole = tiny_run(name)
    assert whole.results.keys() > {"d_loss", "g_loss"}
    assert bits(tiny_run(name, **{"machine.threads": 2}).model) == bits(whole.model)
    folder = str(tmp_path / "run")
    tiny_run(name, **{"run.max_steps": 7, "run.checkpoint": folder})
    assert bits(tiny_run(name, **{"run.resume": folder}).model) == bits(whole.model)


def test_a_run_is_repeated_by_what_its_folder_says(tmp_path: Path):
    folder = tmp_path / "run"
    first = tiny_run("wgan_gp", **{"output.run": str(folder)})
    told = recipes.load(folder / "recipe.toml")
    assert dict(optimizer_of(told).pairs) == dict(optimizer_of(first.recipe).pairs)
    assert told.loss["name"] == "wgan_gp"
    assert told.optimizer["G.*"]["name"] == "adam"
