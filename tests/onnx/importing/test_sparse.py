"""Sparse initializers and constants: dense arrays here, by either form of indices."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

import graphcnn as cnn
from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.importer import import_graph

DENSE = np.zeros((1, 2, 3, 3), np.float32)
DENSE[0, 0, 0, 1], DENSE[0, 1, 2, 0], DENSE[0, 1, 2, 2] = 1.5, -2.0, 0.25
X = np.random.default_rng(0).random((3, 2, 7, 9), np.float32)


def sparse(array, rows=False, name="w", **changed):
    """The numbers of an array that are not 0, by row-major numbers or rows of indices."""
    flat = np.flatnonzero(array)
    places = np.argwhere(array) if rows else flat
    indices = changed.get("indices", places.astype(np.int64))
    values = numpy_helper.from_array(changed.get("values", array.reshape(-1)[flat]), name)
    dims = changed.get("dims", array.shape)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(indices, "at"), dims)


def convolution(tensor=None, nodes=(), opset=13, inputs=()):
    nodes = [*nodes, helper.make_node("Conv", ["x", "w"], ["y"])]
    x = helper.make_tensor_value_info("x", 1, ["N", 2, 7, 9])
    y = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph(nodes, "g", [x, *inputs], [y])
    if tensor is not None:
        graph.sparse_initializer.append(tensor)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def predicted(model):
    return cnn.import_onnx(model.SerializeToString()).predict(X, raw=True)


def expected():
    model = convolution()
    model.graph.initializer.append(numpy_helper.from_array(DENSE, "w"))
    return predicted(model)


@pytest.mark.parametrize("rows", [False, True])
def test_an_initializer(rows):
    model = convolution(sparse(DENSE, rows))
    np.testing.assert_array_equal(predicted(model), expected())
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString())
    np.testing.assert_allclose(predicted(model), session.run(None, {"x": X})[0], atol=1e-6)
    found = import_graph(model.SerializeToString())
    assert list(found.states) == ["w"]  # trained like any other, and then dense
    np.testing.assert_array_equal(found.states["w"], DENSE)


def test_exported_it_is_dense(tmp_path):
    pytest.importorskip("onnxruntime")
    model = cnn.import_onnx(convolution(sparse(DENSE)).SerializeToString())
    model.export_onnx(tmp_path / "dense.onnx")
    back = onnx.load(tmp_path / "dense.onnx")
    assert not back.graph.sparse_initializer
    np.testing.assert_array_equal(numpy_helper.to_array(back.graph.initializer[0]), DENSE)


@pytest.mark.parametrize("rows", [False, True])
def test_a_constant_also_in_functions_and_branches(rows):
    constant = helper.make_node("Constant", [], ["w"], sparse_value=sparse(DENSE, rows))
    np.testing.assert_array_equal(predicted(convolution(nodes=[constant])), expected())

    body = helper.make_function(
        "own", "weight", [], ["w"], [constant], [helper.make_opsetid("", 13)]
    )
    model = convolution(nodes=[helper.make_node("weight", [], ["w"], domain="own")])
    model.functions.append(body)
    model.opset_import.append(helper.make_opsetid("own", 1))
    np.testing.assert_array_equal(predicted(model), expected())

    branches = []
    for name, factor in (("a", 1), ("b", 2)):
        out = helper.make_tensor_value_info(f"{name}_w", 1, None)
        node = helper.make_node("Identity", [name], [f"{name}_w"])
        branches.append(helper.make_graph([node], name, [], [out]))
        branches[-1].sparse_initializer.append(sparse(DENSE * factor, rows, name))
    choice = helper.make_node("If", ["c"], ["w"], then_branch=branches[0], else_branch=branches[1])
    model = convolution(nodes=[choice])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    np.testing.assert_array_equal(predicted(model), expected())


def test_in_a_file_of_its_own(tmp_path):
    tensor = sparse(DENSE)
    (tmp_path / "data").write_bytes(tensor.values.raw_data + tensor.indices.raw_data)
    size = len(tensor.values.raw_data)
    for part, offset in ((tensor.values, 0), (tensor.indices, size)):
        set_external_data(part, "data", offset=offset, length=len(part.raw_data))
        part.ClearField("raw_data")
        part.data_location = TensorProto.EXTERNAL
    path = tmp_path / "model.onnx"
    path.write_bytes(convolution(tensor).SerializeToString())
    np.testing.assert_array_equal(cnn.import_onnx(path).predict(X, raw=True), expected())
    with pytest.raises(ImportModelError, match="has no folder to read it from"):
        cnn.import_onnx(path.read_bytes())


def test_no_values_and_other_types():
    for array in (np.zeros((2, 3), np.int64), np.eye(3, dtype=np.int8), np.eye(2) > 0):
        constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse(array, name="c"))
        y = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(array.dtype), None)
        same = helper.make_node("Identity", ["c"], ["y"])
        graph = helper.make_graph([constant, same], "g", [], [y])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        found = cnn.import_onnx(model.SerializeToString()).predict({}, raw=True)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_without_indices_where_there_is_no_value():
    tensor = sparse(np.zeros((1, 2, 3, 3), np.float32))
    tensor.ClearField("indices")
    assert not predicted(convolution(tensor)).any()


def test_it_is_a_default_and_an_output_and_can_be_given():
    w = helper.make_tensor_value_info("w", 1, [1, 2, 3, 3])
    content = convolution(sparse(DENSE), inputs=[w]).SerializeToString()
    assert [v.node.name for v in import_graph(content).graph.inputs] == ["x"]
    other = DENSE + 1
    plain = convolution(sparse(DENSE)).SerializeToString()
    for bytes_, values in ((content, {"w": other}), (plain, {"w": other})):
        model = cnn.import_onnx(bytes_, inputs=values)
        reference = convolution()
        reference.graph.initializer.append(numpy_helper.from_array(other, "w"))
        np.testing.assert_array_equal(model.predict(X, raw=True), predicted(reference))
    kept = import_graph(plain, outputs=["w", "y"]).graph
    assert list(kept.outputs) == ["w", "y"]


I = np.int64  # noqa: E741
WRONG = [
    ({"indices": np.array([0, 18, 5], I)}, r"index 1 of initializer 'w' is 18, expected 0 to 17"),
    ({"indices": np.array([-1, 1, 5], I)}, r"index 0 .* is -1, expected 0 to 17 in the shape"),
    ({"indices": np.array([0, 5, 5], I)}, r"indices 1 and 2 .* are 5 and 5, expected each place"),
    ({"indices": np.array([4, 2, 5], I)}, r"indices 0 and 1 .* are 4 and 2, expected ascending"),
    (
        {"indices": np.array([[0, 0, 0, 1], [0, 2, 0, 0], [0, 1, 2, 2]], I)},
        r"index 1 .* is \(0, 2, 0, 0\), expected \(0, 0, 0, 0\) to \(0, 1, 2, 2\)",
    ),
    (
        {"indices": np.array([[0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 2, 2]], I)},
        r"indices 0 and 1 .* are \(0, 0, 0, 1\) and \(0, 0, 0, 0\), expected ascending places",
    ),
    ({"indices": np.array([0, 5], I)}, r"shape \(2,\), expected \(3,\) or \(3, 4\): 3 values, 4"),
    ({"indices": np.zeros((3, 3), I)}, r"shape \(3, 3\), expected \(3,\) or \(3, 4\)"),
    ({"indices": np.zeros(3, np.int32)}, r"indices of initializer 'w' must be of the type INT64"),
    ({"values": np.ones((3, 1), np.float32)}, r"values .* the shape \(3, 1\), expected one axis"),
    ({"dims": (1, 0, 3, 3)}, r"has the shape \(1, 0, 3, 3\), expected sizes of at least 1"),
    ({"dims": ()}, r"has the shape \(\), expected sizes"),
    ({"dims": (1, 1 << 20, 1 << 20, 3)}, r"limits.elements"),
    ({"dims": (1 << 28,), "values": np.ones(3)}, r"limits.folded_bytes"),
]


@pytest.mark.parametrize(("changed", "match"), WRONG)
def test_what_is_wrong_is_told(changed, match):
    with pytest.raises(ImportModelError, match=match):
        predicted(convolution(sparse(DENSE, **changed)))


def test_names():
    for other in (sparse(DENSE), numpy_helper.from_array(DENSE, "w")):
        model = convolution(sparse(DENSE))
        kind = model.graph.initializer if hasattr(other, "raw_data") else None
        (model.graph.sparse_initializer if kind is None else kind).append(other)
        with pytest.raises(ImportModelError, match="initializer 'w' appears twice"):
            predicted(model)
    with pytest.raises(ImportModelError, match="an input or initializer has no name"):
        predicted(convolution(sparse(DENSE, name="")))


def test_dense_arrays_are_counted_together():
    model = convolution(sparse(DENSE))
    assert import_graph(model.SerializeToString(), limits=Limits(folded_bytes=DENSE.nbytes))
    with pytest.raises(ImportModelError, match="constants of 72 bytes are computed"):
        import_graph(model.SerializeToString(), limits=Limits(folded_bytes=DENSE.nbytes - 1))
