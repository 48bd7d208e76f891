"""Files that merge the batch axis with others, join batches, and cut them: read, run, written."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import parser

import graphcnn as cnn
from graphcnn.errors import ImportModelError
from graphcnn.ir.batch import Batch, items
from graphcnn.ir.node import Op
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.onnx.importing.known.affine import Affine, UndecidedError
from graphcnn.ops.shape import Embed, Reshape, Slice
from graphcnn.testing.batches import batch

#: The input, and what makes y of it; S is the shape of x, one and zero its first two positions.
FILES = {
    "heads": (
        (8, 4, 6),
        """t = Constant <value = int64[3] {-1, 2, 24}> ()  a = Reshape (x, t)
        b = Softmax <axis = -1> (a)  y = Reshape (b, S)""",
    ),
    "keras dense": (
        (3, 5, 6),
        """t = Constant <value = int64[2] {-1, 6}> ()  a = Reshape (x, t)  b = Softmax (a)
        k = Constant <value = int64[3] {0, 1, 2}> ()  free = Gather (S, k)
        six = Constant <value = int64[1] {6}> ()  t2 = Concat <axis = 0> (free, six)
        y = Reshape (b, t2)""",
    ),
    "shuffle": (
        (8, 3, 2),
        """eight = Constant <value = int64[1] {8}> ()  two = Constant <value = int64[1] {2}> ()
        n = Slice (S, zero, one)  bc = Mul (n, eight)  half = Div (bc, two)
        hw = Constant <value = int64[1] {6}> ()  t = Concat <axis = 0> (half, two, hw)
        a = Reshape (x, t)  b = Transpose <perm = [1, 0, 2]> (a)
        t2 = Constant <value = int64[5] {2, -1, 4, 3, 2}> ()  c = Reshape (b, t2)
        i = Constant <value = int64 {0}> ()  j = Constant <value = int64 {1}> ()
        first = Gather (c, i)  second = Gather (c, j)  y = Concat <axis = 1> (second, first)""",
    ),
    "windows": (
        (4, 4, 3),
        """p = Constant <value = int64[6] {-1, 2, 2, 2, 2, 3}> ()  a = Reshape (x, p)
        b = Transpose <perm = [0, 1, 3, 2, 4, 5]> (a)
        w = Constant <value = int64[3] {-1, 4, 3}> ()  c = Reshape (b, w)
        s = Shape (c)  m = Slice (s, zero, one)  f = Cast <to = 1> (m)
        four = Constant <value = float[1] {4.0}> ()  q = Div (f, four)  n = Cast <to = 7> (q)
        r = Constant <value = int64[5] {2, 2, 2, 2, -1}> ()  t = Concat <axis = 0> (n, r)
        d = Reshape (c, t)  e = Transpose <perm = [0, 1, 3, 2, 4, 5]> (d)  y = Reshape (e, S)""",
    ),
    "joined and split": (
        (6,),
        """a = Neg (x)  b = Concat <axis = 0> (x, a)  c = Tanh (b)
        p, q = Split <axis = 0> (c)  y = Sub (p, q)""",
    ),
    "joined and sliced": (
        (6,),
        """a = Neg (x)  b = Concat <axis = 0> (x, a, x)  n = Slice (S, zero, one)
        two = Constant <value = int64[1] {2}> ()  m = Mul (n, two)
        p = Slice (b, n, m)  y = Add (p, x)""",
    ),
    "flipped and averaged": (
        (2, 3),
        """m = Constant <value = int64[1] {-1}> ()  l = Constant <value = int64[1] {-99}> ()
        a = Slice (x, m, l, m, m)  b = Concat <axis = 0> (x, a)  c = Tanh (b)
        t = Constant <value = int64[4] {2, -1, 2, 3}> ()  d = Reshape (c, t)
        y = ReduceMean <axes = [0], keepdims = 0> (d)""",
    ),
    "repeated": (
        (2, 3),
        "t = Constant <value = int64[3] {3, 1, 1}> ()  a = Tile (x, t)  y = Tanh (a)",
    ),
    "expanded": (
        (4, 6),
        """n = Slice (S, zero, one)  four = Constant <value = int64[1] {4}> ()  m = Mul (n, four)
        six = Constant <value = int64[1] {6}> ()  t = Concat <axis = 0> (m, six)
        c = Constant <value = float[1, 6] {0.5, 1.5, 2.5, 3.5, 4.5, 5.5}> ()  a = Expand (c, t)
        f = Constant <value = int64[2] {-1, 6}> ()  b = Reshape (x, f)  y = Add (a, b)""",
    ),
    "series": (
        (3, 2, 5, 5),
        """f = Constant <value = int64[4] {-1, 2, 5, 5}> ()  a = Reshape (x, f)
        b = MaxPool <kernel_shape = [2, 2]> (a)  c = GlobalAveragePool (b)
        t = Constant <value = int64[2] {-1, 6}> ()  y = Reshape (c, t)""",
    ),
    "flat": ((4, 6), "a = Flatten <axis = 2> (x)  b = Softmax (a)  y = Reshape (b, S)"),
}


def content(name: str) -> bytes:
    shape, nodes = FILES[name]
    sizes = ", ".join(map(str, ("N", *shape)))
    text = f"""
        <ir_version: 8, opset_import: ["" : 13]> g (float[{sizes}] x) => (float[...] y) {{
            zero = Constant <value = int64[1] {{0}}> ()  one = Constant <value = int64[1] {{1}}> ()
            S = Shape (x)  {nodes}
        }}"""
    model = parser.parse_model(text.replace("float[...] y", "float y"))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("name", FILES)
def test_files_with_merged_batches(name: str, tmp_path: Path) -> None:
    model = cnn.import_onnx(content(name))
    assert model.runner().axes.mixing is None
    theirs = onnxruntime.InferenceSession(content(name))
    model.export_onnx(tmp_path / "y.onnx")
    again = onnxruntime.InferenceSession(tmp_path / "y.onnx")
    for n in (1, 2, 5):
        x = np.random.default_rng(n).normal(size=(n, *FILES[name][0])).astype(np.float32)
        (wanted,) = theirs.run(None, {"x": x})
        for runtime in ("native", "reference"):
            for found in (
                model.predict(x, raw=True, runtime=runtime),
                model.predict(x, raw=True, runtime=runtime, batch_size=2),
            ):
                np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)
        np.testing.assert_allclose(again.run(None, {"x": x})[0], wanted, 1e-5, 1e-6)


PARTS = [
    (Slice((N, 0), (N, 2), (1, 1)), items(0, 3, 1)),
    (Slice((0, 1), (2 * N, 1), (1, 1)), items(0, 3, 1)),
    (Slice((1, 0), (N, 2), (3, 1)), items(0, 1, 3)),
    (Slice((N, 0), (N, 2), (2, 1)), items(0, 3, 1)),
    (Slice((0, 0), (1, 2), (1, 1)), items(0, 1, 3)),
    (Slice((2 * N, 1), (1, 1), (1, 1)), items(0, 3, 1)),
    (Embed((5 * N, 3), (N, 1), (1, 1)), items(0, 3, 1)),
    (Embed((9 * N, 2), (1, 0), (3, 1)), items(0, 1, 3)),
    (Embed((7 * N, 2), (N, 0), (2, 1)), items(0, 3, 1)),
    (Reshape((N, 6)), items(0, 1, 3)),
    (Reshape((3, N, 2)), items(0, 3, 1)),
]


@pytest.mark.parametrize(("op", "place"), PARTS, ids=str)
@pytest.mark.parametrize("opset", [17, 18])
def test_parts_of_batches_are_written(op: Op, place: Batch, opset: int, tmp_path: Path) -> None:
    x = Input("x", TensorType((3 * N, 2)))(name="x")
    model = cnn.Model(x, op(x))
    model.export_onnx(tmp_path / "y.onnx", opset=opset)
    session = onnxruntime.InferenceSession(tmp_path / "y.onnx")
    rng = np.random.default_rng(0)
    for n in (1, 2, 3):
        fed = batch(place, [rng.normal(size=(3, 2)).astype(np.float32) for _ in range(n)])
        wanted = op.bind(n).evaluate(fed)
        np.testing.assert_array_equal(session.run(None, {"x": fed})[0], wanted)
    again = cnn.import_onnx(tmp_path / "y.onnx")
    assert again.graph.inputs[0].shape == (3 * N, 2)
    assert next(iter(again.graph.outputs.values())).shape == op.infer(x.type).shape


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("p, q = Split <axis = 0> (x)  y = Neg (p)", "N elements do not divide into 2 parts"),
        ("y = Slice (x, one, end)", "a part of the batch is N - 1, but sizes are numbers"),
        ("a = Concat <axis = 0> (x, w)  y = Neg (a)", r"N \+ 1 is no multiple of N for every N"),
        (
            "t = Constant <value = int64[2] {-1, 4}> ()  y = Reshape (x, t)",
            "6 elements per item, 4",
        ),
    ],
)
def test_what_depends_on_the_batch_size_is_refused(nodes: str, message: str) -> None:
    model = parser.parse_model(
        f"""
        <ir_version: 8, opset_import: ["" : 13]> g (float[N, 6] x) => (float[a, b] y)
        <float[1, 6] w = {{1, 2, 3, 4, 5, 6}}> {{
            one = Constant <value = int64[1] {{1}}> ()
            zero = Constant <value = int64[1] {{0}}> ()  six = Constant <value = int64[1] {{6}}> ()
            end = Constant <value = int64[1] {{9223372036854775807}}> ()
            {nodes}
        }}"""
    )
    with pytest.raises(ImportModelError, match=message):
        cnn.import_onnx(model.SerializeToString())


def test_frames_of_videos_may_be_the_batch() -> None:
    """A file whose batch has three rows for each item, which it does not say."""
    model = parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 13]> g (float[B, 2] x) => (float[a, b] y) {
            t = Constant <value = int64[3] {-1, 3, 2}> ()  a = Reshape (x, t)
            y = ReduceMean <axes = [1], keepdims = 0> (a)
        }"""
    ).SerializeToString()
    with pytest.raises(ImportModelError, match=r"--shape x=3\*N,2\) says that batches are so"):
        cnn.import_onnx(model)
    for size in ("3*N", 3 * N):
        found = cnn.import_onnx(model, inputs={"x": (size, 2)})
        x = np.random.default_rng(0).normal(size=(15, 2)).astype(np.float32)
        np.testing.assert_allclose(
            found.predict(x, batch_size=2), x.reshape(5, 3, 2).mean(1), 1e-6, 1e-6
        )
    with pytest.raises(ImportModelError, match="one batch axis"):
        cnn.import_onnx(model, inputs={"x": ("3*N", "N")})
    with pytest.raises(ImportModelError, match="at least 1, found '0\\*N'"):
        cnn.import_onnx(model, inputs={"x": ("0*N", 2)})


