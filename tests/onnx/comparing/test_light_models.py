"""Real architectures against ONNX Runtime, before the softmax, with weights that mean something.

The comparison itself is tested too: networks with one wrong node must not pass it.
"""

from functools import cache

import numpy as np
import pytest

from graphcnn.exchange.first_difference import RUN
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.tools.bench.light import NAMES, light_model

runtime = pytest.importorskip("onnxruntime")

#: Largest error, normalised by the largest output. One Relu left out gives 5e-5 and more.
BOUND = 2e-6

#: Networks that take up to three seconds; the others are for the full run.
QUICK = NAMES[:6]

#: Those whose every mutation is tried in the quick run too.
MUTATED = ("squeezenet", "shufflenet")

X = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)


def some(names):
    return [n if n in names else pytest.param(n, marks=pytest.mark.sweep) for n in NAMES]


def theirs(model, name):
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: X})
    return found


@cache
def ours(name, which):
    model, fed = light_model(name)
    found = import_graph(model.SerializeToString())
    (array,) = RUN[which](found.graph.bind(N=1), {fed: X}, found.states).values()
    return array


def error(found, expected):
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("which", RUN)
@pytest.mark.parametrize("name", some(QUICK))
def test_computes_what_onnx_runtime_computes(name, which):
    found = error(ours(name, which), theirs(*light_model(name)))
    print(f"{name} {which}: {found:.1e}")
    assert found < BOUND


# The same comparison with one wrong node


def mutants(name):
    """The network with one node wrong, again and again: what was done, and the model."""
    model, fed = light_model(name)
    nodes = model.graph.node
    for i, node in enumerate(nodes):
        other = {"Relu": "Identity", "MaxPool": "AveragePool", "AveragePool": "MaxPool"}
        if node.op_type in other:
            before = node.op_type
            node.op_type = other[before]
            yield f"{before} {i} is {node.op_type}", model, fed
            node.op_type = before
        elif node.op_type == "Sum" and len(node.input) == 2:
            for kept in (0, 1):
                both = list(node.input)
                node.input[:] = [both[kept]]
                yield f"Sum {i} without input {1 - kept}", model, fed
                node.input[:] = both


@pytest.mark.parametrize("name", some(MUTATED))
def test_every_wrong_node_is_noticed(name):
    """Each Relu removed, each pool of the other kind, each residual dropped, one at a time."""
    expected, missed, count = {which: ours(name, which) for which in RUN}, [], 0
    for what, model, fed in mutants(name):
        count += 1
        wrong = theirs(model, fed)
        found = {which: error(wrong, right) for which, right in expected.items()}
        missed += [f"{what}, {which}: {e:.1e}" for which, e in found.items() if e < 10 * BOUND]
    print(f"{name}: {count} mutants, {len(missed)} missed")
    assert count and not missed, missed
