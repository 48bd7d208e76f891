"""`graphcnn check`: agreement in numbers, and a planted fault found at its node."""

import json
import sys

import numpy as np
import pytest
from onnx import numpy_helper, parser
from support.command_line import done, refused, run
from support.malformed_models import model, node, relu

import graphcnn as cnn
from graphcnn.errors import ExportError, ImportModelError, MissingExtraError, VerifyError
from graphcnn.exchange import first_difference
from graphcnn.exchange.check import check_onnx
from graphcnn.exchange.trial import slack
from graphcnn.models import MODELS
from graphcnn.onnx.comparing import process
from graphcnn.onnx.importing.context import RULES
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.known.fold import FOLDS
from graphcnn.ops.activation import Relu, Silu
from graphcnn.ops.shape import Slice

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("check") / "lenet5.onnx"
    MODELS["lenet5"]().initialize(1).export_onnx(path, verify=False)
    return path


def test_a_right_model_passes(lenet):
    found = cnn.check_onnx(lenet)
    assert found.passed and found.require() is found and not found.culprits
    assert [(r, d.output, d.batch, d.optimised) for r, d in found.rows] == [
        *(
            (runtime, "logits", 1, on)
            for runtime in ("native", "reference")
            for on in (True, False)
        ),
        *((runtime, "logits", 2, True) for runtime in ("native", "reference")),
    ]
    assert all(d.argmax_agreement == 1.0 and 0 <= d.median_ulp <= d.max_ulp for _, d in found.rows)
    assert str(found).splitlines()[-1].endswith("within float32")
    report = json.loads(found.to_json())
    assert report["passed"] and report["culprits"] == {} and len(report["rows"]) == 6


def wrong_at(name):
    """Relu with one wrong number at the node called `name`; operators do not know their node, so
    the inputs of that size are its."""
    right, size = Relu.evaluate, {"C3.relu": (1, 16, 10, 10), "F6.relu": (1, 84)}[name]

    def evaluate(self, x):
        y = right(self, x).copy()
        y.flat[0] += np.float32(9) * (x.shape == size)
        return y

    return evaluate


@pytest.mark.parametrize("name", ["C3.relu", "F6.relu"])
@pytest.mark.parametrize("kept", [1, 1 << 28])
def test_a_wrong_definition_is_found_at_its_node(lenet, monkeypatch, name, kept):
    monkeypatch.setattr(Relu, "evaluate", wrong_at(name))
    monkeypatch.setattr(first_difference, "KEPT_BYTES", kept)  # one value at a time, or all
    found = check_onnx(lenet, seed=3)
    assert not found.passed and list(found.culprits) == ["reference"]  # native has its own code
    culprit = found.culprits["reference"]
    assert (culprit.node, culprit.operator) == (f'node "{name}" (Relu)', "relu")
    assert culprit.error > 1e-3 and not culprit.fused
    assert all(error <= 2e-6 for error in culprit.inputs.values())
    with pytest.raises(VerifyError, match=f'the first difference, reference:\nnode "{name}"'):
        found.require()


def test_a_wrong_rule_of_the_importer_is_found_in_both_runtimes(lenet, monkeypatch):
    right = RULES["Conv"]

    def wrong(call):
        y = right(call)
        return y * 1.001 if call.name == "C3" else y

    monkeypatch.setitem(RULES, "Conv", wrong)
    found = check_onnx(lenet)
    assert set(found.culprits) == {"native", "reference"}
    for culprit in found.culprits.values():
        assert culprit.node == 'node "C3" (Conv)'
        assert culprit.attributes["kernel_shape"] == "[5, 5]"
        assert list(culprit.inputs) == ["S2", "C3.weight", "C3.bias"]
        assert culprit.error == pytest.approx(1e-3, rel=0.01)


def test_nodes_that_became_one_operator_are_named_together(monkeypatch):
    gate = node("Sigmoid", "x", outputs=("s",), name="gate")
    content = model([gate, node("Mul", "x", "s", name="times")], (2, 8)).SerializeToString()
    assert check_onnx(content).passed
    right = Silu.evaluate
    monkeypatch.setattr(Silu, "evaluate", lambda self, x: right(self, x) + np.float32(0.01))
    culprit = check_onnx(content, runtime="reference").culprits["reference"]
    assert (culprit.node, culprit.operator) == ('node "times" (Mul)', "silu")
    assert culprit.merged == ('node "gate" (Sigmoid)',)
    assert list(culprit.inputs) == ["x"]


def test_a_constant_that_is_computed_wrongly_is_found(monkeypatch):
    made = model(
        [node("Neg", "w", outputs=("n",), name="negated"), node("Add", "x", "n")],
        (2, 4),
        [numpy_helper.from_array(np.float32(2), "w")],
    )
    content = made.SerializeToString()
    assert check_onnx(content).passed
    monkeypatch.setitem(FOLDS, "Neg", lambda call, inputs: 2 * inputs[0])
    culprit = check_onnx(content, runtime="reference").culprits["reference"]
    assert culprit.node == 'node "negated" (Neg)'
    assert culprit.operator == "a constant, computed while importing"


