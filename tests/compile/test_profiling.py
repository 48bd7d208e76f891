"""`graphcnn.compile.profiling`: what every step costs, and what the machine could do."""

import json

import pytest
from support.command_line import done, refused

import graphcnn as cnn
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.compile.profiling import Profile, operator, profile
from graphcnn.models import MODELS
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.machine import Machine, machine


def network(training: bool = False):
    model = MODELS["lenet5"]().initialize(0)
    if training:
        return training_graph(model.graph, "cross_entropy", cnn.SGD(0.1)).bind(N=2), model
    return inference_graph(model.graph).bind(N=2), model


@pytest.fixture(scope="module")
def found() -> Profile:
    graph, model = network()
    return profile(graph, model.states, Execution(threads=1))


def test_every_step_is_there(found):
    assert (found.name, found.batch, found.threads) == ("lenet5", 2, 1)
    names = [s.node for s in found.steps]
    for name in ("C1", "S2", "C3", "S4", "C5", "F6", "logits"):
        assert name in names
    assert all(s.algorithm and s.seconds > 0 for s in found.steps)


def test_numbers_are_those_of_the_definition(found):
    first = next(s for s in found.steps if s.node == "C1")
    assert first.flops == 2 * 2 * 6 * 28 * 28 * 25
    assert first.operator.startswith("conv2d + relu")
    assert first.bytes >= 4 * (2 * 28 * 28 + 6 * 25 + 6 + 2 * 6 * 28 * 28)
    pool = next(s for s in found.steps if s.node == "S2")
    assert (pool.flops, pool.bound) == (0, "memory")


def test_what_bounds_a_step(found):
    limits = found.machine
    for s in found.steps:
        assert s.least[0] == pytest.approx(s.flops / limits.peak)
        assert s.least[1] == pytest.approx(s.bytes / limits.bandwidth(s.bytes))
    assert next(s for s in found.steps if s.node == "C3").bound == "compute"


def test_the_table_and_json_say_the_same(found):
    text = str(found)
    assert "measured peak" in text and "of peak" in text and "bound by memory" in text
    assert len(text.splitlines()) == 2 + len(found.steps) + 1 + 3
    report = json.loads(json.dumps(found.to_json()))
    assert report["total"]["flops"] == sum(s.flops for s in found.steps)
    assert {"node", "algorithm", "seconds", "share_of_peak", "bytes", "bound"} <= set(
        report["steps"][0]
    )


def test_training_names_gradients_and_updates():
    graph, model = network(training=True)
    found = profile(graph, model.states, Execution(threads=2))
    names = " ".join(s.node for s in found.steps)
    assert "gradient of C3" in names
    assert found.threads in (1, 2)


def test_open_batches_are_refused():
    graph = inference_graph(MODELS["lenet5"]().graph)
    with pytest.raises(cnn.GraphError, match="unknown batch size"):
        profile(graph, {})


def test_operators_have_readable_names():
    x = cnn.input("x", (3,))
    assert operator(cnn.relu(x).node) == "relu"


def test_the_machine_is_measured():
    limits = machine(host(), 1)
    assert 1e9 < limits.peak < 1e12
    assert all(1e8 < rate < 1e13 for _, rate in limits.bandwidths)
    steps = Machine(1.0, ((10, 3.0), (20, 2.0)))
    assert [steps.bandwidth(size) for size in (1, 10, 11, 99)] == [3.0, 3.0, 2.0, 2.0]


def test_the_command(tmp_path):
    text = done("profile", "lenet5", "--batch", 2, "--threads", 1)
    assert "lenet5: batch 2, 1 thread;" in text and "logits" in text
    report = json.loads(done("profile", "lenet5", "--training", "--precision", "strict", "--json"))
    assert report["batch"] == 1 and report["seconds"] > 0
    assert "unknown 'exact'" in refused(2, "bench", "--nets", "exact")
    refused(2, "profile", "lenet5", "--batch", 0)


def test_passes_show_the_native_pipeline_and_its_plan():
    text = done("passes", "vgg_cifar", "--native", "--batch", 2)
    for expected in (
        "fuse_ops",
        "assign_layout",
        "schedule",
        "lower bound",
        "without reuse",
        "convolutions: ",
    ):
        assert expected in text
    report = json.loads(done("passes", "lenet5", "--native", "--training", "--json"))
    assert report["plan"]["lower_bound"] <= report["plan"]["arena_bytes"]
    assert report["plan"]["arena_bytes"] <= report["plan"]["sum_bytes"]
    assert {"algorithm", "rule", "estimates"} <= report["convolutions"][0].keys()
    assert "plan" not in json.loads(done("passes", "lenet5", "--json"))


def test_cache_is_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path / "kept"))
    assert "no cache: " in done("cache")
    monkeypatch.setenv("GRAPHCNN_CACHE", "off")
    assert done("cache") == "no cache: switched off by GRAPHCNN_CACHE\n"
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path))
    (tmp_path / "native").mkdir(mode=0o700)
    assert "native: 0 entries, 0.0 MiB of 512.0 MiB" in done("cache")
    assert "0 entries" in done("cache", "--clear")
