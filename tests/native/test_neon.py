"""Code for 64-bit Arm, run: every kernel under qemu-user, where `native.emulated` finds its tools.

In the quick run the kernels of a training step, in the full run all samples of all operators and
all algorithms of convolutions too. Without the tools all of this is skipped, and what remains is
that the kernels compile (`test_kernels_of_a_step_compile_for_neon`).
"""

import importlib
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
import samples
from native.emulated import TOOLS, can_emulate
from native.networks import batches, network
from native.run_kernel import check_results, check_sample, has_kernel, run_kernel
from native.test_kernels_placed import CASES, GROUPS, _group, check_all

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Node
from graphcnn.ir.plan import is_step
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import pack, storage_shape
from graphcnn.learning.target_rule import TARGET
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.layout import inner
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import can_run, named
from graphcnn.runtime.reference import Reference

NEON = named("neon")

pytestmark = pytest.mark.skipif(
    not (can_emulate(NEON) or can_run(NEON)), reason=f"needs {', '.join(TOOLS['aarch64'])}"
)

#: Share of the largest result that Winograd's algorithm may be off.
WINOGRAD = 1e-4


def stored(t):
    """The type of the memory of a value."""
    return replace(t, shape=storage_shape(t), layout="plain")


def check_step(name: str, n: int) -> int:
    """Each kernel of a training step on the numbers that the reference has there."""
    model, loss = network(name)
    graph = training_graph(model.graph, loss, cnn.SGD(0.01, momentum=0.9)).bind(N=n)
    graph = native_pipeline(Execution(target=NEON)).run(graph)
    ((images, targets),) = batches(model, loss, n, 1)
    values = {}

    def watch(node: Node, results: tuple[np.ndarray, ...]) -> None:
        values.update(zip(node.outputs, map(np.asarray, results), strict=True))

    keys = {state_of(s).key: s for s in graph.states}
    states = {key: state_of(s).initial(s.type, 3, key) for key, s in keys.items()}
    feeds = {graph.inputs[0].node.name: images, TARGET: targets}
    Reference(graph).run(feeds, states, watch)
    steps = [node for node in graph.nodes if is_step(node)]
    for node in steps:
        kernel = lower(node, NEON)
        inputs = tuple(Input(f"x{i}", stored(v.type))() for i, v in enumerate(node.inputs))
        flat = Node(node.op, inputs, tuple(map(stored, node.types)))
        arrays = [
            pack(values[v], v.type).reshape(x.type.shape)
            for v, x in zip(node.inputs, inputs, strict=True)
        ]
        expected = tuple(
            pack(values[v], v.type).reshape(t.shape)
            for v, t in zip(node.outputs, flat.types, strict=True)
        )
        found = run_kernel(kernel, flat, arrays, NEON, parts=2)
        check_results(flat, found, expected, WINOGRAD if "winograd" in kernel.algorithm else None)
    return len({inner(node.op).name for node in steps})


def test_every_kernel_of_a_training_step():
    assert check_step("lenet5", 2) >= 5


@pytest.mark.parametrize("name", ["conv", "transposed"])
def test_convolutions(name):
    op = Conv2d(padding=(1, 1, 1, 1), flip_kernel=name == "transposed")
    check_all(op, [(2, 7, 9, 6), (9, 7, 3, 3), (9,)], NEON)


@pytest.mark.sweep
@pytest.mark.parametrize("name", ["mnist_cnn", "vgg_cifar", "mixed", "unet"])
def test_every_kernel_of_other_training_steps(name):
    assert check_step(name, 1) >= 5


@pytest.mark.sweep
@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), CASES, ids=str)
def test_all_convolutions(x, filters, kernel, attributes):
    check_all(Conv2d(**attributes), [x, (filters, x[1], *kernel), (filters,)], NEON)


@pytest.mark.sweep
@pytest.mark.parametrize(("op", "shapes", "extra"), GROUPS, ids=str)
def test_all_groups(op, shapes, extra):
    check_all(_group(op, shapes, extra, Relu()), [*shapes, *extra], NEON)


#: In layouts, so that the operands must be packed; the steps above have them.
NOT_ALONE = ("placed", "relayout")
FAMILIES = [m.name for m in pkgutil.iter_modules(samples.__path__)]


@pytest.mark.sweep
@pytest.mark.parametrize("family", FAMILIES)
def test_all_samples(family):
    module = importlib.import_module(f"samples.{family}")
    for i, sample in enumerate(getattr(module, "SAMPLES", ())):
        if sample.op.name in NOT_ALONE or not has_kernel(sample):
            continue
        try:
            check_sample(sample, np.float32, 1 + i % 3, NEON)
        except cnn.GraphError as error:  # what no native runtime does
            assert "float16" in str(error) or "f16" in str(error) or "one result" in str(error)
