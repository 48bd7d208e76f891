"""Plans from the disk are the plans that were made, and used only for what they were made for."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from native.networks import batches, network
from samples import all_samples
from support.cases import each

import graphcnn as cnn
from graphcnn.compile import native
from graphcnn.compile.native import Prepared, compiled, training_executable
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import build, constant_of
from graphcnn.ir.plan import Plan
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import LeakyRelu
from graphcnn.ops.elementwise import Mul
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native import stored_plan
from graphcnn.runtime.native.code import cache
from graphcnn.runtime.native.code.target import host
from graphcnn.text.graph_json import Given, Reader, Writer
from graphcnn.text.write import fingerprint

ONE, TWO = Execution(threads=1), Execution(threads=2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache that only the test uses, whatever happens to the sources meanwhile."""
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_source_hash", lambda: "sources")
    monkeypatch.delenv("GRAPHCNN_VERIFY", raising=False)
    return tmp_path / "cache" / "native"


@pytest.fixture
def passes(monkeypatch):
    """Counts how often the native passes are put together."""
    counted: list[object] = []
    real = native.native_pipeline
    monkeypatch.setattr(native, "native_pipeline", lambda *a: (counted.append(a), real(*a))[1])
    return counted


def training(name="lenet5", n=3, optimizer=None):
    model, loss = network(name)
    return training_graph(model.graph, loss, optimizer or cnn.SGD(0.01, momentum=0.9)).bind(N=n)


def places(plan: Plan) -> list[object]:
    return [
        *((b.name, b.bytes, b.role, b.offset, b.align) for b in plan.buffers),
        *((v.node.name, v.index, b.name) for v, b in plan.at.items()),
        [(s.node.name, s.node.origin, s.node.op, s.node.types, s.inplace) for s in plan.steps],
        [[b.name for b in (*s.reads, *s.writes)] for s in plan.steps],
        [(c.source.name, c.target.name) for c in plan.copies],
        [list(found) for found in (plan.inputs, plan.outputs, plan.states)],
        (plan.arena_bytes, plan.sum_bytes, plan.lower_bound, plan.begins, [*plan.gradients]),
    ]


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "unet", "autoencoder", "mixed"])
@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
def test_a_plan_that_is_read_is_the_one_that_was_made(name, train, passes):
    graph = training(name) if train else inference_graph(network(name)[0].graph).bind(N=3)
    made, read = compiled(graph, TWO), compiled(graph, TWO)
    assert len(passes) == 1 and read.plan is not made.plan
    assert places(read.plan) == places(made.plan) and str(read.plan) == str(made.plan)
    assert str(read.plan.graph) == str(made.plan.graph)
    for a, b in zip(made.kernels, read.kernels, strict=True):
        assert replace(a, emit=print) == replace(b, emit=print)
    assert (made.prepare is None) == (read.prepare is None)
    assert made.prepare is None or str(made.prepare) == str(read.prepare)


def test_the_numbers_are_the_same_bits(passes):
    def steps():
        model, loss = network("mixed")
        session = cnn.Session(model, loss, cnn.Adam(0.01), threads=1)
        losses = [session.step(*batch)["loss"] for batch in batches(model, loss, 3, 3)]
        session.sync()
        images, _ = next(batches(model, loss, 2, 1))
        return losses, model.predict(images, threads=1).tobytes()

    first = steps()
    count = len(passes)
    assert steps() == first and len(passes) == count == 2


def test_code_that_is_gone_is_made_again(folder, monkeypatch):
    graph = training()
    compiled(graph, ONE)
    entries = list(folder.glob("*.o"))
    assert len(entries) == 1  # no kernel was needed yet
    from graphcnn.runtime.native.code import jit

    monkeypatch.setattr(jit, "_loaded", {})
    executable = training_executable(graph, ONE)
    assert len(list(folder.glob("*.o"))) > 10
    assert executable.plan.arena_bytes > 0


def test_what_matters_is_in_the_key():
    target = host()
    image = Input("x", TensorType((2, 3)))

    def scaled(by, slope=0.1):
        x = image(name="x")
        return Graph.of(
            [x], {"y": LeakyRelu(slope)(Mul()(x, constant_of(np.full((2, 3), by, np.float32))))}
        )

    graphs = [training(), training(n=4), training(optimizer=cnn.Adam(0.1)), scaled(1.0),
              scaled(2.0), scaled(1.0, 0.0), scaled(1.0, -0.0)]  # fmt: skip
    entries = [stored_plan.entry_of(g, target, "fast", 1) for g in graphs]
    entries += [stored_plan.entry_of(graphs[0], target, *o) for o in (("strict", 1), ("fast", 2))]
    entries.append(stored_plan.entry_of(graphs[0], replace(target, l2=1), "fast", 1))
    assert len(set(entries)) == len(entries) == 10
    assert stored_plan.entry_of(training(), target, "fast", 1) == entries[0]


