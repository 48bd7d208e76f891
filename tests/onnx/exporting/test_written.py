"""Files of ours, read back as they were written; and notes in files that are not to be trusted."""

import re
import tracemalloc
from random import Random

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.evaluate import evaluate
from support.onnx_mutants import survive
from support.onnx_notes import without_note
from support.random_models import random_model
from support.small_networks import thin

import graphcnn as cnn
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import freeze
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.models import MODELS
from graphcnn.onnx.exporting.export import NOTE, export_graph
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.written import SPARE
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report
from graphcnn.ops.pool import MaxPool2dGrad


def several():
    """A network whose convolution is turned, whose pool and loss are several operators of ONNX."""
    x = cnn.input("x", (2, 7, 6))
    table = Constant(freeze(np.arange(40, dtype=np.float32).reshape(1, 40)))(name="table")
    y = cnn.conv2d(x, 4, 3, flip_kernel=True, name="C1")
    y = cnn.avg_pool2d(y, 2, stride=2, padding=1, ceil_mode=True, count_include_pad=True)
    y = cnn.dense(cnn.flatten(cnn.upsample2d(y, 1)), 40, name="fc") * table
    chosen = cnn.gather(cnn.transpose(y, (1, 0)), cnn.constant(np.array([3, 1, 2])))
    return cnn.Model(x, {"all": y, "chosen": chosen}, "several").initialize(3)


