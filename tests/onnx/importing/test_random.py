"""Random numbers of ONNX: how they are distributed, that they are the same in every run, and that
nobody compares them with those of others."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from support.agreement import theirs
from support.malformed_models import model, node

from graphcnn.analysis.randomness import random_outputs
from graphcnn.compile.runner import Runner
from graphcnn.errors import ImportModelError
from graphcnn.exchange.check import check_onnx
from graphcnn.learning.optimizers import SGD
from graphcnn.model import import_onnx
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report
from graphcnn.ops.random import RandomUniform
from graphcnn.passes.training.training_mode import SEED, STEP, TrainingMode
from graphcnn.runtime.execution import REFERENCE, Execution

DOUBLE, HALF = TensorProto.DOUBLE, TensorProto.FLOAT16


def content(*nodes, shape=("N", 50, 40), outputs=("y",), stored=(), types=()):
    found = model(nodes, shape, stored, outputs)
    for i, kind in enumerate(types):
        found.graph.output[i].type.tensor_type.elem_type = kind
    return found.SerializeToString()


def drawn(source, x=None, runtime="native", threads=None):
    x = np.zeros((20, 50, 40), np.float32) if x is None else x
    found = import_graph(source)
    return Runner(found.graph, Execution(runtime, threads)).run({"x": x}, found.states)[0]


#: Node, and the mean and the standard deviation of its numbers.
NUMBERS = {
    "normal": (node("RandomNormalLike", "x", mean=3.0, scale=0.5), 3.0, 0.5),
    "seeded": (node("RandomNormalLike", "x", seed=7.0), 0.0, 1.0),
    "uniform": (node("RandomUniformLike", "x", low=-1.0, high=5.0), 2.0, 6 / 12**0.5),
    "fixed": (node("RandomNormal", shape=[20, 50, 40], scale=2.0), 0.0, 2.0),
    "fixed_uniform": (node("RandomUniform", shape=[20, 50, 40]), 0.5, 1 / 12**0.5),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_moments(name):
    """Within five standard errors; neighbours, and items of a batch, have nothing to do with each
    other."""
    one, mean, deviation = NUMBERS[name]
    source = content(one, node("Identity", "x", outputs=("z",)), outputs=("y", "z"))
    y = drawn(source)["y"].astype(np.float64)
    z = (y - mean) / deviation
    error = z.size**-0.5
    assert abs(z.mean()) < 5 * error
    assert abs((z**2).mean() - 1) < 5 * 1.5 * error
    assert abs((z**3).mean()) < 5 * 4 * error
    assert abs((z**4).mean() - (1.8 if "uniform" in name else 3)) < 5 * 10 * error
    for shifted in (np.roll(z, 1), np.roll(z, 1, 0), np.roll(z, 1, 1)):
        assert abs((z * shifted).mean()) < 5 * error
    if "uniform" in name:
        assert (np.abs(z) <= 3**0.5 + 1e-6).all() and np.abs(z).max() > 1.73


@pytest.mark.parametrize("name", NUMBERS)
def test_the_same_numbers_for_everybody(name):
    """In every run, with any number of threads, and in what is exported; nearly so in the
    reference, whose logarithm is another."""
    source = content(NUMBERS[name][0], node("Identity", "x", outputs=("z",)), outputs=("y", "z"))
    y = drawn(source)["y"]
    for threads in (1, 3):
        np.testing.assert_array_equal(drawn(source, threads=threads)["y"], y)
    others = {"reference": drawn(source, runtime="reference")["y"]}
    found = import_graph(source)
    again = export_graph(found.graph, found.states).SerializeToString()
    others["exported"] = theirs(again, {"x": np.zeros((20, 50, 40), np.float32)})["y"]
    for who, array in others.items():
        np.testing.assert_allclose(array, y, rtol=0, atol=2e-6 * np.abs(y).max(), err_msg=who)


def test_seeds():
    """Nodes of one seed draw the same, others do not; without a seed each has its own stream."""
    kinds = [{"seed": 1.0}, {"seed": 1.0}, {"seed": 2.0}, {}, {}]
    nodes = [node("RandomNormalLike", "x", outputs=(f"y{i}",), **k) for i, k in enumerate(kinds)]
    found = drawn(content(*nodes, outputs=[f"y{i}" for i in range(5)]))
    np.testing.assert_array_equal(found["y0"], found["y1"])
    for a, b in ((0, 2), (0, 3), (2, 3), (3, 4)):
        assert abs(np.corrcoef(found[f"y{a}"].ravel(), found[f"y{b}"].ravel())[0, 1]) < 0.025


def test_element_types():
    """As asked for, and as the input has them."""
    nodes = [
        node("RandomNormalLike", "x", outputs=("a",), dtype=DOUBLE),
        node("RandomUniformLike", "a", outputs=("b",)),
        node("RandomUniformLike", "x", outputs=("c",), dtype=HALF),
        node("Shape", "x", outputs=("s",)),
        node("ConstantOfShape", "s", outputs=("i",),
             value=numpy_helper.from_array(np.zeros(1, np.int64))),
        node("RandomNormalLike", "i", outputs=("d",), dtype=1),
    ]  # fmt: skip
    found = drawn(content(*nodes, outputs="abcd", types=(DOUBLE, DOUBLE, HALF, 1)))
    kinds = [found[k].dtype for k in "abcd"]
    assert kinds == [np.float64, np.float64, np.float16, np.float32]
    assert found["d"].shape == (20, 50, 40) and abs(found["d"].std() - 1) < 0.02
    for source, words in (
        (content(node("RandomNormalLike", "x", dtype=7)), "float type, found i64"),
        (content(node("RandomNormal")), "'shape'"),
        (content(node("RandomUniform", shape=[2, 0])), "'shape' = .2, 0. must have sizes"),
    ):
        with pytest.raises(ImportModelError, match=words):
            import_graph(source)


def test_bernoulli():
    """Each element is 1 as often as the number there says."""
    p = np.broadcast_to(np.linspace(0, 1, 50, dtype=np.float32)[:, None], (20, 50, 40))
    for how, dtype in (({}, np.float32), ({"dtype": TensorProto.BOOL, "seed": 3.0}, np.bool_)):
        found = content(node("Bernoulli", "x", **how), types=(TensorProto.BOOL,) if how else ())
        y = drawn(found, p)["y"]
        assert y.dtype == dtype and set(np.unique(y)) <= {0, 1}
        share = y.mean(axis=(0, 2))
        assert share[0] == 0 and share[-1] == 1
        assert (np.abs(share - p[0, :, 0]) < 5 * np.sqrt(0.25 / 800)).all()


def test_multinomial():
    """Classes as often as e^x says; one of probability 0 never."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[0.5, 0.0, 0.2, 0.3], [1.0, 6.0, 0.0, 3.0]], np.float32))
    source = content(node("Multinomial", "x", sample_size=20000, dtype=7), shape=("N", 4),
                     types=(TensorProto.INT64,))  # fmt: skip
    y = drawn(source, logs)["y"]
    assert y.shape == (2, 20000) and y.dtype == np.int64
    shares = np.stack([np.bincount(row, minlength=4) / 20000 for row in y])
    expected = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    assert (np.abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / 20000)).all()


