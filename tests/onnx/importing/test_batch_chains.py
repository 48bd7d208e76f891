"""Random files that merge, divide, turn, join and cut axes, the open batch among them, against ONNX
Runtime: types, numbers, pieces of a batch, and the same once more after they were written."""

import random
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphcnn as cnn
from graphcnn.ir.tensor_type import Dim, N, Shape, merged_size, open_axes, times_n


class Chain:
    """A file in the making: its nodes, and the value `x` of shape `shape` that it ends in."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nodes: list[object] = []
        self.arrays: list[object] = []
        self.x = "x"
        self.item = [self.random.choice([1, 2, 3, 4, 6]) for _ in range(self.random.randint(1, 3))]
        self.shape: Shape = (N, *self.item)
        steps = [
            self.merge, self.divide, self.turn, self.join, self.split, self.cut, self.blocks,
            self.tile, self.flatten, self.soften, self.average,
        ]  # fmt: skip
        for _ in range(self.random.randint(4, 10)):
            if prod(map(times_n, self.shape)) < 2000 and len(self.shape) < 5:
                self.random.choice(steps)()
        self.add("Identity", self.x, outputs=["y"])

    @property
    def content(self) -> bytes:
        declared = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.item])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [declared], [y], self.arrays)
        opset = helper.make_opsetid("", 13)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        return bytes(model.SerializeToString())

    def add(self, op: str, *inputs: str, outputs: Sequence[str] = (), **attributes: object) -> str:
        made = list(outputs) or [f"v{len(self.nodes)}"]
        self.nodes.append(helper.make_node(op, inputs, made, **attributes))
        return made[0]

    def numbers(self, *values: int) -> str:
        name = f"c{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def axis(self) -> int:
        return self.random.randrange(len(self.shape))

    def divisor(self, k: int) -> int:
        return self.random.choice([q for q in range(1, k + 1) if k % q == 0])

    def resized(self, axis: int, size: Dim) -> None:
        self.shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])

    def items(self) -> str:
        """The number of items, computed of the shape."""
        (axis, *_) = open_axes(self.shape)
        rows = self.add("Gather", self.add("Shape", self.x), self.numbers(axis))
        return self.add("Div", rows, self.numbers(times_n(self.shape[axis])))

    def reshape(self, shape: Shape) -> None:
        """To a shape with -1 for the batch, or computed of that of x."""
        if self.random.random() < 0.5:
            target = self.numbers(*(d if isinstance(d, int) else -1 for d in shape))
        else:
            n = self.items()
            parts = [
                self.numbers(d) if isinstance(d, int) else self.add("Mul", n, self.numbers(d.times))
                for d in shape
            ]
            target = self.add("Concat", *parts, axis=0)
        self.x, self.shape = self.add("Reshape", self.x, target), shape

    def merge(self) -> None:
        at = self.random.randrange(max(len(self.shape) - 1, 1))
        pair = self.shape[at : at + 2]
        self.reshape((*self.shape[:at], merged_size(pair), *self.shape[at + 2 :]))

    def divide(self) -> None:
        at = self.axis()
        q = self.divisor(times_n(self.shape[at]))
        parts = self.random.sample([q, self.shape[at] // q], 2)
        self.reshape((*self.shape[:at], *parts, *self.shape[at + 1 :]))

    def turn(self) -> None:
        perm = self.random.sample(range(len(self.shape)), len(self.shape))
        self.x = self.add("Transpose", self.x, perm=perm)
        self.shape = tuple(self.shape[a] for a in perm)

    def join(self) -> None:
        axis = self.axis()
        self.x = self.add("Concat", self.x, self.add("Neg", self.x), axis=axis)
        self.resized(axis, self.shape[axis] * 2)

    def split(self) -> None:
        axis = self.axis()
        count = self.divisor(times_n(self.shape[axis]))
        names = [f"p{len(self.nodes)}.{i}" for i in range(count)]
        self.add("Split", self.x, outputs=names, axis=axis)
        self.x = self.add("Sub", names[-1], names[0]) if self.random.random() < 0.5 else names[-1]
        self.resized(axis, self.shape[axis] // count)

    def cut(self) -> None:
        """Every `step`-th element of an axis."""
        axis = self.axis()
        step = self.divisor(times_n(self.shape[axis]))
        ends = self.random.randrange(step), 1 << 62, axis, step
        self.x = self.add("Slice", self.x, *map(self.numbers, ends))
        self.resized(axis, self.shape[axis] // step)

    def blocks(self) -> None:
        """Some n elements after some n elements of the batch axis."""
        (axis, *_) = open_axes(self.shape)
        k, n = times_n(self.shape[axis]), self.items()
        start = self.random.randrange(k)
        end = self.random.randint(start + 1, k)
        ends = [self.add("Mul", n, self.numbers(each)) for each in (start, end)]
        self.x = self.add("Slice", self.x, *ends, self.numbers(axis))
        self.resized(axis, (end - start) * N)

    def tile(self) -> None:
        repeats = [self.random.choice([1, 1, 2]) for _ in self.shape]
        self.x = self.add("Tile", self.x, self.numbers(*repeats))
        self.shape = tuple(d * r for d, r in zip(self.shape, repeats, strict=True))

    def flatten(self) -> None:
        at = self.random.randint(0, len(self.shape))
        self.x = self.add("Flatten", self.x, axis=at)
        self.shape = merged_size(self.shape[:at]), merged_size(self.shape[at:])

    def soften(self) -> None:
        axis = self.axis()
        if isinstance(self.shape[axis], int):
            self.x = self.add("Softmax", self.x, axis=axis)

    def average(self) -> None:
        axis = self.axis()
        if isinstance(self.shape[axis], int):
            self.x = self.add("ReduceMean", self.x, axes=[axis])
            self.resized(axis, 1)


@pytest.mark.parametrize("seed", range(30))
def test_chains_of_moved_elements(seed: int, tmp_path: Path) -> None:
    chain = Chain(seed)
    model, session = cnn.import_onnx(chain.content), onnxruntime.InferenceSession(chain.content)
    assert model.graph.outputs["y"].shape == chain.shape
    model.export_onnx(tmp_path / "y.onnx")
    again = onnxruntime.InferenceSession(tmp_path / "y.onnx")
    assert cnn.import_onnx(tmp_path / "y.onnx").graph.outputs["y"].shape == chain.shape
    pieces = {"batch_size": 2} if model.runner().axes.mixing is None else {}
    for n in (1, 3):
        x = np.random.default_rng(n).normal(size=(n, *chain.item)).astype(np.float32)
        (wanted,) = session.run(None, {"x": x})
        for found in (
            model.predict(x, raw=True, runtime="reference"),
            model.predict(x, raw=True, runtime="reference", **pieces),
            again.run(None, {"x": x})[0],
        ):
            np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)


def test_most_chains_keep_their_items_apart() -> None:
    models = [cnn.import_onnx(Chain(seed).content) for seed in range(30)]
    apart = [model.runner().axes.mixing is None for model in models]
    assert 20 <= sum(apart) < 30
