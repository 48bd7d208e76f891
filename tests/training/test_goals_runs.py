"""Runs with several losses: the same bits always, checkpoints, averages, rests, what is told."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.native import planned
from graphcnn.errors import ExportError, GraphError, TrainingError, WeightsError
from graphcnn.exchange.export_training import export_onnx_training
from graphcnn.text.parse import parse_graph
from graphcnn.training.checkpoint import load_checkpoint

S = cnn.schedules


def layers(x, name, out, hidden=16):
    x = cnn.dense(x, hidden, activation="relu", name=f"{name}.1")
    return cnn.dense(x, out, name=f"{name}.2")


def gan(dropout=0.3):
    z, x = cnn.input("z", (4,)), cnn.input("x", (2,))
    fake = cnn.batch_norm(layers(z, "G", 2), name="G.norm")
    critic = cnn.Model(x, layers(cnn.dropout(x, dropout), "D", 1))
    outputs = {"real": critic(x), "fake": critic(fake), "points": fake}
    return cnn.Model([z, x], outputs, "gan")


def of_d(real, fake):
    return cnn.mean(cnn.softplus(-real)) + cnn.mean(cnn.softplus(fake))


def of_g(fake):
    return cnn.mean(cnn.softplus(-fake))


def goals(every=2, after="d"):
    return {"d": cnn.Goal(of_d, trains="D.*"),
            "g": cnn.Goal(of_g, trains="G.*", every=every, after=after)}  # fmt: skip


def data(n=60):
    rng = np.random.default_rng(0)
    z, x = rng.normal(size=(n, 4)).astype("f4"), rng.normal(size=(n, 2)).astype("f4")
    return {"z": z, "x": x}, None


def optimizer():
    return {
        "D.*": cnn.Adam(S.Cosine(0.01), beta1=0.5, clip_norm=1.0),
        "G.*": cnn.EMA(cnn.Adam(0.02, beta1=0.5), decay=0.9),
    }


def run(model=None, **options):
    model = model or gan()
    given = {"epochs": 4, "batch_size": 8, "progress": False, "optimizer": optimizer()}
    history = model.fit(data(), loss=goals(), **{**given, **options})
    return model, history


def bits(model):
    return {key: array.tobytes() for key, array in model.states.items()}


def test_the_bits_are_those_of_any_threads():
    one, first = run(threads=1)
    two, second = run(threads=2)
    again, third = run(threads=1)
    assert bits(one) == bits(two) == bits(again)
    assert first.rows == second.rows == third.rows


def test_both_runtimes_agree():
    by = {"D.*": cnn.SGD(0.05, momentum=0.5), "G.*": cnn.EMA(cnn.SGD(0.02))}
    native, first = run(optimizer=by)
    reference, second = run(optimizer=by, runtime="reference")
    for key, array in native.states.items():
        np.testing.assert_allclose(array, reference.states[key], rtol=2e-3, atol=2e-4)
    for a, b in zip(first.rows, second.rows, strict=True):
        assert a == pytest.approx(b, rel=1e-3)


class Kill(cnn.Watcher):
    def __init__(self, after):
        self.after = after

    def batch(self, run, items, row):
        if run.done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [3, 8, 13, 17])
def test_a_run_that_goes_on_has_the_same_bits(after, tmp_path):
    whole, expected = run(step_history=True)
    model = gan()
    with pytest.raises(KeyboardInterrupt):
        run(model, checkpoint=tmp_path, checkpoint_every=1, callbacks=[Kill(after)])
    fresh, found = run(resume=tmp_path, checkpoint_every=1)
    assert bits(fresh) == bits(whole)
    assert found.rows == expected.rows


def test_a_run_that_was_told_other_goals_is_refused(tmp_path):
    run(checkpoint=tmp_path, epochs=1)
    with pytest.raises(WeightsError, match=r"loss: the run had .*every 2 steps"):
        gan().fit(data(), loss=goals(3), epochs=2, batch_size=8, optimizer=optimizer(),
                  resume=tmp_path, progress=False)  # fmt: skip
    with pytest.raises(WeightsError, match="optimizer"):
        run(resume=tmp_path, optimizer={"D.*": cnn.Adam(0.01), "G.*": cnn.SGD(0.02)}, epochs=2)
    with pytest.raises(WeightsError, match="learning_rate"):
        others = {**optimizer(), "D.*": cnn.Adam(0.005, beta1=0.5, clip_norm=1.0)}
        run(resume=tmp_path, optimizer=others, epochs=2)
    told = load_checkpoint(tmp_path)[1].config
    assert "Adam" in told["optimizer"] and "0.01" not in told["optimizer"]
    assert "learning_rate[G.*] Constant(rate=0.02)" in told["learning_rate"]


def test_every_loss_is_told_by_name(tmp_path, capsys):
    log = tmp_path / "run.csv"
    _, history = run(callbacks=[cnn.callbacks.CSV(log)], progress=True, step_history=True)
    assert history.columns == ["loss", "d_loss", "g_loss"]
    steps = [row for row in history.steps if "g_loss" in row]
    assert [row["step"] for row in steps] == list(range(2, 33, 2))
    # Means over the items of the steps that have a loss.
    sizes = {step: 4 if step % 8 == 0 else 8 for step in range(1, 33)}
    own = [row for row in steps if row["step"] <= 8]
    mean = sum(row["g_loss"] * sizes[row["step"]] for row in own) / sum(
        sizes[row["step"]] for row in own
    )
    assert history.rows[0]["g_loss"] == pytest.approx(mean, rel=1e-6)
    with log.open() as file:
        assert {"d_loss", "g_loss"} <= {*next(csv.reader(file))}
    assert "d_loss" in capsys.readouterr().err


def test_validation_measures_every_loss():
    model, history = run(validation=0.2, epochs=2)
    assert {"val_loss", "val_d_loss", "val_g_loss"} <= {*history.columns}
    found = model.evaluate(data(), loss=goals())
    assert found["loss"] == pytest.approx(found["d_loss"] + found["g_loss"], rel=1e-6)
    assert model.evaluate(data()) == found


def test_averages_of_one_group():
    rows = []

    class Look(cnn.Watcher):
        def batch(self, run, items, row):
            rows.append({k: a.copy() for k, a in run.session.states.items()})

    model, _ = run(callbacks=[Look()], epochs=1)
    key = "G.1.weight"
    due = [rows[i][key] for i in (1, 3, 5, 7)]
    expected = due[0]
    for each in due[1:]:
        expected = expected + (each - expected) * np.float32(1 - 0.9)
    np.testing.assert_allclose(model.parameters[key], expected, rtol=1e-5)
    assert model.parameters["D.1.weight"].tobytes() == rows[-1]["D.1.weight"].tobytes()


def test_averages_that_begin_at_a_step_are_of_goals_of_every_step():
    by = {"D.*": cnn.SWA(cnn.SGD(0.01), start=3, every=1), "G.*": cnn.SGD(0.01)}
    model, _ = run(optimizer=by, epochs=1)
    assert model.is_initialized
    by = {"D.*": cnn.SGD(0.01), "G.*": cnn.SWA(cnn.SGD(0.01), start=3, every=1)}
    with pytest.raises(GraphError, match=r"begins at a step of the run, and G\.1\.weight is not"):
        run(optimizer=by, epochs=1)


def test_shards_of_goals_together():
    def cut(shards, threads):
        model = gan(0.0)
        model.freeze("G.norm.*")
        given = {"optimizer": optimizer(), "batch_size": 8, "shards": shards, "threads": threads}
        history = model.fit(data(64), loss=goals(2, None), progress=False, **given)
        return model, history

    (one, first), (two, second), (whole, third) = cut(2, 1), cut(2, 2), cut(1, 1)
    assert bits(one) == bits(two) and first.rows == second.rows
    assert first.rows[0] == pytest.approx(third.rows[0], rel=1e-4)
    for key, array in whole.states.items():
        np.testing.assert_allclose(array, one.states[key], rtol=1e-3, atol=1e-4)


def test_an_optimiser_that_comes_to_rest():
    kept = []

    class Look(cnn.Watcher):
        def batch(self, run, items, row):
            kept.append({k: a.copy() for k, a in run.session.states.items()})

    by = {"D.*": cnn.SGD(S.Linear(0.1, 0.0, steps=4)), "G.*": cnn.Adam(0.01)}
    run(optimizer=by, callbacks=[Look()], epochs=2)
    changed = [
        kept[i]["D.1.weight"].tobytes() != kept[i - 1]["D.1.weight"].tobytes()
        for i in range(1, len(kept))
    ]
    assert changed[:3] == [True] * 3 and not any(changed[4:])
    assert kept[-1]["G.1.weight"].tobytes() != kept[5]["G.1.weight"].tobytes()


def test_the_rate_of_a_run_is_a_factor_on_all():
    def steps(rate, by):
        model = gan().initialize(0)
        with cnn.Session(model, goals(1), by) as session:
            session.learning_rate = rate
            (fed, _) = data(8)
            session.step(fed)
        return bits(model)

    halved = {"D.*": cnn.SGD(0.05), "G.*": cnn.SGD(0.02)}
    assert steps(0.5, {"D.*": cnn.SGD(0.1), "G.*": cnn.SGD(0.04)}) == steps(1.0, halved)


def test_norms_move_their_averages_once_a_step():
    model = gan()
    model.initialize(0)
    moved = {}
    for after in (None, "d"):
        model.initialize(0)
        with cnn.Session(model, goals(1, after), {"*": cnn.SGD(0.1)}) as session:
            session.step(data(8)[0])
        moved[after] = model.states["G.norm.mean"].copy()
    np.testing.assert_array_equal(moved[None], moved["d"])


def test_a_loss_that_is_not_finite_names_its_node():
    def broken(fake):
        return cnn.mean(cnn.log(fake * 0.0))

    both = {**goals(1), "g": cnn.Goal(broken, trains="G.*")}
    model = gan().initialize(0)
    before = bits(model)
    by = {"D.*": cnn.Adam(0.01), "G.*": cnn.EMA(cnn.Adam(0.02))}
    session = cnn.Session(model, both, by)
    with pytest.raises(TrainingError, match=r"made by log.*learning rate was \[D\.\*\] 0.01, "):
        session.step(data(8)[0])
    session.sync()
    assert bits(model) == before


def test_a_rehearsal_leaves_the_model(tmp_path: Path):
    model = gan().initialize(0)
    before = bits(model)
    run(model, fast_dev_run=3, checkpoint=tmp_path)
    assert bits(model) == before and not [*tmp_path.iterdir()]


def test_the_model_is_saved_without_its_functions(tmp_path):
    model, _ = run(epochs=1)
    model.save(tmp_path / "gan.safetensors")
    again = cnn.load(tmp_path / "gan.safetensors")
    assert again.objective is None and bits(again) == bits(model)


def test_what_goals_do_not_take():
    with pytest.raises(GraphError, match="goals are whole losses"):
        run(penalties={"D.1.weight": cnn.penalties.L2(1e-4)})
    with pytest.raises(GraphError, match="metrics"):
        run(metrics=["accuracy"])
    with pytest.raises(GraphError, match="diagnose asks what a loss of predictions"):
        gan().diagnose(data(), loss=goals())
    x = cnn.input("x", (2,))
    model = cnn.Model(x, {"y": cnn.dense(x, 1)})
    aim = cnn.Goal(lambda y, target: cnn.mean((y - target) ** 2.0))
    with pytest.raises(ExportError, match="training as ONNX has one loss and its target"):
        export_onnx_training(model, "folder", loss=aim)


def test_the_step_is_a_text_and_has_a_plan():
    graph = gan().training_graph(goals(), optimizer_of_steps())
    again = parse_graph(str(graph))
    assert str(again) == str(graph)
    assert planned(graph.bind(N=8)).arena_bytes > 0


def optimizer_of_steps():
    return {"D.*": cnn.Adam(S.Cosine(0.01, steps=9)), "G.*": cnn.EMA(cnn.SGD(0.02))}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_every_loss(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "160")
    run(progress=None, epochs=1)
    assert re.search(r"d_loss \d\.\d{4}  g_loss \d\.\d{4}", screen.getvalue())


@pytest.mark.parametrize("after", [None, "d"])
def test_a_norm_moves_its_averages_by_what_the_first_goal_sees(after):
    """Means of what D.1 gives of x and of z (by goal d), and of w, which goal g alone reads."""
    x, z, w = (cnn.input(name, (2,)) for name in "xzw")
    given = cnn.input("given", (2,))
    y = cnn.dense(given, 5, name="D.1")
    y = cnn.dense(cnn.tanh(cnn.batch_norm(y, name="D.norm")), 1, name="D.2")
    critic = cnn.Model(given, y)
    fake, again = cnn.dense(z, 2, name="G"), cnn.dense(w, 2, name="H")
    outputs = {"real": critic(x), "fake": critic(fake), "again": critic(again)}
    model = cnn.Model([x, z, w], outputs).initialize(0)
    both = {
        "d": cnn.Goal(of_d, trains=("D.*", "G.*")),
        "g": cnn.Goal(lambda again: cnn.mean(again), trains="H.*", after=after),
    }
    rng = np.random.default_rng(0)
    b = {name: rng.normal(size=(8, 2)).astype(np.float32) for name in "xzw"}
    old = {key: array.copy() for key, array in model.states.items()}
    with cnn.Session(model, both, {"*": cnn.SGD(0.5)}) as session:
        session.step(b)
    new = old if after is None else model.states

    def mean(points, p):
        return (points @ p["D.1.weight"].T + p["D.1.bias"]).mean(0)

    def drawn(points, name):
        return points @ old[f"{name}.weight"].T + old[f"{name}.bias"]

    expected = old["D.norm.mean"]
    seen = [(b["x"], old), (drawn(b["z"], "G"), old), (drawn(b["w"], "H"), new)]
    for points, p in seen:
        expected = expected + (mean(points, p) - expected) * 0.1
    np.testing.assert_allclose(model.states["D.norm.mean"], expected, rtol=1e-5, atol=1e-6)