def noisy(factor=1.0):
    """An encoder, noise, a decoder: mean + deviation · noise, as in a variational autoencoder."""
    stored = [numpy_helper.from_array(np.array(factor, np.float32), "k")]
    nodes = [
        node("Tanh", "x", outputs=("mean",)),
        node("Mul", "mean", "k", outputs=("log",)),
        node("Exp", "log", outputs=("deviation",)),
        node("RandomNormalLike", "deviation", outputs=("noise",)),
        node("Mul", "deviation", "noise", outputs=("spread",)),
        node("Add", "mean", "spread", outputs=("y",)),
        node("Relu", "mean", outputs=("z",)),
    ]
    return content(*nodes, shape=("N", 3, 4), stored=stored, outputs=("y", "z"))


def test_a_check_compares_what_is_determined():
    """The other output, and the last values before the noise."""
    found = check_onnx(noisy())
    assert found.passed and not found.culprits
    assert {row.output for _, row in found.rows} == {"mean", "deviation", "z"}
    assert "not compared, since random numbers decide: y" in str(found)
    only = check_onnx(content(node("RandomNormalLike", "x", outputs=("y",))))
    assert only.passed and not only.rows
    assert str(only).split("\n") == [
        f"{only.peer}: nothing was compared",
        "note: not compared, since random numbers decide: y",
    ]
    assert "random         y: numbers of our own" in str(report(noisy()))
    assert random_outputs(import_graph(noisy()).graph) == ("y",)


