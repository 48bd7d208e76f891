"""`graphcnn check` sees faults that show themselves at one batch size only."""

import numpy as np
import pytest
from support.malformed_models import model, node, relu

from graphcnn.errors import CrashError, ExportError
from graphcnn.exchange import check, first_difference
from graphcnn.exchange.check import check_onnx
from graphcnn.onnx.comparing.modes import Modes
from graphcnn.ops.activation import Relu

pytest.importorskip("onnxruntime")

CHAIN = model([relu(to="a", name="r"), node("Neg", "a")], ("N", 4)).SerializeToString()


def batches(found):
    return [(runtime, d.batch, d.optimised) for runtime, d in found.rows]


@pytest.mark.parametrize("bound", [None, 1e-4])
@pytest.mark.parametrize("n", [1, 2])
def test_a_fault_of_the_reference_at_one_size(monkeypatch, n, bound):
    right = Relu.evaluate
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: right(self, x) + np.float32(len(x) == n))
    found = check_onnx(CHAIN, runtime="reference", bound=bound)
    assert not found.passed and found.culprits["reference"].node == 'node "r" (Relu)'
    assert max(row[1] for row in batches(found)) == n  # one that is wrong at 1 needs no other


@pytest.mark.parametrize("n", [1, 2])
def test_a_fault_of_the_native_runtime_at_one_size(monkeypatch, n):
    right = first_difference.RUN["native"]

    def wrong(graph, feeds, states):
        found = right(graph, feeds, states)
        return {k: y + np.float32(len(feeds["x"]) == n) for k, y in found.items()}

    monkeypatch.setitem(first_difference.RUN, "native", wrong)
    found = check_onnx(CHAIN)
    assert list(found.culprits) == ["native"]
    assert max(row[1] for row in batches(found)) == n


def test_sizes_that_are_given_are_the_only_ones():
    assert {row[1] for row in batches(check_onnx(CHAIN))} == {1, 2}
    assert {row[1] for row in batches(check_onnx(CHAIN, shapes={"x": (1, 4)}))} == {1}
    given = {"x": np.ones((3, 4), np.float32)}
    assert {row[1] for row in batches(check_onnx(CHAIN, given))} == {3}
    fixed = model([relu()], (1, 4)).SerializeToString()
    assert {row[1] for row in batches(check_onnx(fixed))} == {1}


def test_what_would_take_long_is_left_out_and_told(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.0)
    found = check_onnx(CHAIN)
    assert found.passed and {row[1] for row in batches(found)} == {1} and not found.verdicts
    assert found.bounds == {"native": 1e-5, "reference": 2e-6}
    judging, second = found.notes
    assert judging.startswith("judged by a constant: the exact result takes about 0 s more; full=")
    assert second == "batch 2 left out, about 0 s more; full=True, or --full, compares it"
    whole = check_onnx(CHAIN, full=True)
    assert {row[1] for row in batches(whole)} == {1, 2} and not whole.notes and not whole.bounds
    assert {v.batch for v in whole.verdicts} == {1, 2}
    assert check_onnx(CHAIN, bound=1e-4).bounds == dict.fromkeys(("native", "reference"), 1e-4)


@pytest.mark.parametrize("error", [1e-7, 1e-3])
def test_large_errors_are_judged_however_long_it_takes(monkeypatch, error):
    monkeypatch.setattr(check, "SECONDS", 0.0)
    right = Relu.evaluate
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: right(self, x) * np.float32(1 + error))
    found = check_onnx(CHAIN, runtime="reference")
    assert found.passed == (error < 1e-6) == (not found.verdicts) == bool(found.bounds)
    if error > 1e-6:
        assert found.culprits["reference"].node == 'node "r" (Relu)'


@pytest.mark.parametrize("error", [ExportError("it wants 1"), CrashError("died with it off")])
def test_where_onnx_runtime_takes_one_size_only(monkeypatch, error):
    right = Modes.run_in

    def run_in(self, on, feeds, names=None):
        if len(feeds["x"]) == 2:
            raise error
        return right(self, on, feeds, names)

    monkeypatch.setattr(Modes, "run_in", run_in)
    found = check_onnx(CHAIN)
    assert found.passed and {row[1] for row in batches(found)} == {1}
    assert found.notes == (f"batch 2 left out: {error}",)