def test_a_bound_of_ones_own(lenet, monkeypatch):
    found = check_onnx(lenet, bound=1e-3)
    assert found.passed and found.bounds == {"native": 1e-3, "reference": 1e-3}
    assert found.verdicts == () and str(found).endswith("within 1e-03")
    assert not check_onnx(lenet, bound=0, runtime="reference").passed


def test_the_native_runtime_may_round_more_in_single_elements_unless_it_is_strict(monkeypatch):
    assert slack("native") > slack("reference") == 1
    monkeypatch.setenv("GRAPHCNN_PRECISION", "strict")
    assert slack("native") == 1


def test_another_shape_is_a_difference(monkeypatch):
    content = model([relu(to="a", name="r"), node("ReduceMax", "a")], (2, 4)).SerializeToString()
    assert check_onnx(content).passed
    monkeypatch.setitem(
        RULES, "Relu", lambda call: Slice((0, 0), (2, 3), (1, 1))(call.value(0)) + 9
    )
    culprit = check_onnx(content, runtime="reference").culprits["reference"]
    assert (culprit.node, culprit.error) == ('node "r" (Relu)', np.inf)
    assert "differs by inf" in str(culprit)
    alone = check_onnx(model([relu(name="r")], (2, 4)).SerializeToString(), runtime="reference")
    assert alone.culprits["reference"].node == 'node "r" (Relu)'  # the output itself


NAMES = ("C1", "C1.relu", "S2", "C3", "C3.relu", "S4", "flatten_1", "C5", "C5.relu", "F6",
         "F6.relu", "logits")  # fmt: skip


@pytest.mark.parametrize("place", range(1, len(NAMES)))
def test_what_is_wrong_only_together_is_found_by_halving(lenet, monkeypatch, place):
    right = first_difference.RUN["native"]

    def wrong(graph, feeds, states):
        """A node and the one before it, wrong where nobody looks in between."""
        outputs = dict(right(graph, feeds, states))
        if NAMES[place - 1] in outputs:
            return outputs
        later = [k for k in NAMES[place:] if k in outputs]
        return outputs | {k: outputs[k] * np.float32(1.1) for k in later}

    monkeypatch.setitem(first_difference.RUN, "native", wrong)
    culprit = check_onnx(lenet, runtime="native").culprits["native"]
    assert (culprit.output, culprit.fused) == (NAMES[place], True)
    assert "wrong when computed with its neighbours" in str(culprit)


def test_inputs_are_given_or_drawn_by_seed(lenet):
    x = np.random.default_rng(0).normal(size=(3, 1, 28, 28)).astype(np.float32)
    found = check_onnx(lenet, {"image": x}, runtime="reference")
    assert {d.batch for _, d in found.rows} == {3}
    one, two, other = (check_onnx(lenet, seed=s, runtime="reference").rows for s in (1, 1, 2))
    assert one == two != other
    for inputs, word in (
        ({"z": x}, "no input 'z'"),
        ({"image": x.astype(np.float64)}, "'image' must be f32"),
        ({"image": x[0]}, "4 axes"),
    ):
        with pytest.raises(ImportModelError, match=word):
            check_onnx(lenet, inputs)