def changed(model, old, new):
    """The model with another text in place of its note."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    found = next(p for p in other.metadata_props if p.key == NOTE)
    assert old in found.value
    found.value = found.value.replace(old, new)
    return other.SerializeToString()


def ops(graph):
    return [node.op.name for node in graph.nodes]


def exported(model, **options):
    states = {state_of(s).key: model.states[state_of(s).key] for s in model.graph.states}
    return export_graph(model.graph, states, **options)


@pytest.mark.parametrize("name", MODELS)
def test_built_in_models(name, full, tmp_path):
    options = {"resnet18": {"classes": 3}, "squeezenet": {"classes": 3}}.get(name, {})
    model = thin(name, full, **options).initialize(1)
    paths = tmp_path / "first.onnx", tmp_path / "second.onnx"
    model.export_onnx(paths[0], verify=False)
    cnn.import_onnx(paths[0]).export_onnx(paths[1], verify=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_model_of_many_operators(tmp_path):
    model, paths = several(), (tmp_path / "first.onnx", tmp_path / "second.onnx")
    model.export_onnx(paths[0])
    back = cnn.import_onnx(paths[0])
    assert {"avg_pool2d", "upsample2d", "gather"} <= set(ops(back.graph))
    x = np.random.default_rng(0).normal(size=(2, 2, 7, 6)).astype(np.float32)
    expected, found = (evaluate(m.graph.bind(2), {"x": x}, m.states) for m in (model, back))
    for key, y in expected.items():
        np.testing.assert_array_equal(found[key], y)
    back.export_onnx(paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_kernels_that_are_turned_in_several_places(tmp_path):
    """A shared kernel is stored once as it is and once turned; a constant one is turned too."""
    x = cnn.input("x", (2, 6, 6))
    kernel = cnn.parameter((2, 2, 3, 3), name="shared")
    edges = cnn.constant(np.arange(36, dtype=np.float32).reshape(2, 2, 3, 3))
    y = x
    for flip, weight in ((True, kernel), (False, kernel), (True, edges), (True, kernel)):
        y = cnn.conv2d(y, 2, 3, padding=1, weight=weight, bias=False, flip_kernel=flip)
    y = cnn.conv_transpose2d(y, 2, 3, flip_kernel=True, name="T")
    model = cnn.Model(x, y).initialize(1)
    paths = tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert model.export_onnx(paths[0]).passed
    file = onnx.load(paths[0])
    assert {n.op_type for n in file.graph.node} == {"Conv", "ConvTranspose"}
    assert len(file.graph.initializer) == 5  # with the bias
    cnn.import_onnx(paths[0]).export_onnx(paths[1], verify=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_random_models(full, tmp_path):
    for seed in range(100 if full else 10):
        content = exported(random_model(Random(seed)).initialize(1)).SerializeToString()
        found = import_graph(content)
        assert export_graph(found.graph, found.states).SerializeToString() == content, seed


def test_training_files(tmp_path):
    MODELS["digits_cnn"]().export_onnx_training(tmp_path / "out", verify=False)
    for part in ("forward", "train_step", "grads", "init"):
        file = onnx.load(tmp_path / "out" / f"{part}.onnx")
        found = import_graph(file.SerializeToString())
        assert report(file.SerializeToString()).runs
        metadata = {k: v for k, v in found.metadata.items() if k not in ("producer", NOTE)}
        again = export_graph(
            found.graph, found.states, metadata=metadata, doc=file.graph.doc_string
        )
        assert again.SerializeToString() == file.SerializeToString(), part


def test_products_that_would_become_one_operator_stay_as_they_are():
    """x · sigmoid(x) in a file of others is silu."""
    x = cnn.input("x", (3,))
    model = cnn.Model(x, x * cnn.sigmoid(x))
    file = exported(model)
    assert "silu" not in ops(import_graph(file.SerializeToString()).graph)
    assert "silu" in ops(import_graph(without_note(file)).graph)


def test_weights_that_somebody_trained_are_kept():
    model = exported(several())
    tensor = next(t for t in model.graph.initializer if t.name == "fc.weight")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    found = import_graph(model.SerializeToString())
    assert "upsample2d" in ops(found.graph)
    np.testing.assert_array_equal(found.states["fc.weight"], numpy_helper.to_array(tensor))


def _pads(model):
    next(n for n in model.graph.node if n.op_type == "Div").op_type = "Mul"


def _constant(model):
    tensor = next(t for t in model.graph.initializer if t.name.endswith("counts"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))


def _table(model):
    tensor = next(t for t in model.graph.initializer if t.name == "table")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))


def _order(model):
    model.graph.output.reverse()


def _more(model):
    model.graph.node.append(helper.make_node("Relu", ["x"], ["more"], "more"))
    model.graph.output.append(helper.make_tensor_value_info("more", 1, ["N", 2, 7, 6]))


def _name(model):
    model.graph.name = "other"


@pytest.mark.parametrize("change", [_pads, _constant, _table, _order, _more, _name])
def test_a_file_that_was_changed_is_read_node_by_node(change):
    model = exported(several())
    change(model)
    content = model.SerializeToString()
    found, plain = import_graph(content), import_graph(without_note(model))
    assert ops(found.graph) == ops(plain.graph) and "upsample2d" not in ops(found.graph)


@pytest.mark.parametrize(
    "old, new",
    [
        ("avg_pool2d", "max_pool2d"),
        ("avg_pool2d", "avgpool"),
        ("padding=(1, 1, 1, 1)", "padding=(1, 1, 1, 99999999999999)"),
        ("padding=(1, 1, 1, 1)", "padding=(1, 1, 1, 2)"),
        ("count_include_pad=True", ""),
        ("C1.flipped", "C2.flipped"),
        ("digest", "digits"),
        ("graph", "grapf"),
        ("return chosen", "return other"),
        ("f32[N,2,7,6]", "f32[N,2,70000,60000]"),
    ],
)
def test_a_note_that_says_something_else_is_not_believed(old, new):
    model = exported(several())
    found = import_graph(changed(model, old, new))
    assert ops(found.graph) == ops(import_graph(without_note(model)).graph)


@pytest.mark.parametrize(
    "text",
    [
        # a matrix, a kernel, a list of windows and a chain that the file is too small for
        'graph "g" (x: f32[1,1,1,800000]) '
        '{ y = upsample2d_grad(x; scale=(1, 4000), mode="bilinear")',
        'graph "g" (x: f32[1,1,16000,16000], d: f32[1,1,1,1]) '
        "{ y = conv2d_weight_grad(x, d; kernel=(16000, 16000))",
        'graph "g" (x: f32[1,1,9999,9999]) '
        "{ y = avg_pool2d(x; kernel=(9999, 9999), stride=(1, 1), padding=(1, 1, 1, 1), "
        "count_include_pad=True, ceil_mode=True)",
        'graph "g" (x: f32[4]) {\n'
        + "".join(f"y{i} = relu({f'y{i - 1}' if i else 'x'})\n" for i in range(2000))
        + "y = relu(y1999)",
    ],
)
def test_a_small_file_cannot_ask_for_much(text, monkeypatch):
    """The nodes of the note are counted against those of the file, as are sizes of constants."""
    model = exported(several())
    made = []
    monkeypatch.setattr(
        "graphcnn.onnx.exporting.writer.NodeWriter.constant", lambda *a: made.append(a) or "c"
    )
    found = next(p for p in model.metadata_props if p.key == NOTE)
    found.value = text + "\n return y = y\n}\n"
    import_graph(model.SerializeToString(), limits=Limits(nodes=5000))
    assert all(np.asarray(array).size <= SPARE for _, array, *_ in made)


def mutants(seed, count):
    """A file whose note has other words, numbers and lines."""
    rng, model = Random(seed), exported(several())
    text = next(p for p in model.metadata_props if p.key == NOTE)
    lines, whole = text.value.split("\n"), text.value
    numbers = ["0", "1", "-1", "7", "4096", "65536", "2147483648", "1e999", "nan", "True"]
    marks = ["N", "f32", "graph", "relu()", "(", ")", ",", '"', "{", "}", "@", "#", "\n"]
    words = [*numbers, *marks, *whole.split()]
    for _ in range(count):
        if rng.random() < 0.2:
            changed = lines.copy()
            i = rng.randrange(len(lines))
            changed[i : i + 1] = rng.choice(([], [lines[i]] * 2, [rng.choice(lines)]))
            text.value = "\n".join(changed)
        else:
            text.value = whole
            for _ in range(rng.randint(1, 3)):
                parts = re.split(r"(\w+|\W)", text.value)
                parts[rng.randrange(len(parts))] = rng.choice(words)
                text.value = "".join(parts)
        yield model.SerializeToString()


def test_notes_with_other_words_are_survived(full):
    model = exported(several())
    files = without_note(model), model.SerializeToString()
    plain, ours = (ops(import_graph(content).graph) for content in files)
    believed = 0
    tracemalloc.start()
    for content in mutants(0, 2000 if full else 40):
        assert survive(content)
        found = ops(import_graph(content).graph)
        assert found in (plain, ours)
        believed += found == ours
    tracemalloc.stop()
    assert believed < (400 if full else 15)  # comments, and what means the same


def test_functions_and_other_producers_have_no_notes():
    model = exported(several())
    model.producer_name = "pytorch"
    assert "upsample2d" not in ops(import_graph(model.SerializeToString()).graph)


def test_shapes_that_are_given_go_node_by_node():
    found = import_graph(exported(several()).SerializeToString(), {"x": (3, 2, 7, 6)})
    assert found.graph.inputs[0].shape == (3, 2, 7, 6)


def test_gradients_of_pools_are_one_operator_again():
    x = Input("x", TensorType((N, 2, 6, 6)))()
    dy = Input("dy", TensorType((N, 2, 3, 3)))()
    graph = Graph.of([x, dy], {"dx": MaxPool2dGrad((2, 2), (2, 2))(x, dy)})
    found = import_graph(export_graph(graph, {}).SerializeToString())
    assert ops(found.graph)[-1] == "max_pool2d_grad"
