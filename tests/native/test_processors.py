"""Processors of all ages: what code needs is asked by feature, and nothing becomes a call that an
instruction, or a few of them, can do."""

import importlib
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
import samples
from native.chains import scale_kernel
from native.networks import batches, network, relative
from native.object_code import undefined
from native.run_kernel import node_of, run_node

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline, native_plan
from graphcnn.compile.pipelines import training_graph
from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import build
from graphcnn.ir.plan import is_step
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.target_rule import TARGET
from graphcnn.ops.elementwise import Ceil, Floor, Round
from graphcnn.ops.fused import Fused
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code import jit
from graphcnn.runtime.native.code.codegen import kernel_text
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import load_lowerings, lower
from graphcnn.runtime.native.code.target import Target, can_run, described, host, named
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.kernels.parts.math import libm
from graphcnn.runtime.reference import Reference

LINUX, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
SSE4 = dict.fromkeys(("sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2"), True)
AVX2 = {**SSE4, "avx": True, "avx2": True}
AVX512 = {**AVX2, "fma": True, "avx512f": True, "avx512vl": True, "avx512dq": True}

#: Processors, and whether each has fused multiply-adds and instructions that round.
PROCESSORS = {
    "the first 64-bit one": (Target("host", LINUX, "x86-64", "", 16, 16), False, False),
    "Core 2": (Target("host", LINUX, "core2", "", 16, 16), False, False),
    "an old Atom": (Target("host", LINUX, "bonnell", "", 16, 16), False, False),
    "Nehalem": (Target("host", LINUX, "nehalem", "", 16, 16), False, True),
    "x86-64-v2": (Target("host", LINUX, "x86-64-v2", "", 16, 16), False, True),
    "Sandy Bridge": (Target("host", LINUX, "sandybridge", "", 16, 16), False, True),
    "Ivy Bridge": (described("host", LINUX, "ivybridge", {**SSE4, "avx": True}), False, True),
    "AVX2 without FMA": (described("host", LINUX, "x86-64", {**AVX2, "fma": False}), False, True),
    "Haswell, its FMA hidden": (Target("host", LINUX, "haswell", "-fma", 16, 16), False, True),
    "AVX-512, FMA hidden": (
        described("host", LINUX, "skylake-avx512", {**AVX512, "fma": False}), False, True,
    ),
    "Bulldozer, of another kind of FMA": (Target("host", LINUX, "bdver1", "", 16, 16), True, True),
    "Zen": (Target("host", LINUX, "znver1", "", 32, 16), True, True),
    "AVX2": (described("host", LINUX, "x86-64", {**AVX2, "fma": True}), True, True),
    "AVX-512": (described("host", LINUX, "x86-64", AVX512), True, True),
    "Arm": (Target("host", ARM, "generic", "", 16, 32), True, True),
    **{name: (named(name), name != "sse2", name != "sse2")
       for name in ("sse2", "avx2", "avx512", "neon")},
}  # fmt: skip
NETS = ("lenet5", "mixed", "vgg_cifar", "unet")
SLOW = [name for name, (_, fused, rounds) in PROCESSORS.items() if not (fused and rounds)]

#: Functions of the C library that kernels call by intention (see `kernels.math`), always.
LIBRARY = {
    name: 1 for name in ("atan", "cos", "erf", "exp", "expm1", "log", "log1p", "sin", "tanh")
}
LIBRARY |= {"fmod": 2, "pow": 2}
#: What LLVM takes for loops over bytes; it is in every process.
BYTES = {"memcpy", "memset"}


@pytest.mark.parametrize("name", PROCESSORS)
def test_features_are_known(name):
    target, fused, rounds = PROCESSORS[name]
    assert (target.fused, target.rounds) == (fused, rounds)
    assert target.sums == target.registers - (1 if fused else 2)


def test_vectors_are_as_wide_as_all_instructions_allow():
    widths = {name: target.vector_bytes for name, (target, _, _) in PROCESSORS.items()}
    assert (widths["AVX-512"], widths["AVX2"]) == (64, 32)
    assert widths["AVX-512, FMA hidden"] == widths["Ivy Bridge"] == 16


def test_what_is_missing_is_taken_away_last():
    target = PROCESSORS["AVX-512, FMA hidden"][0]
    assert target.features.index("+avx512f") < target.features.index("-fma")


def all_samples():
    load_lowerings()
    for family in pkgutil.iter_modules(samples.__path__):
        module = importlib.import_module(f"samples.{family.name}")
        for sample in getattr(module, "SAMPLES", ()):
            if sample.op.name not in ("placed", "relayout"):  # the training steps have them
                yield from ((sample, dtype) for dtype in (np.float32, np.float64))


def kernels_of_samples(target):
    """One kernel for each operator, element type and algorithm."""
    found: dict[object, Kernel] = {}
    for sample, dtype in all_samples():
        try:
            node, _ = node_of(sample, dtype)
            kernel = lower(node, target)
        except (GraphError, cnn.GraphCnnError):  # what no native runtime does
            continue
        inside = [n.op.name for n in node.op.body.nodes] if isinstance(node.op, Fused) else []
        found.setdefault((node.op.name, *inside, dtype, kernel.algorithm), kernel)
    return list(found.values())


def kernels_of_step(name, target):
    model, loss = network(name)
    graph = training_graph(model.graph, loss, cnn.SGD(0.01, momentum=0.9)).bind(N=2)
    nodes = filter(is_step, native_pipeline(Execution(target=target)).run(graph).nodes)
    return list({k.key: k for k in (lower(node, target) for node in nodes)}.values())