def test_open_sizes_and_inputs_that_decide_shapes():
    content = model([relu()], (None, 3, "height", 8)).SerializeToString()
    with pytest.raises(ImportModelError, match="axis 2 open"):
        check_onnx(content)
    assert check_onnx(content, shapes={"x": (2, 3, 5, 8)}).passed
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 4] x, int64[2] s) => (float[a, b] y) { r = Relu (x)  y = Reshape (r, s) }
        """
    content = parser.parse_model(text).SerializeToString()
    with pytest.raises(ImportModelError, match=r"give its numbers by .*--set s=n1,n2"):
        check_onnx(content)
    given = {"x": np.ones((3, 4), np.float32), "s": np.array([2, 6])}
    assert check_onnx(content, given).passed


def test_external_data_is_read_once_and_by_our_rules(tmp_path):
    path = tmp_path / "m.onnx"
    m = MODELS["lenet5"]().initialize(2)
    m.export_onnx(path, verify=False, external_data=True)
    assert check_onnx(path).passed
    (tmp_path / "m.onnx.data").rename(tmp_path / "other")
    (tmp_path / "m.onnx.data").symlink_to(tmp_path / "other")
    with pytest.raises(ImportModelError, match="without following links"):
        check_onnx(path)


def test_budgets_hold():
    chain = model([relu(to="a"), relu("a")], (1, 4)).SerializeToString()
    with pytest.raises(ImportModelError, match=r"limits\.nodes"):
        check_onnx(chain, limits=Limits(nodes=1))


def test_float16_is_judged_as_such(tmp_path):
    MODELS["digits_cnn"]().initialize(0).export_onnx(tmp_path / "m.onnx", float16=True)
    found = check_onnx(tmp_path / "m.onnx", runtime="reference")
    assert found.passed and {v.arithmetic for v in found.verdicts} == {"float16"}
    assert max(v.rounding for v in found.verdicts) > 1e-4


def test_hostile_names_stay_on_their_line(monkeypatch):
    strange = "a\n\x1b[31m<b>"
    made = model([relu(to=strange, name="evil\nnode"), node("Softmax", strange, axis=1)], (2, 4))
    right = Relu.evaluate
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: right(self, x) + np.float32(1))
    text = str(check_onnx(made.SerializeToString(), runtime="reference"))
    assert "\x1b" not in text and "evil\nnode" not in text and "a\n" not in text


def test_a_model_that_onnx_runtime_refuses(monkeypatch):
    """A stand-in refuses: what a release of ONNX Runtime lacks, the next one may have."""

    def refuse(source, options, providers):
        raise RuntimeError("no kernel for Relu(99)")

    monkeypatch.setattr(process, "start", process.Here)
    monkeypatch.setattr("onnxruntime.InferenceSession", refuse)
    with pytest.raises(ExportError, match="refuses the model: no kernel for Relu"):
        check_onnx(model([relu()], (1, 4)).SerializeToString())


def test_a_model_that_onnx_runtime_cannot_run(monkeypatch):
    class Session:
        def get_inputs(self):
            return []

        get_outputs = get_inputs

        def run(self, names, feeds):
            raise RuntimeError("out of luck")

    monkeypatch.setattr(process, "start", process.Here)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: Session())
    with pytest.raises(ExportError, match="ONNX Runtime cannot run the model: out of luck"):
        check_onnx(model([relu()], (1, 4)).SerializeToString())


def test_without_onnx_runtime(lenet, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "graphcnn\[verify\]"'):
        check_onnx(lenet)


# The command


def test_the_command(lenet, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 28, 28), np.float32))
    assert "within float32" in done("check", lenet, "--input", f"image={tmp_path / 'x.npy'}")
    one = ("check", lenet, "--shape", "image=1x1x28x28", "--runtime", "reference")
    report = json.loads(done(*one, "--seed", 3, "--json"))
    assert report["passed"] and {row["runtime"] for row in report["rows"]} == {"reference"}
    assert "ABOVE 1e-12" in run(*one, "--bound", "1e-12").stdout
    monkeypatch.setattr(Relu, "evaluate", wrong_at("C3.relu"))
    wrong = run(*one)
    assert wrong.exit_code == 1 and 'node "C3.relu" (Relu)' in wrong.stdout
    assert json.loads(run(*one, "--json").stdout)["culprits"]["reference"]["operator"] == "relu"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--input", "image=x.npz"), 2, "NAME=FILE.npy"),
        (("--input", "image=missing.npy"), 1, "cannot read missing.npy"),
        (("--shape", "image=a"), 2, "NAME=SIZES"),
        (("--limit", "nodes=3"), 1, "limits.nodes"),
        (("--limit", "colour=3"), 2, "must be one of file_bytes="),
        (("--runtime", "fast"), 2, "--runtime"),
    ],
)
def test_wrong_use_of_the_command(lenet, arguments, code, word):
    assert word in refused(code, "check", lenet, *arguments)


@pytest.mark.parametrize(
    ("head", "given"),
    [
        ("float[4,N,3] x) => (float[4,N,3] y", {"shapes": {"x": (4, "N", 3)}}),
        ("float[4,N,3] x) => (float[4,N,3] y", {"inputs": {"x": np.ones((4, 2, 3), np.float32)}}),
        ("float x) => (float y", {}),
        ("float[3] x) => (float[3] y", {}),
    ],
)
def test_batches_at_any_axis_and_none(head, given):
    graph = f"<ir_version: 8, opset_import: ['' : 17]> g ({head}) {{ y = Neg(x) }}"
    content = parser.parse_model(graph.replace("'", '"')).SerializeToString()
    assert check_onnx(content, **given).passed
    if "shapes" in given:
        model = cnn.import_onnx(content, inputs=given["shapes"])
        x = np.random.default_rng(0).normal(size=(4, 300, 3)).astype(np.float32)
        assert np.array_equal(model.predict(x), -x)
        with pytest.raises(ImportModelError, match=r"leaves axis 1 open .*'x': \(4, 'N', 3\)"):
            check_onnx(content)
        with pytest.raises(ImportModelError, match=r"has one batch axis, found .*axes 0 and 1"):
            check_onnx(content, shapes={"x": ("N", "N", 3)})


def test_without_inputs():
    text = "g () => (float[2] y) { c = Constant<value_floats = [1.0, 2.0]>() y = Neg(c) }"
    content = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> ' + text)
    assert check_onnx(content.SerializeToString()).passed
    assert cnn.import_onnx(content.SerializeToString()).predict().tolist() == [-1, -2]
