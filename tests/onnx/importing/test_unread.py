"""Results that nobody reads stand in nobody's way; batch norms that are written out."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from support.malformed_models import array, model, node, relu

import graphcnn as cnn
from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.report import report

X = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)
SHAPE = ("N", 4, 8, 8)


def run(made):
    return cnn.import_onnx(made.SerializeToString()).predict(X)


def test_nodes_that_nobody_reads_are_left_out():
    """A graph that was cut by hand keeps what is behind the cut, and inputs that are open there."""
    dead = [
        node("NonZero", "a", outputs=("places",)),
        node("Foo", "places", outputs=("foo",), domain="own"),
        node("Add", "foo", "foo", outputs=("sum",)),
    ]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    made = model([relu("x", "a"), *dead, relu("a")], SHAPE, opset_imports=imports)
    np.testing.assert_array_equal(run(made), np.maximum(X, 0))
    assert not report(made.SerializeToString()).unsupported
    with pytest.raises(ImportModelError, match="NonZero"):
        cnn.import_onnx(made.SerializeToString(), outputs=["places"])


NUMBERS = [array(name, 4) for name in "sbm"] + [
    numpy_helper.from_array(np.array([0.5, 1.0, 2.0, 3.0], np.float32), "v")
]


def batch_norm(outputs=("y",), stored=NUMBERS, opset=9, **attributes):
    made = node("BatchNormalization", "x", "s", "b", "m", "v", outputs=outputs, **attributes)
    return model([made], SHAPE, stored, opset=opset)


def expected(stored, epsilon):
    s, b, m, v = (numpy_helper.to_array(t).astype(np.float64) for t in stored)
    if s.ndim == 1:
        s, b, m, v = (t[:, None, None] for t in (s, b, m, v))
    return s * (X - m) / np.sqrt(v + epsilon) + b


def test_an_old_batch_norm_that_names_its_statistics_is_one_of_training():
    """As ONNX Runtime computes it; the statistics themselves may not be read."""
    made = batch_norm(("y", "mean", "var", "saved_mean", "saved_var"))
    moments = [
        numpy_helper.from_array(f(X, axis=(0, 2, 3)), n) for f, n in ((np.mean, "m"), (np.var, "v"))
    ]
    np.testing.assert_allclose(
        run(made), expected([*NUMBERS[:2], *moments], 1e-5), rtol=1e-4, atol=1e-5
    )
    unnamed = batch_norm(("y", "", "", "", ""))
    np.testing.assert_allclose(run(unnamed), expected(NUMBERS, 1e-5), rtol=1e-5, atol=1e-6)
    made.graph.output.add(name="var").type.tensor_type.elem_type = 1
    with pytest.raises(ImportModelError, match="statistics of the batch"):
        run(made)


def test_an_epsilon_of_zero():
    np.testing.assert_allclose(
        run(batch_norm(epsilon=0.0)), expected(NUMBERS, 0), rtol=1e-5, atol=1e-6
    )


def test_statistics_of_every_pixel():
    r = np.random.default_rng(1)
    stored = [
        numpy_helper.from_array(r.uniform(0.5, 2, (4, 8, 8)).astype(np.float32), n) for n in "sbmv"
    ]
    made = batch_norm(stored=stored, opset=7, spatial=0, epsilon=0.01)
    np.testing.assert_allclose(run(made), expected(stored, 0.01), rtol=1e-5, atol=1e-6)


def test_a_part_without_elements_that_nobody_reads():
    sizes = numpy_helper.from_array(np.array([3, 0, 1]), "sizes")
    made = model([node("Split", "x", "sizes", outputs=("y", "none", "z"), axis=1)], SHAPE, [sizes])
    np.testing.assert_array_equal(run(made), X[:, :3])
