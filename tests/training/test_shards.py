"""A batch cut into shards: the numbers of the whole, the same bits always, or a refusal."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.engine import Asked, make_engine
from graphcnn.compile.native import planned
from graphcnn.compile.pipelines import training_graph, training_pipeline
from graphcnn.compile.sharding import split_step
from graphcnn.errors import DataError, GraphError, TrainingError, WeightsError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.plan import BufferRole
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.parts.tree import cut, rows, tree_sum
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.memory.rows import Rows
from graphcnn.runtime.reference import Reference
from graphcnn.text.parse import parse_graph

LABELS = TensorType((N,), DType.INT64)
REFERENCE = Execution("reference")


def network(norm=False, dropout=0.4, dtype="float32"):
    x = image = cnn.input("image", (3, 8, 8), dtype)
    x = cnn.conv2d(x, 16, 3, padding="same", bias=not norm)
    x = cnn.relu(cnn.batch_norm(x) if norm else x)
    if dropout:
        x = cnn.dropout(x, dropout)
    x = cnn.flatten(cnn.max_pool2d(x, 2))
    return cnn.Model(image, cnn.dense(x, 5, name="last"), "cut").initialize(1)


def ignoring(z, t):
    return cnn.cross_entropy(z, t, ignore_index=255)


def counted(z, t):
    return cnn.accuracy(z, t, ignore_index=255)


def trained(
    shards, execution, *, model=None, loss="cross_entropy", metrics=None, n=10, steps=3, **options
):
    """Outputs of each step, and the states after the last."""
    model = model or network()
    optimizer = cnn.SGD(0.05, momentum=0.9, clip_norm=1.0)
    graph = training_graph(model.graph, loss, optimizer, metrics, LABELS, shards=shards, **options)
    states = {}
    for value in graph.states:
        state = state_of(value)
        own = model.states.get(state.key)
        states[state.key] = state.initial(value.type, 0, state.key) if own is None else own
    engine, rng, outputs = make_engine(graph, states, execution), np.random.default_rng(0), []
    image = graph.inputs[0]
    for _ in range(steps):
        labels = rng.integers(0, 5, n)
        if loss is ignoring:
            labels[rng.random(n) < 0.5] = 255
        images = rng.normal(size=(n, *image.shape[1:])).astype(image.dtype.numpy)
        outputs.append(engine.step(Asked({"image": images, "target": labels}, {}, lambda _: True)))
    return outputs, engine.states()


def bits(arrays):
    return {key: array.tobytes() for key, array in arrays.items()}


def apart(one, two):
    """The largest difference of two runs, by outputs and by states that both have, in units of the
    rounding of their types."""
    (a, s), (b, t) = one, two
    pairs = [(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x]
    pairs += [(s[k], t[k]) for k in s if k in t and s[k].dtype.kind == "f"]
    return max(float(np.abs(x - y).max() / np.finfo(x.dtype).eps) for x, y in pairs)


def test_the_tree():
    written = [tree_sum([*map(str, range(n))], lambda a, b: f"({a}{b})") for n in (2, 5, 6)]
    assert written == ["(01)", "(((01)(23))4)", "(((01)(23))(45))"]
    assert [rows(n) for n in (2, 3, 4, 5, 8, 9)] == [2, 3, 3, 4, 4, 5]
    assert cut(10, 4) == [(0, 3), (3, 6), (6, 8), (8, 10)]


@pytest.mark.whole_runs
@pytest.mark.parametrize("loss, metric", [("cross_entropy", None), (ignoring, {"part": counted})])
def test_shards_make_the_step_of_the_whole_batch(loss, metric):
    """Dropout, clipping and a ragged cut included; labels that do not count differ by shard."""
    exact = {"model": network(dtype="float64"), "loss": loss, "metrics": metric}
    whole = trained(1, REFERENCE, **exact)
    for shards in (2, 3, 4):
        assert apart(trained(shards, REFERENCE, **exact), whole) < 40
    native = {"loss": loss, "metrics": metric}
    one = trained(1, Execution("native", 1), **native)
    for shards in (2, 3, 4):
        found = [trained(shards, Execution("native", n), **native) for n in (1, 2, 1)]
        assert apart(found[0], one) < 40
        assert len({str(bits(states)) for _, states in found}) == 1
        assert len({str([*map(bits, outputs)]) for outputs, _ in found}) == 1
        assert apart(found[0], trained(shards, REFERENCE, **native)) < 40


@pytest.mark.whole_runs
@pytest.mark.parametrize("keep", [False, True])
def test_every_step_is_what_its_operator_says(keep, monkeypatch):
    """Between red zones, each pass and each native step beside the reference; statistics are the
    means of what the shards find."""
    monkeypatch.setenv("GRAPHCNN_VERIFY", "numbers")
    monkeypatch.setenv("GRAPHCNN_ARENA", "guard")
    options = {"model": network(norm=True), "n": 7, "steps": 2, "keep_gradients": keep}
    found = trained(3, Execution("native", 2), **options)
    assert apart(found, trained(3, REFERENCE, **options)) < 40
    assert apart(found, trained(1, REFERENCE, **options)) > 1e4  # it has its own statistics


def test_statistics_are_means_over_the_shards():
    model = network(norm=True, dropout=0)
    (before,) = (a for k, a in model.states.items() if k.endswith("norm_1.mean"))
    _, states = trained(2, REFERENCE, model=model, n=8, steps=1)
    halves = []
    for first in (0, 4):
        one = network(norm=True, dropout=0)
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 5, 8)
        images = rng.normal(size=(8, 3, 8, 8)).astype(np.float32)
        with cnn.Session(one, optimizer=cnn.SGD(0.1), runtime="reference") as session:
            session.step(images[first : first + 4], labels[first : first + 4])
        halves.append(one.states["batch_norm_1.mean"])
    assert np.allclose(states["batch_norm_1.mean"], np.mean(halves, axis=0), atol=1e-7)
    assert not np.allclose(states["batch_norm_1.mean"], before)


def test_a_layer_that_is_used_twice_adds_up_both():
    y = cnn.input("y", (16, 8, 8))
    shared = cnn.Model(y, cnn.batch_norm(cnn.conv2d(y, 16, 3, padding="same", bias=False)))
    image = cnn.input("image", (3, 8, 8))
    x = cnn.conv2d(image, 16, 3, padding="same")
    x = cnn.relu(shared(cnn.relu(shared(x))))
    model = cnn.Model(image, cnn.dense(cnn.flatten(cnn.global_avg_pool2d(x)), 5)).initialize(1)
    found = trained(3, Execution("native", 2), model=model)
    assert apart(found, trained(3, REFERENCE, model=model)) < 100


def test_sums_of_losses_keep_their_own_counts():
    """Means, fixed penalties and quotients of sums, each with its weight, in one loss."""

    def several(z, t):
        penalty = cnn.mean(model.graph.parameters[0] * model.graph.parameters[0])
        return 0.5 * ignoring(z, t) + cnn.mean(z * z) * 0.1 - 0.01 * penalty

    model = network(dtype="float64")
    whole = trained(1, REFERENCE, model=model, loss=several, metrics={})
    assert apart(trained(4, REFERENCE, model=model, loss=several, metrics={}), whole) < 40


def test_weights_of_items_count_in_the_mean_over_those_that_count():
    """The mean of w · l, divided by how many items of the whole batch count."""
    model = network(dtype="float64", dropout=0)
    z = next(iter(model.graph.outputs.values()))
    goal = cnn.input("target", (), "int64")
    weights = cnn.input("weights", (), "float64")
    counts = cnn.cast(cnn.not_equal(goal, 255), "float64")
    each = cnn.mean(z * z, 1) * weights * counts
    loss = cnn.sum(each) / cnn.maximum(cnn.sum(counts), 1.0)
    definition = Graph.of((*model.graph.inputs, goal, weights), {"loss": loss})
    rng, found = np.random.default_rng(0), []
    feeds = {
        "image": rng.normal(size=(9, 3, 8, 8)),
        "target": np.array([0, 255, 255, 255, 1, 2, 255, 255, 3]),
        "weights": rng.random(9),
    }
    for shards, execution in ((1, REFERENCE), (4, REFERENCE), (4, Execution("native", 2))):
        graph = training_pipeline(cnn.SGD(0.1), shards=shards).run(definition)
        own = {state_of(v).key: state_of(v) for v in graph.states}
        states = {
            k: model.states[k] if k in model.states else s.initial(s.type, 0, k)
            for k, s in own.items()
        }
        engine = make_engine(graph, states, execution)
        found.append(([engine.step(Asked(feeds, {}, lambda _: True))], engine.states()))
    assert max(apart(each, found[0]) for each in found[1:]) < 40


@pytest.mark.whole_runs
def test_rows_of_other_layouts_are_copied(monkeypatch):
    """Executables of two sizes may lay gradients out in other ways: not one bit is another."""
    expected = trained(4, Execution("native", 1), model=network(norm=True))
    monkeypatch.setattr(Rows, "same", lambda self, other: False)
    found = trained(4, Execution("native", 2), model=network(norm=True))
    assert bits(found[1]) == bits(expected[1])


def test_what_takes_items_together_is_refused_with_its_name():
    def spread(z, t):
        centre = cnn.mean(z, 0, name="centre")
        return cnn.mean((z - centre) ** 2.0)

    with pytest.raises(GraphError, match=r'cannot be cut into shards: mean "centre" .*shards=1'):
        trained(2, REFERENCE, loss=spread, metrics={})
    with pytest.raises(DataError, match="a batch of 3 items cannot be cut into 4 shards"):
        trained(4, Execution("native", 1), n=3)


def test_metrics_are_of_the_whole_batch():
    """A quotient of sums is computed of their totals; what needs all scores is left out."""

    def share(z, t):
        hits = cnn.sum(cnn.cast(z[:, 0] > 0.0, "float32"))
        return hits / (hits + cnn.sum(cnn.cast(z[:, 1] > 0.0, "float32")) + 1.0)

    metrics = {"share": share, "largest": lambda z, t: cnn.max(z)}
    options = {"metrics": metrics, "model": network(dropout=0)}
    (whole, *_), _ = trained(1, REFERENCE, **options)
    for execution in (REFERENCE, Execution("native", 1)):
        (found, *_), _ = trained(4, execution, **options)
        assert abs(found["share"] - whole["share"]) < 1e-6
        assert "largest" not in found and "largest" in whole


def test_the_plan_has_the_memory_of_one_shard():
    def plan(shards):
        model = network(dropout=0)
        graph = training_graph(model.graph, "cross_entropy", cnn.SGD(0.1), shards=shards)
        assert str(parse_graph(str(graph))) == str(graph)
        return planned(split_step(graph).step.bind(N=32 // shards), Execution("native", 1))

    one, four = plan(1), plan(4)
    assert four.arena_bytes < 0.35 * one.arena_bytes
    assert not one.reduced and one.summed == 0
    made = [i for value, _ in four.reduced.values() for i, s in enumerate(four.steps)
            if value in s.node.outputs]  # fmt: skip
    assert made == sorted(made) and made[-1] < four.summed <= four.commit
    assert {b.role for _, b in four.reduced.values()} == {BufferRole.REDUCED}
    assert set(four.reduced) == {
        "loss", "accuracy", *(f"gradient:{k}" for k in network().parameters)
    }  # fmt: skip
    assert f"4 shards: {four.summed} steps for each" in str(four)


def data(n=50):
    rng = np.random.default_rng(3)
    images = rng.normal(size=(n, 3, 8, 8)).astype(np.float32)
    return cnn.data.arrays(images, rng.integers(0, 5, n))


@pytest.mark.whole_runs
def test_a_run_in_shards_resumes_and_keeps_their_number(tmp_path):
    def run(epochs, folder=None, **options):
        model = network(norm=True)
        model.fit(
            data(), epochs=epochs, batch_size=12, progress=False, resume=folder,
            **{"shards": 4, "optimizer": cnn.Adam(0.01), "drop_last": True, **options},
        )  # fmt: skip
        return bits(model.states)

    whole = run(2)
    run(1, tmp_path)
    assert run(2, tmp_path) == whole
    with pytest.raises(
        WeightsError, match=r"(?s)shards: the run had 4, this call has 2.*'shards',"
    ):
        run(3, tmp_path, shards=2)
    run(3, tmp_path, shards=1, changing="shards")
    run(4, tmp_path, shards=3, changing="shards", threads=2)
    with pytest.raises(DataError, match=r"a last batch of 2, which cannot be cut into 4 shards"):
        run(1, drop_last=False)
    with pytest.raises(DataError, match=r"a last batch of 5, some shards of which are one item"):
        network(norm=True)
        flat = cnn.input("x", (6,))
        small = cnn.Model(flat, cnn.dense(cnn.batch_norm(cnn.dense(flat, 4)), 2))
        x = np.random.default_rng(0).normal(size=(13, 6)).astype(np.float32)
        small.fit(x, np.arange(13) % 2, batch_size=8, shards=3, progress=False)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("runtime", ["reference", "native"])
def test_gradients_of_a_session(shards, runtime):
    """Those of the next step; nothing else is as if they had been asked for."""
    model, images, labels = network(norm=True), *data(9).epoch(0, 0, 9).__next__()[:2]
    optimizer = cnn.SGD(0.1, momentum=0.9, clip_norm=0.01)
    with cnn.Session(model, optimizer=optimizer, shards=shards, runtime=runtime) as session:
        session.step(images, labels)
        before, seen = bits(session.states), {}
        found = session.gradients(images, labels)
        assert bits(session.states) == before

        def look(gradients):
            seen.update({key: array.copy() for key, array in gradients.items()})
            for array in gradients.values():
                array *= 0

        session.step(images, labels, ready=look)
        assert bits(found) == bits(seen) and found.keys() == dict(model.parameters).keys()
        steps = session.steps
        with pytest.raises(ZeroDivisionError):
            session.step(images, labels, ready=lambda _: 1 / 0)
        assert session.steps == steps
        after = session.states
    kept = (k for k in found if k != "batch_norm_1.gamma")
    for key in kept:  # a gradient of zero leaves momentum
        moved = np.frombuffer(before[key], np.float32).reshape(found[key].shape) - after[key]
        velocity = 0.9 * np.frombuffer(before[f"{key}.velocity"], np.float32)
        assert np.allclose(moved, 0.1 * velocity.reshape(moved.shape), atol=1e-7)


def test_gradients_equal_those_of_the_graph():
    model = network(dropout=0)
    images, labels = data(6).images[:6], data(6).labels[:6]
    goal = cnn.input("target", (), "int64")
    loss = cnn.cross_entropy(next(iter(model.graph.outputs.values())), goal)
    wanted = cnn.gradients(loss, model.graph.parameters)
    names = [state_of(p).key for p in model.graph.parameters]
    graph = Graph.of((*model.graph.inputs, goal), dict(zip(names, wanted, strict=True)))
    expected, _ = Reference(graph.bind(N=6)).run({"image": images, "target": labels}, model.states)
    with cnn.Session(model, optimizer=cnn.SGD(0.1)) as session:
        found = session.gradients(images, labels)
        assert max(float(np.abs(found[k] - expected[k]).max()) for k in names) < 1e-6
        images[0, 0, 0, 0] = np.nan
        with pytest.raises((TrainingError, DataError)):
            session.gradients(images, labels)
