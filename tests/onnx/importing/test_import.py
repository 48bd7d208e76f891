"""Networks through ONNX and back, shapes and batch sizes, metadata, training, local functions."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser
from support.malformed_models import array, integers, model, node, relu
from support.random_models import random_model
from support.small_networks import thin

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import ImportModelError
from graphcnn.ir.node import OPS
from graphcnn.ir.origin import UNKNOWN, Origin
from graphcnn.ir.tensor_type import N
from graphcnn.model import import_onnx
from graphcnn.models import MODELS
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.file.messages import origin_of
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.exchange.turn_kernels import TurnKernels
from graphcnn.runtime.reference import Reference


def exported(m):
    return export_graph(m.graph, m.states, metadata=m.metadata()).SerializeToString(
        deterministic=True
    )


def run(m, feeds):
    n = len(next(iter(feeds.values())))
    return Reference(m.graph.bind(N=n)).run(feeds, m.states)[0]


def same_bits(a, b, feeds):
    ours, theirs = run(a, feeds), run(b, feeds)
    assert list(ours) == list(theirs)
    for key in ours:
        assert np.array_equal(ours[key], theirs[key]), key


@pytest.mark.parametrize("name", MODELS)
def test_built_in_networks_come_back(name, full):
    m = thin(name, full).initialize(3)
    content = exported(m)
    back = import_onnx(content)
    assert exported(back) == content
    graph, states = TurnKernels().apply(m.graph, m.states.snapshot(), PassLog())
    m = cnn.Model(graph.inputs, graph.outputs, m.name)  # with the masks in its weights
    m.replace_states(states)
    assert list(back.states) == list(m.states)
    assert all(np.array_equal(back.states[k], m.states[k]) for k in m.states)
    assert list(back.parameters) == list(m.parameters)
    assert [v.type for v in back.graph.inputs] == [v.type for v in m.graph.inputs]
    if name != "squeezenet":  # whose ceil_mode is exported as plain windows
        assert [n.op for n in back.graph.operations] == [n.op for n in m.graph.operations]
    (image,) = m.graph.inputs
    shape = [1, *image.shape[1:]]
    same_bits(m, back, {image.node.name: np.random.default_rng(0).random(shape, np.float32)})


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_come_back(seed):
    from random import Random

    m = random_model(Random(seed)).initialize(seed)
    back = import_onnx(exported(m))
    (image,) = m.graph.inputs
    x = np.random.default_rng(seed).normal(size=(3, *image.shape[1:])).astype(np.float32)
    ours, theirs = run(m, {"image": x}), run(back, {"image": x})
    for key, y in ours.items():
        assert np.abs(theirs[key] - y).max() <= 2e-6 * max(1, np.abs(y).max())
    again = exported(back)
    assert exported(import_onnx(again)) == again


def test_metadata_and_origins_come_back(tmp_path):
    m = MODELS["digits_cnn"]().initialize(0)
    m.normalisation = Normalisation((0.1,), (0.5,))
    m.classes, m.loss = tuple("0123456789"), "cross_entropy"
    m.export_onnx(tmp_path / "m.onnx", verify=False)
    back = import_onnx(tmp_path / "m.onnx")
    assert (back.normalisation, back.classes, back.loss) == (m.normalisation, m.classes, m.loss)
    assert back.name == m.name
    assert [str(n.origin) for n in back.graph.operations] == [
        str(n.origin) for n in m.graph.operations
    ]
    back.export_onnx(tmp_path / "again.onnx", verify=False)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_origins_are_read_as_they_are_written():
    origin = Origin("lenet.py", 12, ("fuse_pad", "fold_batch_norm"))
    assert origin_of(str(origin)) == origin
    for text in ("", "a sentence", "lenet.py:x", "a:1, b c"):
        assert origin_of(text) == UNKNOWN


def test_metadata_that_is_none_is_refused():
    m = MODELS["digits_cnn"]()
    broken = onnx.load_from_string(exported(m))
    next(p for p in broken.metadata_props if p.key == "classes").value = "{"
    with pytest.raises(ImportModelError, match="metadata"):
        import_onnx(broken.SerializeToString())


def test_statistics_are_no_parameters():
    back = import_onnx(exported(MODELS["resnet18"](classes=10, size=32)))
    assert all("mean" not in key and "variance" not in key for key in back.parameters)
    assert any("mean" in key for key in back.states)


def test_an_imported_network_trains():
    m = MODELS["digits_cnn"]().initialize(0)
    back = import_onnx(exported(m))
    rng = np.random.default_rng(0)
    data = rng.random((32, 1, 8, 8), np.float32), rng.integers(0, 10, 32)
    options = dict(epochs=2, batch_size=16, seed=1, runtime="reference", progress=False)
    m.fit(data, **options)
    back.fit(data, **options)
    assert all(np.array_equal(m.states[k], back.states[k]) for k in m.states)


def test_an_imported_network_is_saved_and_loaded(tmp_path):
    strange = '/features/0/"<Conv>"\n'
    m = model(
        [node("Conv", "x", "onnx::W", name=strange)],
        (None, 2, 5, 5),
        [array("onnx::W", 3, 2, 3, 3)],
    )
    back = import_onnx(m.SerializeToString())
    loaded = cnn.load(back.save(tmp_path / "m.safetensors"))
    x = np.random.default_rng(0).random((2, 2, 5, 5), np.float32)
    same_bits(back, loaded, {"x": x})


# Shapes


def shape_chain():
    """x.reshape(x.shape[0], -1), as exporters write it for open batch sizes."""
    return parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[batch, 3, 4, 5] x) => (float[batch, k] y) {
            s = Shape (x)
            i = Constant <value = int64 {0}> ()
            n = Gather <axis = 0> (s, i)
            axes = Constant <value = int64[1] {0}> ()
            n1 = Unsqueeze (n, axes)
            m = Constant <value = int64[1] {-1}> ()
            t = Concat <axis = 0> (n1, m)
            y = Reshape (x, t)
        }
        """
    )