def rarely(names, often):
    """Parameters of which the quick run has those in `often` only."""
    return [n if n in often else pytest.param(n, marks=pytest.mark.sweep) for n in names]


@pytest.mark.parametrize("name", rarely(SLOW, ("Core 2", "AVX2 without FMA")))
def test_operators_call_nothing_that_they_need_not(name):
    target = PROCESSORS[name][0]
    kernels = kernels_of_samples(target)
    assert len(kernels) > 100
    calls = {k.key: undefined(jit.compile_object(k, target)) for k in kernels}
    assert set().union(*calls.values()) <= {*LIBRARY, *BYTES}
    single = {key: found for key, found in calls.items() if "f64" not in key}
    assert set().union(*single.values()) <= {"atan", "cos", "fmod", "sin", *BYTES}


@pytest.mark.parametrize("net", rarely(NETS, ("lenet5", "mixed")))
@pytest.mark.parametrize("name", rarely(PROCESSORS, ("Core 2", "Ivy Bridge", "neon")))
def test_training_steps_call_nothing(name, net):
    target = PROCESSORS[name][0]
    for kernel in kernels_of_step(net, target):
        assert undefined(jit.compile_object(kernel, target)) <= BYTES, kernel.key


@pytest.mark.parametrize("name", ["Core 2", "Ivy Bridge", "Haswell, its FMA hidden"])
@pytest.mark.parametrize("net", ["lenet5", "mixed"])
def test_training_steps_have_the_numbers_of_the_reference(name, net):
    target = PROCESSORS[name][0]
    if not can_run(target):
        pytest.skip("this machine does not have its instructions")
    model, loss = network(net)
    graph = training_graph(model.graph, loss, cnn.SGD(0.01, momentum=0.9)).bind(N=3)
    ((images, targets),) = batches(model, loss, 3, 1)
    feeds = {"image": images, TARGET: targets}
    states = {k: np.asarray(v) for k, v in model.states.items()}
    for value in graph.states:
        state = state_of(value)
        states.setdefault(state.key, state.initial(value.type, 0, state.key))
    expected, wanted = Reference(graph).run(feeds, states)
    placed = native_pipeline(Execution(target=target)).run(graph)
    first = None
    for threads in (1, 2, 3):
        plan = native_plan(placed, Execution(threads=threads, target=target))
        executable = NativeExecutable(
            plan.graph, Execution(threads=threads, target=target), plan, guard=True
        )
        outputs, updates = executable.run(feeds, states)
        assert outputs["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        for key, array in wanted.items():
            assert relative(array, updates[key], 1e-3) < 1e-4, key
        bits = {k: v.tobytes() for k, v in {**outputs, **updates}.items()}
        first = first or bits
        assert bits == first, threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sse2", "x86-64-v2", "AVX2", "AVX-512", "Arm"])
@pytest.mark.parametrize("op", [Floor(), Ceil(), Round()], ids=lambda op: op.name)
def test_whole_numbers(op, name, dtype):
    edges = [2.0**k + d for k in (-1, 0, 1, 22, 23, 24, 31, 51, 52, 53, 63) for d in (-0.5, 0, 0.5)]
    near = [np.nextafter(dtype(e), dtype(s)) for e in (0.5, 1, 1.5, 2.5) for s in (-9, 9)]
    few = [0.0, 1e-45, 1e-40, 5e-324, 0.25, 0.75, 1e30, np.inf, np.nan, *edges, *near]
    x = np.array([*few, *(-v for v in few)], dtype)
    y = run_node(build(op, [Input("x", TensorType(x.shape, DType.of(x.dtype)))()]), [x],
                 PROCESSORS[name][0])  # fmt: skip
    if y:  # this machine can run it
        expected = op.evaluate(x)
        np.testing.assert_array_equal(y[0], expected)
        numbers = ~np.isnan(x)
        assert np.array_equal(np.signbit(y[0][numbers]), np.signbit(expected[numbers]))


def test_no_code_depends_on_the_name_of_a_processor():
    for name in ("sse2", "avx2", "avx512"):
        target = named(name)
        other = replace(target, name="host")
        for one, two in zip(*(kernels_of_step("mixed", t) for t in (target, other)), strict=True):
            assert (one.key, one.scratch, one.algorithm) == (two.key, two.scratch, two.algorithm)
            assert kernel_text(one, target) == kernel_text(two, other)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_c_library_is_there_for_generated_code(name):
    def emit(e):
        x, y = e.operands
        arguments = [e.load(x, DType.FLOAT64)] * LIBRARY[name]
        e.store(libm(e, name, *arguments), y)

    kernel = Kernel(f"test of {name}", emit, 2)
    assert name in undefined(jit.compile_object(kernel, replace(host(), triple=LINUX)))
    assert jit.compile_kernel(kernel, host())


def test_a_function_that_no_library_has_is_an_error_in_words():
    def emit(e):
        x, y = e.operands
        e.store(libm(e, "no_such_function", e.load(x, DType.FLOAT64)), y)

    kernel = Kernel("test of a missing function", emit, 2)
    with pytest.raises(GraphCnnError, match="generated code cannot be loaded"):
        jit.compile_kernel(kernel, host())
    assert jit.compile_kernel(scale_kernel(11.0, key="after it"), host())
