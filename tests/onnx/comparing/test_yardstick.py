"""The yardstick of `check`: right models pass however ill they are conditioned, and faults that are
hardly larger than rounding are found at their node."""

import json

import numpy as np
import pytest
from onnx import numpy_helper
from support.malformed_models import model as small_model
from support.malformed_models import node as small_node
from support.yardstick_models import FAULTS, RIGHT, classifier, model, node, quantised

from graphcnn.exchange import check as checking
from graphcnn.exchange import first_difference
from graphcnn.exchange.check import check_onnx
from graphcnn.ops.integer import Quantize

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("make", RIGHT)
def test_right_models_pass(make, seed):
    found = check_onnx(make(seed).SerializeToString(), seed=seed)
    assert found.passed, str(found)
    assert all(v.agreed for v in found.verdicts) and not found.notes
    assert all(" exact" in v.words for v in found.verdicts)


def file_of_another(monkeypatch, plant):
    """Let ONNX Runtime have another file than we read: our import of it is wrong then."""
    right = checking.read_edges

    def read(*arguments):
        edges = right(*arguments)
        plant(edges.model)
        return edges

    monkeypatch.setattr(checking, "read_edges", read)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_at_their_node(monkeypatch, name):
    make, plant, blamed = FAULTS[name]
    file_of_another(monkeypatch, plant)
    found = check_onnx(make(3).SerializeToString(), seed=3, runtime="reference")
    assert not found.passed
    assert found.culprits["reference"].output in blamed.split()


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_a_runtime_that_is_wrong_in_one_element(monkeypatch, runtime):
    right = first_difference.RUN[runtime]

    def wrong(graph, feeds, states):
        found = {k: np.array(a) for k, a in right(graph, feeds, states).items()}
        for name in {"c2", "n2", "a2", "p", "f", "l", "y"} & found.keys():
            found[name].flat[1] *= np.float32(1.001)
        return found

    monkeypatch.setitem(first_difference.RUN, runtime, wrong)
    found = check_onnx(classifier(0).SerializeToString())
    assert list(found.culprits) == [runtime] and found.culprits[runtime].output == "c2"
    wrong_rows = [v for v in found.verdicts if not v.ours_right]
    assert [v.runtime for v in wrong_rows] == [runtime]
    assert "graphcnn is further from the exact result than float32 explains" in wrong_rows[0].words


def ties():
    """A quantisation of numbers that lie exactly between two integers."""
    x = (np.arange(-60, 60) + 0.5).astype(np.float32).reshape(1, 120) * np.float32(0.25)
    arrays = [
        numpy_helper.from_array(np.float32(0.25), "s"),
        numpy_helper.from_array(np.int8(0), "z"),
    ]
    made = small_model([small_node("QuantizeLinear", "x", "s", "z", name="q")], (1, 120), arrays)
    made.graph.output[0].type.tensor_type.elem_type = 3
    return made.SerializeToString(), {"x": x}


def test_another_rule_for_ties_is_a_fault(monkeypatch):
    content, inputs = ties()
    assert check_onnx(content, inputs).passed
    right = Quantize.evaluate

    def away(self, x, scale, zero=None):
        return right(self, np.nextafter(x, np.copysign(np.inf, x), dtype=x.dtype), scale, zero)

    monkeypatch.setattr(Quantize, "evaluate", away)
    found = check_onnx(content, inputs)
    assert list(found.culprits) == ["reference"]  # native code has its own definition


def test_who_computes_less_exactly_is_named():
    """ONNX Runtime takes the variance of a group as the mean square less the squared mean."""
    norm = node("GroupNormalization", "x s o", "y", num_groups=2)
    arrays = {"s": np.ones(2, np.float32), "o": np.zeros(2, np.float32)}
    made = model([norm], arrays, [2, 8, 8, 8], "y", 18)
    drawn = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype(np.float32)
    plain = check_onnx(made.SerializeToString(), {"x": drawn})
    assert plain.passed and all(v.agreed for v in plain.verdicts)
    found = check_onnx(made.SerializeToString(), {"x": drawn + np.float32(3000)})
    assert found.passed
    if found.notes:  # unless a release of it has learned better
        assert 'node "y" (GroupNormalization): ONNX Runtime computes' in found.notes[0]
        assert found.notes[0] in str(found)
        assert all(not v.theirs_right and v.ours < v.theirs for v in found.verdicts)


def test_the_report_tells_who_is_nearer():
    found = check_onnx(quantised(1).SerializeToString(), seed=1, runtime="reference")
    report = json.loads(found.to_json())
    (first, _) = report["verdicts"]
    assert first["output"] == "y" and first["arithmetic"] == "float32" and first["ours_right"]
    assert first["ours"] <= first["rounding"] and first["theirs"] <= 10 * first["rounding"]
    assert "both within float32 of the exact result" in first["words"]
    assert "both within float32 of the exact result" in str(found)
    assert report["bounds"] == {} and report["notes"] == []