def test_shape_arithmetic_vanishes():
    found = import_graph(shape_chain().SerializeToString())
    assert [n.op.name for n in found.graph.nodes] == ["input", "reshape"]
    assert found.graph.outputs["y"].shape == (N, 60)
    assert found.folded["Shape"] == found.folded["Gather"] == found.folded["Concat"] == 1


def test_shapes_of_inputs_can_be_given():
    content = shape_chain().SerializeToString()
    assert import_graph(content, {"x": (2, 3, 4, 5)}).graph.outputs["y"].shape == (2, 60)
    assert import_graph(content, {"x": (None, 1, 4, 5)}).graph.outputs["y"].shape == (N, 20)
    assert import_graph(content, {"x": (1, None, 4, 5)}).graph.outputs["y"].shape == (1, 20 * N)
    for wrong, word in (
        ({"z": (1,)}, "no input 'z'"),
        ({"x": (1, 3)}, "4 axes"),
        ({"x": (None, None, 4, 5)}, "one batch axis"),
        ({"x": (1, 0, 4, 5)}, "at least 1"),
    ):
        with pytest.raises(ImportModelError, match=word):
            import_graph(content, wrong)


def test_an_open_size_is_asked_for():
    content = model([relu()], (None, 3, "height", 8)).SerializeToString()
    with pytest.raises(ImportModelError, match=r"axis 2 open \(height\).*inputs="):
        import_graph(content)
    assert import_graph(content, {"x": (N, 3, 6, 8)}).graph.outputs["y"].shape == (N, 3, 6, 8)


def test_the_batch_axis_may_be_merged():
    merged = model([node("Reshape", "x", "s")], (None, 3, 4, 4), [integers("s", 1, -1)])
    assert import_graph(merged.SerializeToString()).graph.outputs["y"].shape == (1, 48 * N)
    assert import_graph(merged.SerializeToString(), {"x": (1, 3, 4, 4)}).graph.is_bound