def test_lines_are_those_of_the_present_program(passes):
    def made():
        x = cnn.input("x", (4,))
        return cnn.Model(x, cnn.relu(cnn.dense(x, 3, name="D")))

    def elsewhere():
        x = cnn.input("x", (4,))
        y = cnn.dense(x, 3, name="D")
        return cnn.Model(x, cnn.relu(y))

    lines = []
    for model in (made(), elsewhere()):
        graph = training_graph(model.graph, "cross_entropy", cnn.SGD(0.1)).bind(N=2)
        line = next(n.origin.line for n in graph.nodes if n.name == "D")
        (step,) = (s for s in compiled(graph, ONE).plan.steps if s.node.name == "D")
        assert step.node.origin.line == line
        lines.append(line)
    assert lines[0] != lines[1] and len(passes) == 1


@pytest.mark.parametrize("damage", ["cut", "other", "nonsense", "empty", "missing"])
def test_a_damaged_entry_is_made_again(damage, passes):
    graph = training()
    expected = places(compiled(graph, ONE).plan)
    entry = stored_plan.entry_of(graph, host(), "fast", 1, "types")
    text = json.loads(cache.fetch(entry))
    if damage == "missing":
        del text["copies"]
    if damage == "other":
        text["steps"][0][1] = [10**6]
    contents = {"cut": b'{"graphs": [', "nonsense": b"\xff\xfe", "empty": b"[]"}
    cache.store(entry, contents.get(damage, json.dumps(text).encode()))
    assert places(compiled(graph, ONE).plan) == expected
    assert len(passes) == 2
    assert places(compiled(graph, ONE).plan) == expected and len(passes) == 2


def test_a_plan_that_reads_wrongly_is_refused():
    graph = training()
    compiled(graph, ONE)
    entry = stored_plan.entry_of(graph, host(), "fast", 1, "types")
    text = json.loads(cache.fetch(entry))
    reads = text["steps"][5][1]
    reads[0] = text["steps"][-1][2][0]
    cache.store(entry, json.dumps(text).encode())
    with pytest.raises(cnn.VerifyError, match="does not hold"):
        training_executable(graph, ONE)


def test_who_watches_the_passes_sees_them(monkeypatch, passes):
    graph = training()
    for _ in range(2):
        compiled(graph, ONE)
    assert len(passes) == 1
    native.planned(graph, ONE, trace=lambda applied: None)
    monkeypatch.setenv("GRAPHCNN_VERIFY", "numbers")
    compiled(graph, ONE)
    assert len(passes) == 3
    monkeypatch.setenv("GRAPHCNN_CACHE", "off")
    monkeypatch.delenv("GRAPHCNN_VERIFY")
    compiled(graph, ONE)
    assert len(passes) == 4


def test_kernels_are_loaded_only_to_be_made():
    code = """
import sys
import graphcnn as cnn
from graphcnn.compile.pipelines import training_graph
from graphcnn.compile.native import training_executable
x = cnn.input("x", (4,))
model = cnn.Model(x, cnn.dense(x, 3, name="D"))
training_executable(training_graph(model.graph, "cross_entropy", cnn.SGD(0.1)).bind(N=2))
print("graphcnn.runtime.native.kernels.tensor.gemm" in sys.modules)
"""
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [done.stdout.strip() for done in found] == ["True", "False"]


def test_inference_prepares_its_states(passes):
    model, _ = network("vgg_cifar")
    graph = inference_graph(model.graph).bind(N=2)
    images, _ = next(batches(model, "cross_entropy", 2, 1))
    found = []
    for _ in range(2):
        prepared = Prepared(graph, ONE)
        assert prepared._prepare is not None
        prepared.bind_states(model.states)
        found.append(prepared.run({"image": images})[0]["logits"].tobytes())
    assert found[0] == found[1] and len(passes) == 1


@each(all_samples())
def test_every_operator_can_be_written(sample):
    inputs = [Input(f"x{i}", t)(name=f"x{i}") for i, t in enumerate(sample.types())]
    node = build(sample.op, inputs, "n")
    graph = Graph.of(inputs, {f"y{i}": v for i, v in enumerate(node.outputs)})
    given = Given(Graph.of([], {"y": constant_of(1.0)}))
    writer = Writer(given)
    text = json.dumps([writer.graph(graph), writer.tables()])
    body, tables = json.loads(text)
    back = Reader(tables, given).graph(body)
    assert fingerprint(back) == fingerprint(graph)
    assert repr(back.nodes[-1].op) == repr(graph.nodes[-1].op)
    assert [n.origin for n in back.nodes] == [n.origin for n in graph.nodes]