def test_numbers_that_depend_on_the_batch_size() -> None:
    """Arithmetic and comparisons hold for every N >= 1, or are undecided."""
    n = Affine(1)
    assert (4 * n // 2, (4 * n) // (2 * n), 3 * n - 2 * n, n - n) == (2 * n, 2, n, 0)
    assert ((2 * n + 1) // 2, (4 * n - 1) // 2, (4 * n + 3) % 2) == (n, 2 * n - 1, 1)
    assert n >= 1 and n > 0 and n != 0 and not n == -1 and 2 * n >= 2 and -n < 0 and n + 1 > 1
    assert (Affine(1, 0, DType.FLOAT32) * 0.5 / 0.5).to_int() == n and bool(n)
    for question in (
        lambda: n == 1, lambda: n > 1, lambda: n <= 5, lambda: 2 * n == 6, lambda: n - 1 == 0,
        lambda: bool(n - 2), lambda: n // 2, lambda: n % 2, lambda: n * n, lambda: n * 0.5,
        lambda: (Affine(1, 0, DType.FLOAT32) / 2.0).to_int(), lambda: 6 // n, lambda: int(n),
        lambda: (2 * n - 3) // 2,
    ):  # fmt: skip
        with pytest.raises(UndecidedError):
            question()
    assert 2 * n != 5 and str(3 * n - 2) == "3·N - 2" and (2 * n + 1).at(4) == 9
