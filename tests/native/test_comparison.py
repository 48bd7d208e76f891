"""GRAPHCNN_VERIFY=numbers: a native run against the definition, step by step."""

import os

import numpy as np
import pytest
from native.networks import trained

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.node import build
from graphcnn.ops.pool import AvgPool2d
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings
from graphcnn.runtime.native.comparison import step_difference

IMAGES = np.random.default_rng(0).random((2, 1, 6, 6), np.float32)


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_VERIFY", "numbers")


def pooled():
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.max_pool2d(cnn.sigmoid(image), 2, name="S2"), name="A")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="logits")).initialize()


@pytest.mark.parametrize("name", ["lenet5", "mixed"])
def test_every_step_is_compared(name, numbers):
    watched, _ = trained(name, 2, 2, threads=2)
    os.environ.pop("GRAPHCNN_VERIFY")
    assert watched == trained(name, 2, 2, threads=2)[0]


@pytest.mark.parametrize("training", [False, True])
def test_a_wrong_kernel_is_named(training, numbers, monkeypatch):
    load_lowerings()
    average = LOWERINGS["avg_pool2d"]

    def mistaken(node, target):
        fields = {k: v for k, v in node.op.attributes.items() if k != "indices"}
        return average(build(AvgPool2d(**fields), node.inputs), target)

    monkeypatch.setitem(LOWERINGS, "max_pool2d", mistaken)
    with pytest.raises(cnn.VerifyError, match=r'max_pool2d "S2".*allowed is a difference of 1e-05'):
        if training:
            cnn.Session(pooled()).step(IMAGES, np.array([0, 1]))
        else:
            pooled().predict(IMAGES)
    monkeypatch.delenv("GRAPHCNN_VERIFY")
    pooled().predict(IMAGES)  # nobody looks


def test_what_is_overwritten_afterwards_is_named(numbers):
    model = pooled()
    prepared = Prepared(inference_graph(model.graph).bind(N=2), Execution(threads=1))
    prepared.bind_states(model.states)
    executable = prepared.executable
    ((key, read),) = executable._outputs
    executable._outputs = [(key, lambda: read() + 1)]
    with pytest.raises(cnn.VerifyError, match=r"output 'logits' is not what .*logits.* made"):
        executable.run({"image": IMAGES})


def test_a_value_that_changes_between_steps_is_noticed(numbers):
    """What a step makes is held against what its inputs were when they were made."""
    model = pooled()
    prepared = Prepared(inference_graph(model.graph).bind(N=2), Execution(threads=1))
    prepared.bind_states(model.states)
    executable = prepared.executable
    watch, seen = executable.watch.step, []

    def step(number, algorithm, found):
        watch(number, algorithm, found)
        seen.append(number)
        if number == 0:  # a fault: the result of the first step is overwritten
            buffer = executable.plan.steps[0].writes[0]
            kind = executable.plan.steps[0].node.types[0]
            executable.memory.view(buffer, kind)[...] = 7

    executable.watch.step = step
    with pytest.raises(cnn.VerifyError, match="step 1 "):
        executable.run({"image": IMAGES})
    assert seen == [0]


def test_differences():
    a = np.array([1.0, -2.0, np.nan, np.inf], np.float32)
    assert step_difference(a, a.copy()) == ""
    assert step_difference(a, a + np.float32(1e-5)) == ""
    assert "allowed is a difference of 1e-05 × 2" in step_difference(a, a * np.float32(1.0001))
    assert step_difference(a, a * np.float32(1.00005), "winograd F4") == ""
    assert step_difference(a, -a).startswith("-inf at [3], expected inf")
    assert step_difference(a, np.where(np.isnan(a), 0, a)) == "0.0 at [2], expected nan"
    assert step_difference(np.zeros(2), np.full(2, np.nan)) == "nan at [0], expected 0.0"
    assert step_difference(a, a[:2]) == "float32[2], expected float32[4]"
    truth = np.zeros(2000, bool)
    one = truth.copy()
    one[3] = True
    assert step_difference(truth, one) == "1 of 2000 elements differ"
    assert step_difference(truth, one, group=True) == ""
    assert step_difference(truth, ~truth, group=True) == "2000 of 2000 elements differ"
