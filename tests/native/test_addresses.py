"""A plan whose addresses are constants that a linker resolves runs as the one made in memory."""

import ctypes
import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from native.networks import mixed
from native.test_targets import SMALL

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.plan import Buffer
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.addresses import constants_text
from graphcnn.runtime.native.code import jit
from graphcnn.runtime.native.code.codegen import entry_of
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target, host
from graphcnn.runtime.native.driver import driver_text
from graphcnn.runtime.native.memory.arena import READABLE
from graphcnn.runtime.native.program import program, work_of
from graphcnn.runtime.native.simple_plan import simple_plan


def step(target: Target) -> Graph:
    graph = training_graph(mixed().graph, "cross_entropy", cnn.SGD(0.1, momentum=0.9))
    return native_pipeline(Execution(target=target)).run(graph.bind(N=3))


def ahead(graph: Graph, target: Target):
    """Its plan, records, names of the buffers outside the arena, and the text of the constants."""
    plan = simple_plan(graph, target, 1)
    kernels = [lower(s.node, target) for s in plan.steps]
    records = program(plan, kernels, [work_of(s) for s in plan.steps], 1)
    names = {b: f"{b.role} {i}" for i, b in enumerate(plan.buffers) if b.offset is None}
    return plan, records, names, constants_text(records, names, target)


@pytest.mark.parametrize("target", [host(), SMALL], ids=lambda target: target.name)
def test_no_address_stands_in_the_text(target: Target) -> None:
    *_, text = ahead(step(target), target)
    llvm.parse_assembly(text).verify()
    llvm.parse_assembly(driver_text(target)).verify()
    assert "getelementptr (i8, ptr @arena" in text
    numbers = [int(n) for n in re.findall(r"inttoptr \(i\d+ (\d+) to ptr\)", text)]
    assert numbers and max(numbers) < 1 << 16  # lines of copies, no addresses
    assert not re.search(r"\d{10}", re.sub(r"kernel_\w+", "", text))
    assert jit.cached_object(text, lambda: text, target)


def test_linked_code_computes_the_same_numbers() -> None:
    kind = TensorType((40,))
    x, v, w = Input("x", kind)(), State("v", kind)(), State("w", kind)()
    graph = Graph.of([x], {"y": Relu()(Mul()(x, w))}, {w: Add()(w, x), v: w})
    plan, records, names, text = ahead(graph, host())
    sizes = {names[b]: b.bytes for b in names} | {"arena": plan.arena_bytes}
    memory = "\n".join(
        f'@"{name}" = global [{-(-size // 64) * 64 + READABLE} x i8] zeroinitializer, align 64'
        for name, size in sizes.items()
    )
    texts = text, memory, driver_text(host())
    codes = [jit.cached_object(each, lambda each=each: each, host()) for each in texts]
    kernels = {entry_of(r.kernel): jit.compile_object(r.kernel, host()) for r in records}
    run, steps, *places = jit.load([*kernels.values(), *codes], "run", "steps", *sizes)
    at = dict(zip(sizes, places, strict=True))

    def array(buffer: Buffer) -> np.ndarray:
        return np.ctypeslib.as_array((ctypes.c_float * 40).from_address(at[names[buffer]]))

    values = {key: np.linspace(-2, 3, 40, dtype=np.float32) + i for i, key in enumerate("xvw")}
    for key, buffer in {**plan.inputs, **plan.states}.items():
        array(buffer)[:] = values[key]
    word, pointer = ctypes.c_int64, ctypes.c_void_p
    ctypes.CFUNCTYPE(None, pointer, word, word, word, pointer)(run)(steps, len(records), 0, 1, 0)
    assert np.array_equal(array(plan.states["v"]), values["w"])
    assert np.array_equal(array(plan.states["w"]), values["w"] + values["x"])
    (copy,) = (c for c in plan.copies if c.target is plan.outputs["y"])
    offset = copy.source.offset
    assert offset is not None
    found = np.ctypeslib.as_array((ctypes.c_float * 40).from_address(at["arena"] + offset))
    assert np.array_equal(found, np.maximum(values["x"] * values["w"], 0))
