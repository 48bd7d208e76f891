"""Faults that are planted into kernels, and that a run between red zones names at once."""

import numpy as np
import pytest
from native.chains import counter, counter_states, lowered

from graphcnn.errors import VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.elementwise import Abs, Add, Mul
from graphcnn.ops.layout import Relayout
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.memory import red_zones
from graphcnn.runtime.native.memory.arena import RED_ZONE
from graphcnn.runtime.native.memory.places import Memory
from graphcnn.runtime.native.simple_plan import simple_plan

ONE = Execution(threads=1)

F32 = DType.FLOAT32
SIZE = 60  # floats: 240 bytes and 16 to the next multiple of 64
X = np.linspace(1, 2, SIZE, dtype=np.float32)


def spoiled(name, place, operand=-1):
    """The lowering of an operator, and then 7 is written to a place of an operand."""
    load_lowerings()
    right = LOWERINGS[name]

    def lower(node, target):
        kernel = right(node, target)

        def emit(e):
            kernel.emit(e)
            e.store(e.splat(7.0, F32), e.at(e.operands[operand], F32, (place, 1)))

        return Kernel(f"spoiled {place} {operand} {kernel.key}", emit, kernel.operands)

    return lower


def network():
    """y = |relu(x)| + x · x: two values in the arena, two outside; relu is the step in question."""
    x = Input("x", TensorType((SIZE,)))()
    other = Mul()(x, x, name="other")
    return Graph.of([x], {"y": Add()(Abs()(Relu()(x, name="wrong"), name="size"), other)})


def run(graph=None):
    plan = plan_memory(graph or network())
    return NativeExecutable(plan.graph, ONE, plan=plan, guard=True).run({"x": X})[0]["y"]


@pytest.fixture(params=[True, False], ids=["compared", "zones only"])
def compared(request, monkeypatch):
    """All memory is compared, or as in large networks red zones alone."""
    if not request.param:
        monkeypatch.setattr(red_zones, "MOST_COMPARED", 0)
    return request.param


def test_right_kernels_pass(compared):
    assert np.allclose(run(), X + X * X)


@pytest.mark.parametrize("place", [SIZE, SIZE + 3, SIZE + 4, SIZE + 50, -1, -40])
def test_a_write_beside_a_result_is_named(place, compared):
    with lowered("relu", spoiled("relu", place)):
        with pytest.raises(VerifyError, match=r"relu 'wrong' \(loop\) writes to the red zone \d+ "):
            run()


def test_the_place_is_told():
    with lowered("relu", spoiled("relu", SIZE + 2)):
        with pytest.raises(VerifyError, match=r"red zone 8 bytes after the end of <activation '"):
            run()


def test_a_write_to_an_input_is_named():
    with lowered("relu", spoiled("relu", 5, operand=0)):
        with pytest.raises(VerifyError, match=r"relu 'wrong' .* writes to byte 20 of <input 'x'"):
            run()


def test_a_write_into_a_neighbour_is_named():
    """One that still holds something, and is far from every red zone."""
    x = Input("x", TensorType((SIZE,)))()
    graph = Graph.of([x], {"y": Abs()(x, name="size")})
    plan = plan_memory(graph)
    memory = Memory(plan, guard=True)
    at = {b.name: memory.place(b)[1] for b in plan.buffers}
    with lowered("abs", spoiled("abs", (at["x"] - at["y"]) // 4 + 9)):
        with pytest.raises(VerifyError, match=r"abs 'size' .* writes to byte 36 of <input 'x'"):
            run(graph)


@pytest.mark.parametrize("place", [0, 16 * 5])
def test_a_border_that_is_not_zero_is_named(place):
    x = Input("x", TensorType((1, 16, 3, 3)))()
    y = Relayout("plain")(Relayout("c16+1,1,1,1")(x, name="bordered"))
    graph = Graph.of([x], {"y": y})
    feeds = {"x": np.ones((1, 16, 3, 3), np.float32)}
    assert (NativeExecutable(graph, ONE, guard=True).run(feeds)[0]["y"] == 1).all()
    with lowered("relayout", spoiled("relayout", place)):
        with pytest.raises(VerifyError, match=r"'bordered' .*: 7\.0 at .* where the layout has"):
            NativeExecutable(graph, ONE, guard=True).run(feeds)


def test_a_halo_that_is_not_written_is_named():
    def lazy(node, target):
        """Writes the pixels and leaves the border as it was."""

        def emit(e):
            x, y = e.operands
            for pixel in range(9):
                to = 16 * (5 * (1 + pixel // 3) + 1 + pixel % 3)
                for c in range(16):
                    value = e.load(e.at(x, F32, (9 * c + pixel, 1)), F32)
                    e.store(value, e.at(y, F32, (to + c, 1)))

        return Kernel("lazy", emit, 2)  # fmt: skip

    x = Input("x", TensorType((1, 16, 3, 3)))()
    graph = Graph.of([x], {"y": Relayout("plain")(Relayout("c16+1,1,1,1")(x))})
    with lowered("relayout", lazy):
        with pytest.raises(VerifyError, match=r"nan at \[0, 0, 0, 0, 0\] .*\(256 such places\)"):
            NativeExecutable(graph, ONE, guard=True).run({"x": np.ones((1, 16, 3, 3), np.float32)})


def test_states_stay_as_they_are():
    """A step that writes a state which it does not update; and a new value, and a copy."""
    native = NativeExecutable(counter(), ONE, guard=True)
    native.bind_states(counter_states())
    x = np.arange(8, dtype=np.float32)
    native.step({"x": x})
    assert np.array_equal(native.read_state("w"), 2 * x)
    assert np.array_equal(native.read_state("before"), x)
    with lowered("mul", spoiled("mul", 0, operand=1)):
        native = NativeExecutable(counter(), ONE, guard=True)
        native.bind_states(counter_states())
        with pytest.raises(VerifyError, match=r"mul .* writes to byte \d of <state 'w'"):
            native.step({"x": x})


def test_no_two_buffers_touch():
    kind = TensorType((SIZE,))
    x, w = Input("x", kind)(), State("w", kind)()
    y = Relu()(Mul()(Add()(x, w), Abs()(x)))
    for plan in (plan_memory(Graph.of([x], {"y": y, "z": w}, {w: y})),
                 simple_plan(network(), host(), 1)):  # fmt: skip
        memory = Memory(plan, guard=True)
        for block in memory.blocks:
            inside = [
                (memory.place(b)[1], b.bytes) for b in plan.buffers if memory.place(b)[0] is block
            ]
            inside = sorted(dict(inside).items())
            end = 0
            for first, size in inside:
                assert first - end >= RED_ZONE
                end = first + size
            assert block.size - end >= RED_ZONE if inside else True
        plain = Memory(plan, guard=False)
        assert plain.arena.size == plan.arena_bytes
        assert all(plain.place(b)[1] == b.offset for b in plan.buffers if b.offset is not None)