def test_a_difference_is_found_beside_the_noise(monkeypatch):
    from graphcnn.ops.elementwise import Exp

    monkeypatch.setattr(Exp, "evaluate", lambda self, x: np.exp(x) + np.float32(0.1))
    found = check_onnx(noisy(), runtime="reference")
    assert not found.passed
    assert found.culprits["reference"].output == "deviation"


def test_batches_run_whole():
    net = import_onnx(noisy())
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    whole = net.predict(x)["y"]
    assert len(np.unique(whole - np.tanh(x))) == whole.size
    with pytest.raises(Exception, match="draws numbers by their place in the batch"):
        net.predict(x, batch_size=2)


def test_every_step_of_training_draws_anew():
    graph = TrainingMode()(import_graph(noisy()).graph)
    (draw,) = (n for n in graph.nodes if isinstance(n.op, RandomUniform))
    states = {SEED: np.array(0), STEP: np.array(0)}
    x = np.zeros((2, 3, 4), np.float32)
    runner = Runner(graph, REFERENCE)
    steps = [runner.run({"x": x}, {**states, STEP: np.array(i)})[0]["y"] for i in (0, 1, 0)]
    assert draw.op.stream >= 1 << 31
    assert (steps[0] == steps[2]).all() and (steps[0] != steps[1]).all()


def test_a_network_with_noise_learns():
    net = import_onnx(content(
        node("Conv", "x", "w", outputs=("c",)), node("RandomNormalLike", "c", outputs=("e",)),
        node("Add", "c", "e"), shape=("N", 1, 4, 4),
        stored=[numpy_helper.from_array(np.full((1, 1, 1, 1), 3, np.float32), "w")],
    ))  # fmt: skip
    x = np.random.default_rng(0).normal(size=(64, 1, 4, 4)).astype(np.float32)
    net.fit((x, x), epochs=20, batch_size=16, loss="mse", optimizer=SGD(0.05))
    assert abs(float(net.parameters["w"].ravel()[0]) - 1) < 0.25


@pytest.mark.parametrize("how", [{}, {"seed": 3}], ids=["free", "seeded"])
def test_dropout_in_training_mode_draws_its_mask(how):
    """Of an open batch; a quarter of the elements is 0, and the mask says which."""
    stored = [numpy_helper.from_array(np.array(v), k)
              for k, v in (("r", np.float32(0.25)), ("t", True))]  # fmt: skip
    source = content(
        node("Dropout", "x", "r", "t", outputs=("y", "mask"), **how),
        stored=stored, outputs=("y", "mask"), types=(TensorProto.FLOAT, TensorProto.BOOL),
    )  # fmt: skip
    x = np.full((20, 50, 40), 3, np.float32)
    y, mask = import_onnx(source).predict(x, raw=True).values()
    assert 0.24 < 1 - mask.mean() < 0.26
    np.testing.assert_allclose(y, np.where(mask, 4, 0), rtol=1e-6)
    np.testing.assert_array_equal(y, import_onnx(source).predict(x, raw=True)["y"])
    assert check_onnx(source).notes == ("not compared, since random numbers decide: y, mask",)
