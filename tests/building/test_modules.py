"""WebAssembly: networks, operators and random graphs have the bits of SSE2."""

import importlib.util
import json
from random import Random

import numpy as np
import pytest
from native.run_kernel import node_of
from samples import all_samples, library
from support.built import NODE, checked, joined, network, run, values
from support.cases import each
from support.exported_networks import NETWORKS
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.models import MODELS
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.native.ahead.targets import MACHINES
from graphcnn.tools.bench.light import NAMES, light_model

SAME = "run as WebAssembly: the bits of this process for sse2"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("wasmtime") is None, reason="needs the package wasmtime"
)


#: What is in these is in `resnet18`, with more features.
ALIKE = {"cifar_fast", "resnet9", "resnet18_cifar"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.sweep) if n in ALIKE else n for n in MODELS]
)
def test_every_network_has_the_bits_of_sse2(name: str) -> None:
    model = network(name)
    graph = model.graph.bind(N=1)
    assert checked(graph, values(model, graph)) == SAME


@pytest.mark.parametrize("name", NETWORKS)
def test_imported_networks_have_the_bits_of_sse2(name: str) -> None:
    found = import_graph(NETWORKS[name]().model().SerializeToString())
    graph = found.graph if found.graph.is_bound else found.graph.bind(N=2)
    assert checked(graph, found.states) == SAME


@pytest.mark.parametrize(
    "name",
    [n if n in NAMES[:2] else pytest.param(n, marks=pytest.mark.sweep) for n in NAMES],
)
def test_known_networks_of_onnx_have_the_bits_of_sse2(name: str) -> None:
    model, _ = light_model(name)
    found = import_graph(model.SerializeToString())
    assert checked(found.graph.bind(N=1), found.states) == SAME


def test_batches_are_built_too() -> None:
    model = network("lenet5")
    graph = model.graph.bind(N=3)
    assert checked(graph, values(model, graph), precision="strict") == SAME


#: What passes alone make, and never stands in a network.
INSIDE = {"all_reduce", "fused", "placed", "relayout"}


@pytest.mark.parametrize("op", sorted(library().keys() - INSIDE))
def test_every_operator_runs_or_is_refused_by_name(op: str) -> None:
    """Samples of all operators as networks of one: in WebAssembly the bits of SSE2."""
    graphs, feeds = [], []
    for sample in all_samples():
        if sample.op.name == op:
            node, arrays = node_of(sample)
            keys = [v.node.op.attributes["key"] for v in node.inputs]
            feeds.append(dict(zip(keys, arrays, strict=True)))
            outputs = {f"y{i}": v for i, v in enumerate(node.outputs)}
            graphs.append(Graph.of(node.inputs, outputs))
    together = {f"{i}.{key}": x for i, fed in enumerate(feeds) for key, x in fed.items()}
    try:
        assert checked(joined(graphs), {}, feeds=together) == SAME
        return
    except GraphCnnError:  # some may be refused; those that are not run
        pass
    for graph, fed in zip(graphs, feeds, strict=True):
        try:
            assert checked(graph, {}, feeds=fed) == SAME
        except GraphCnnError as error:
            assert op in str(error) or "has no native code" in str(error), error


@each(range(200), of=lambda seed: f"{seed // 20}x")
def test_random_networks_have_the_bits_of_sse2(seed: int) -> None:
    random_case(seed, size=3)


@pytest.mark.sweep
@each(range(1000, 3000), of=lambda seed: f"{seed // 100}xx")
def test_random_networks_have_the_bits_of_sse2_sweep(seed: int) -> None:
    random_case(seed, size=5)


def random_case(seed: int, size: int) -> None:
    random = Random(seed)
    model = random_model(random, size).initialize(seed)
    graph = model.graph.bind(N=random.randint(1, 2))
    precision = random.choice(("fast", "strict"))
    assert checked(graph, values(model, graph), precision=precision) == SAME


def test_a_module_imports_nothing_and_never_grows(tmp_path) -> None:
    import wasmtime

    made = network("digits_cnn").build("wasm", tmp_path)
    module = wasmtime.Module(wasmtime.Engine(), (tmp_path / "digits_cnn.wasm").read_bytes())
    assert not module.imports and made.files["digits_cnn.wasm"] < made.weights + 12_000
    (memory,) = (e.type for e in module.exports if e.name == "memory")
    assert memory.limits.min == memory.limits.max