def test_same_padding_by_arithmetic_of_floats():
    """The chain Shape, Cast, Div, Ceil, ..., Pad of exported "same" convolutions."""
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 2, 7, 7] x) => (float[N, 2, h, w] y) {
            s = Shape <start = 2, end = 4> (x)
            f = Cast <to = 1> (s)
            two = Constant <value = float {2.0}> ()
            q = Div (f, two)
            c = Ceil (q)
            one = Constant <value = float {1.0}> ()
            c1 = Sub (c, one)
            r = Mul (c1, two)
            three = Constant <value = float {3.0}> ()
            e = Add (r, three)
            p = Sub (e, f)
            i = Cast <to = 7> (p)
            zeros = Constant <value = int64[6] {0, 0, 0, 0, 0, 0}> ()
            pads = Concat <axis = 0> (zeros, i)
            y = Pad (x, pads)
        }
        """
    found = import_graph(parser.parse_model(text).SerializeToString())
    assert [n.op.name for n in found.graph.operations] == ["pad2d"]
    assert found.graph.outputs["y"].shape == (N, 2, 9, 9)


# Functions


def test_local_functions_are_written_out():
    text = """
        <ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        g (float[N, 4] x) => (float[N, 4] y) { y = own.leak <slope = 0.25> (x) }
        <domain: "own", opset_import: ["" : 17]>
        leak <slope> (a) => (b) { c = LeakyRelu <alpha : float = @slope> (a)  b = Neg (c) }
        """
    found = import_graph(parser.parse_model(text).SerializeToString())
    leaky, neg = (n.op for n in found.graph.operations)
    assert (leaky.alpha, neg.name) == (0.25, "neg")
    assert found.lowered == {"leak": 1}


def test_operators_without_a_rule_are_written_out_by_their_function():
    made = model([node("MeanVarianceNormalization", "x")], (2, 3, 4, 5), opset=13)
    found = import_graph(made.SerializeToString())
    assert found.lowered == {"MeanVarianceNormalization": 1}
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    (y,) = Reference(found.graph).run({"x": x}, found.states)[0].values()
    deviation = np.sqrt(x.var(axis=(0, 2, 3), keepdims=True))
    assert np.allclose(y, (x - x.mean(axis=(0, 2, 3), keepdims=True)) / deviation, atol=1e-5)


def test_an_if_takes_the_branch_that_is_known():
    def branch(op, name):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [out])

    choice = node("If", "c", then_branch=branch("Relu", "a"), else_branch=branch("Neg", "b"))
    for condition, op in ((True, "relu"), (False, "neg")):
        stored = numpy_helper.from_array(np.array(condition), "c")
        found = import_graph(model([choice], (2, 3), [stored]).SerializeToString())
        assert [n.op.name for n in found.graph.operations] == [op]


# Patterns of exporters


@pytest.mark.parametrize(
    ("gate", "op"),
    [(node("Sigmoid", "x", outputs=("s",)), "silu"),
     (node("HardSigmoid", "x", outputs=("s",), alpha=1 / 6), "hard_swish")],
)  # fmt: skip
def test_gates_become_one_operator(gate, op):
    for pair in (("x", "s"), ("s", "x")):
        found = import_graph(model([gate, node("Mul", *pair)]).SerializeToString())
        assert [n.op.name for n in found.graph.operations] == [op]
    kept = model([gate, node("Mul", "x", "s")], outputs=("y", "s"))
    assert len(import_graph(kept.SerializeToString()).graph.operations) == 2
    assert op in OPS


def test_scalars_are_constants_and_vectors_parameters():
    stored = [numpy_helper.from_array(np.float32(2.0), "two"), array("w", 8)]
    chain = [node("Mul", "x", "two", outputs=("a",)), node("Add", "a", "w")]
    back = import_onnx(model(chain, (None, 8), stored).SerializeToString())
    assert list(back.parameters) == ["w"]


def test_a_parameter_that_is_transposed_stays_one():
    chain = [node("Transpose", "w", outputs=("t",)), node("MatMul", "x", "t")]
    back = import_onnx(model(chain, (None, 4), [array("w", 3, 4)]).SerializeToString())
    assert list(back.parameters) == ["w"]
    assert back.graph.outputs["y"].shape == (N, 3)


def exporters_gelu(kind):
    """Gelu as frameworks write it, with numbers of float32."""
    root = {
        "half": 0.5,
        "one": 1.0,
        "r": np.sqrt(2),
        "c": 0.044715,
        "s": np.sqrt(2 / np.pi),
        "3": 3,
    }
    stored = [numpy_helper.from_array(np.float32(v), k) for k, v in root.items()]
    if kind == "none":
        bend = [node("Div", "x", "r", outputs=("d",)), node("Erf", "d", outputs=("e",))]
    else:
        bend = [
            node("Pow", "x", "3", outputs=("p",)),
            node("Mul", "c", "p", outputs=("q",)),
            node("Add", "x", "q", outputs=("u",)),
            node("Mul", "u", "s", outputs=("d",)),
            node("Tanh", "d", outputs=("e",)),
        ]
    tail = [
        node("Add", "e", "one", outputs=("a",)),
        node("Mul", "x", "a", outputs=("m",)),
        node("Mul", "m", "half"),
    ]
    return model([*bend, *tail], (2, 8), stored)


@pytest.mark.parametrize("kind", ["none", "tanh"])
def test_gelu_is_recognised(kind):
    found = import_graph(exporters_gelu(kind).SerializeToString())
    (op,) = (n.op for n in found.graph.operations)
    assert (op.name, op.approximate) == ("gelu", kind)
    other = exporters_gelu(kind)
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.float32(0.51), "half"))
    assert len(import_graph(other.SerializeToString()).graph.operations) > 1


def test_not_equal_is_recognised():
    made = model([node("Equal", "x", "x", outputs=("e",)), node("Not", "e")], opset=17)
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.BOOL
    found = import_graph(made.SerializeToString())
    assert [n.op.name for n in found.graph.operations] == ["not_equal"]


def test_places_of_maxima_count_through_the_batch():
    made = model([node("MaxPool", "x", outputs=("a", "y"), kernel_shape=[2, 2])], (None, 2, 4, 4))
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    x = np.zeros((2, 2, 4, 4), np.float32)
    x[1, 1, 3, 3] = 1
    for shape in ({"x": (2, 2, 4, 4)}, None):
        found = import_graph(made.SerializeToString(), shape)
        graph = found.graph.bind(N=2)
        places = Reference(graph).run({"x": x}, found.states)[0]["y"]
        assert places.max() == 63