@pytest.mark.skipif(NODE is None, reason="needs node")
@pytest.mark.parametrize("weights", ["inside", "file"])
def test_node_computes_the_same_bits(tmp_path, weights: str) -> None:
    model = network("digits_cnn")
    model.classes = [str(i) for i in range(10)]
    model.build("wasm", tmp_path, name="digits", weights=weights)
    images = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype(np.float32)
    (tmp_path / "try.mjs").write_text(
        """
        import { about, load } from "./digits.mjs";
        const network = await load();
        const images = JSON.parse(process.argv[2]);
        const found = images.map((x) => Array.from(network.run(x)));
        const errors = [];
        for (const wrong of [[[1, 2]], ["7".repeat(64)], [new BigInt64Array(64)], []])
          try { network.run(...wrong); } catch (e) { errors.push(`${e.name}: ${e.message}`); }
        for (const wrong of [null, "none.wasm", new Uint8Array(8)])
          await load(wrong).catch((e) => errors.push(`${e.name}: ${e.message}`));
        await load(undefined, new Uint8Array(8)).catch((e) => errors.push(e.message));
        console.log(JSON.stringify({ about, found, errors }));
        """
    )
    numbers = json.dumps(images.reshape(4, -1).tolist())
    told = json.loads(run(NODE, "try.mjs", numbers, folder=tmp_path))
    expected = cnn.Model(model.graph.inputs, model.graph.outputs, "digits")
    expected.replace_states(dict(model.states))
    one = np.concatenate([expected.predict(x[None], precision="fast") for x in images])
    assert np.allclose(told["found"], one, rtol=1e-5, atol=1e-6)
    assert told["about"]["inputs"] == [
        {"name": "image", "shape": [1, 1, 8, 8], "count": 64, "type": "float32"}
    ]
    assert told["about"]["classes"] == list(model.classes)
    assert told["errors"][:4] == [
        "RangeError: image: expected 64 numbers, found 2",
        "TypeError: image: expected an array of numbers, found string",
        "TypeError: image, of float32: Cannot mix BigInt and other types, use explicit conversions",
        "TypeError: expected 1 inputs, found 0",
    ]
    assert told["errors"][4] == "TypeError: expected a URL, a Response or bytes, found null"
    assert "none.wasm" in told["errors"][5] and "WebAssembly" in told["errors"][6]
    if weights == "file":
        size = (tmp_path / "digits.weights").stat().st_size
        assert told["errors"][7] == f"digits.weights: expected {size} bytes, found 8"


def test_fused_multiply_adds_are_opt_in() -> None:
    model = network("lenet5")
    graph = model.graph.bind(N=1)
    told = checked(graph, values(model, graph), "wasm-relaxed")
    assert told.startswith("run as WebAssembly: within")


def test_what_is_missing_is_named_with_its_line() -> None:
    x = cnn.input("x", (4,))
    y = cnn.sin(x)
    for name in MACHINES:
        with pytest.raises(GraphCnnError, match=r'sin "sin_1" \(test_modules.py.*\bsin\b') as told:
            cnn.Model(x, y).build(name, "nowhere")
        assert name in str(told.value)


def test_an_operator_of_ones_own_is_refused_by_name(tmp_path) -> None:
    @cnn.operator
    class Twice(cnn.Operator):
        acts_on = "elements"

        def forward(self, x):
            return 2 * x

    x = cnn.input("x", (4,))
    with pytest.raises(GraphCnnError, match="an operator of your own is computed by Python"):
        cnn.Model(x, Twice()(x)).build("wasm", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_wrong_use_is_told(tmp_path) -> None:
    model = network("digits_cnn")
    with pytest.raises(GraphCnnError, match="did you mean 'wasm'"):
        model.build("wsam", tmp_path)
    with pytest.raises(GraphError, match="known are inside, file"):
        model.build("wasm", tmp_path, weights="beside")
    with pytest.raises(GraphCnnError, match="'_1st_net' is one"):
        model.build("wasm", tmp_path, name="1st net")
    with pytest.raises(GraphCnnError, match="batch must be an int of at least 1, found 0"):
        model.build("wasm", tmp_path, batch=0)
    assert not list(tmp_path.iterdir())
