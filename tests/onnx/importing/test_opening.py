"""Files with a fixed batch: any number of items in pieces, or opened to N, as ONNX Runtime."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.command_line import done
from support.malformed_models import array, model, node

import graphcnn as cnn
from graphcnn.errors import DataError, ImportModelError
from graphcnn.ir.tensor_type import N
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.report import report

ort = pytest.importorskip("onnxruntime")

ITEMS = np.random.default_rng(0).normal(size=(5, 4, 8, 8)).astype(np.float32)


def ints(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def file(b, *nodes, stored=(), outputs=("y",)):
    return model(nodes, (b, 4, 8, 8), stored, outputs).SerializeToString()


def flattened(b):
    """As torch writes `x.view(b, -1)` before the classifier."""
    nodes = [node("GlobalAveragePool", "x", outputs=("p",)),
             node("Reshape", "p", "s", outputs=("f",)), node("MatMul", "f", "w")]  # fmt: skip
    return file(b, *nodes, stored=[ints("s", b, -1), array("w", 4, 3)])


def shuffled(b):
    """Channels of two groups, taken in turn, with every size written out."""
    nodes = [node("Reshape", "x", "s", outputs=("a",)),
             node("Transpose", "a", outputs=("t",), perm=[0, 2, 1, 3, 4]),
             node("Reshape", "t", "r")]  # fmt: skip
    return file(b, *nodes, stored=[ints("s", b, 2, 2, 8, 8), ints("r", b, 4, 8, 8)])


def nano(b):
    """The same with the batch merged into the groups, and cut apart by Split and Squeeze."""
    nodes = [node("Reshape", "x", "s", outputs=("a",)),
             node("Transpose", "a", outputs=("t",), perm=[1, 0, 2]),
             node("Reshape", "t", "r", outputs=("u",)),
             node("Split", "u", outputs=("v", "w"), axis=0),
             node("Squeeze", "v", "z", outputs=("left",)),
             node("Squeeze", "w", "z", outputs=("right",)),
             node("Concat", "left", "right", axis=1)]  # fmt: skip
    stored = [ints("s", 2 * b, 2, 64), ints("r", 2, -1, 2, 8, 8), ints("z", 0)]
    return file(b, *nodes, stored=stored)


def attention(b):
    """Self-attention of two heads over 64 places."""
    nodes = [node("Reshape", "x", "s", outputs=("a",)),
             node("Transpose", "a", outputs=("q",), perm=[0, 2, 1]),
             node("Transpose", "q", outputs=("k",), perm=[0, 2, 1]),
             node("MatMul", "q", "k", outputs=("qk",)),
             node("Softmax", "qk", outputs=("p",), axis=-1),
             node("MatMul", "p", "q", outputs=("o",)),
             node("Transpose", "o", outputs=("u",), perm=[0, 2, 1]),
             node("Reshape", "u", "r")]  # fmt: skip
    return file(b, *nodes, stored=[ints("s", 2 * b, 2, 64), ints("r", b, 4, 8, 8)])


def detector(b):
    """Two heads whose rows are joined, beside boxes that are the same for every image."""
    nodes = [node("Transpose", "x", outputs=("t",), perm=[0, 2, 3, 1]),
             node("Reshape", "t", "s", outputs=("one",)),
             node("MaxPool", "x", outputs=("m",), kernel_shape=[2, 2], strides=[2, 2]),
             node("Transpose", "m", outputs=("u",), perm=[0, 2, 3, 1]),
             node("Reshape", "u", "s", outputs=("two",)),
             node("Concat", "one", "two", axis=1, outputs=("rows",)),
             node("Mul", "rows", "priors"),
             node("Identity", "priors", outputs=("boxes",))]  # fmt: skip
    priors = numpy_helper.from_array(np.arange(320, dtype=np.float32).reshape(1, 80, 4), "priors")
    return file(b, *nodes, stored=[ints("s", b, -1, 4), priors], outputs=("y", "boxes"))


def last_channels(b):
    """As Keras applies a dense layer to (N, H, W, C)."""
    nodes = [node("Transpose", "x", outputs=("t",), perm=[0, 2, 3, 1]),
             node("Reshape", "t", "s", outputs=("f",)), node("MatMul", "f", "w", outputs=("d",)),
             node("Reshape", "d", "r")]  # fmt: skip
    return file(b, *nodes, stored=[ints("s", -1, 4), array("w", 4, 3), ints("r", b, 8, 8, 3)])


def with_token(b):
    """A row in front of those of every item, repeated b times by the file."""
    nodes = [node("Expand", "token", "e", outputs=("first",)),
             node("Reshape", "x", "s", outputs=("rows",)),
             node("Concat", "first", "rows", axis=1)]  # fmt: skip
    token = numpy_helper.from_array(np.arange(64, dtype=np.float32).reshape(1, 1, 64), "token")
    return file(b, *nodes, stored=[token, ints("e", b, 1, 64), ints("s", b, 4, 64)])


def padded(b):
    """Zeros of the size of the batch, beside the channels."""
    nodes = [node("ConstantOfShape", "e", outputs=("zeros",)),
             node("Concat", "x", "zeros", axis=1)]  # fmt: skip
    return file(b, *nodes, stored=[ints("e", b, 1, 8, 8)])


def written(b):
    """`y[:, 1:3] = 2 * y[:, 1:3]`, as torch writes it: at indices of all places."""
    places = np.stack(np.meshgrid(range(b), (1, 2), range(8), range(8), indexing="ij"), -1)
    nodes = [node("Slice", "x", "a", "z", "c", outputs=("part",)),
             node("Add", "part", "part", outputs=("twice",)),
             node("ScatterND", "x", "places", "twice")]  # fmt: skip
    stored = [ints("a", 1), ints("z", 3), ints("c", 1),
              numpy_helper.from_array(places.astype(np.int64), "places")]  # fmt: skip
    return file(b, *nodes, stored=stored)


FILES = [flattened, shuffled, nano, attention, detector, last_channels, with_token, padded, written]


def theirs(content, b):
    """The outputs of ONNX Runtime, of pieces of b items."""
    session = ort.InferenceSession(content)
    full = np.concatenate([ITEMS, ITEMS[-1:]])
    pieces = [session.run(None, {"x": full[i : i + b]}) for i in range(0, 5, b)]
    names = [o.name for o in session.get_outputs()]
    joined = {k: np.concatenate([p[i] for p in pieces])[:5] for i, k in enumerate(names)}
    return joined | {k: pieces[0][i] for i, k in enumerate(names) if k == "boxes"}


def by_name(found, made):
    return found if isinstance(found, dict) else {next(iter(made.graph.outputs)): found}


@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("make", FILES)
def test_any_number_of_items(make, b):
    wanted = theirs(make(b), b)
    fixed, opened = import_onnx(make(b)), import_onnx(make(b), inputs={"x": ("N", 4, 8, 8)})
    assert opened.graph.inputs[0].shape == (N, 4, 8, 8)
    for made in (fixed, opened):
        found = by_name(made.predict(ITEMS), made)
        assert found.keys() == wanted.keys()
        for key, array_ in wanted.items():
            np.testing.assert_allclose(found[key], array_, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [(None, 4, 8, 8), (N, 4, 8, 8), ("N", 4, 6, 10)])
def test_how_the_batch_is_opened(sizes):
    made = import_onnx(flattened(2), inputs={"x": sizes})
    assert made.graph.outputs["y"].shape == (N, 3)
    assert made.predict(np.ones((3, *sizes[1:]), np.float32)).shape == (3, 3)


@pytest.mark.parametrize("b", [1, 2])
def test_another_number(b):
    for make in (flattened, nano):
        made = import_onnx(make(b), inputs={"x": (5, 4, 8, 8)})
        (wanted,) = theirs(make(b), b).values()
        assert made.graph.inputs[0].shape == (5, 4, 8, 8)
        np.testing.assert_allclose(made.predict(ITEMS), wanted, rtol=1e-5, atol=1e-5)
    content = file(b, node("Reshape", "x", "s"), stored=[ints("s", b, 256), array("w", 4, 3)])
    with pytest.raises(ImportModelError, match=rf"Reshape.* to \({b}, 256\)"):
        import_onnx(content, inputs={"x": (b, 4, 8, 9)})


def test_an_axis_of_one_item_is_that_of_n():
    """`x.view(1, -1)` at the end of a file for one image: not all images in one row."""
    made = import_onnx(file(1, node("Reshape", "x", "s"), stored=[ints("s", 1, -1)]),
                       inputs={"x": ("N", 4, 8, 8)})  # fmt: skip
    np.testing.assert_array_equal(made.predict(ITEMS), ITEMS.reshape(5, -1))


def test_the_axis_of_n_is_no_axis_of_size_1():
    """A squeeze of all axes of size 1 leaves N where it is."""
    nodes = [node("GlobalAveragePool", "x", outputs=("p",)), node("Squeeze", "p", outputs=("s",)),
             node("Identity", "s")]  # fmt: skip
    made = import_onnx(file(1, *nodes), inputs={"x": ("N", 4, 8, 8)})
    wanted = ITEMS.mean((2, 3))
    np.testing.assert_allclose(made.predict(ITEMS), wanted, rtol=1e-5, atol=1e-6)
    twice = file(1, *nodes[:2], node("Concat", "s", "s", axis=0))
    found = import_onnx(twice, inputs={"x": ("N", 4, 8, 8)}).predict(ITEMS)
    np.testing.assert_allclose(found, np.concatenate([wanted] * 2), rtol=1e-5, atol=1e-6)


def test_a_file_that_computes_its_shapes_is_read_with_n():
    nodes = [node("Shape", "x", outputs=("s",)), node("Gather", "s", "zero", outputs=("n",)),
             node("Concat", "n", "rest", axis=0, outputs=("t",)),
             node("Reshape", "x", "t")]  # fmt: skip
    content = file(2, *nodes, stored=[ints("zero", 0), ints("rest", -1)])
    graph = import_onnx(content, inputs={"x": (None, 4, 8, 8)}).graph
    assert [n.op.name for n in graph.nodes] == ["input", "reshape"]


def test_items_that_meet_are_refused():
    for b, way in ((1, "predict runs any number of items, 1 at a time"), (2, "feed exactly 2")):
        nodes = [node("ReduceMax", "x", outputs=("m",), axes=[0, 1], name="largest"),
                 node("Sub", "x", "m")]  # fmt: skip
        content = file(b, *nodes)
        with pytest.raises(
            ImportModelError,
            match=rf"'x' is \({b}, 4.*axis 0 cannot become N: max \"largest\" .*{way}$",
        ):
            import_onnx(content, inputs={"x": ("N", 4, 8, 8)})
    with pytest.raises(DataError, match='5 items cannot run in pieces of that: max "largest"'):
        import_onnx(content).predict(ITEMS)


def test_the_node_of_the_file_is_named():
    """Also where it became several, of which the last has its name."""
    nodes = [node("Gather", "x", "first", name="pick", axis=0, outputs=("g",)), node("Relu", "g")]
    with pytest.raises(ImportModelError, match='axis 0 cannot become N: slice in "pick" does not'):
        import_onnx(
            file(2, *nodes, stored=[numpy_helper.from_array(np.array(0), "first")]),
            {"x": (None, 4, 8, 8)},
        )


def test_numbers_for_each_of_two_items_are_refused():
    own = np.arange(512, dtype=np.float32).reshape(2, 4, 8, 8)
    files = [
        file(2, node("Add", "x", "own"), stored=[numpy_helper.from_array(numbers, "own")])
        for numbers in (own, np.stack([own[1]] * 2))
    ]
    with pytest.raises(ImportModelError, match="combines each place along axis 0 with another"):
        import_onnx(files[0], {"x": (None, 4, 8, 8)})
    for made in (import_onnx(files[1]), import_onnx(files[1], {"x": (None, 4, 8, 8)})):
        np.testing.assert_array_equal(made.predict(ITEMS), ITEMS + own[1])


def two_inputs(x, z):
    nodes = [node("Reshape", "x", "s", outputs=("f",)), node("Add", "f", "z")]
    made = model(nodes, x, [ints("s", 2, -1)])
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, z))
    return made.SerializeToString()


def test_several_inputs():
    open_z = import_onnx(two_inputs((2, 4, 8, 8), ("n", 256)), {"x": ("N", 4, 8, 8)})
    assert [v.shape[0] for v in open_z.graph.inputs] == [N, N]
    whole = import_onnx(two_inputs((2, 4, 8, 8), (1, 256)), {"x": ("N", 4, 8, 8)})
    assert [v.shape[0] for v in whole.graph.inputs] == [N, 1]
    z = np.arange(256, dtype=np.float32)[None]
    wanted = ITEMS.reshape(5, -1) + z
    np.testing.assert_array_equal(whole.predict({"x": ITEMS, "z": z}), wanted)
    fixed = import_onnx(two_inputs((2, 4, 8, 8), (1, 256)))
    np.testing.assert_array_equal(fixed.predict({"x": ITEMS, "z": z}), wanted)
    with pytest.raises(ImportModelError, match="one batch size, found 2 of 'x', 3 of 'z'"):
        import_onnx(two_inputs((2, 4, 8, 8), (3, 256)), {"x": ("N", 4, 8, 8), "z": ("N", 256)})


def test_the_report_and_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("fixed.onnx").write_bytes(flattened(2))
    told = report("fixed.onnx", {"x": ("N", 4, 8, 8)})
    assert told.inputs == {"x": "f32 (N, 4, 8, 8)"} and told.outputs == {"y": "f32[N,3]"}
    assert " per item" in str(told) and " per batch" in str(report("fixed.onnx"))
    done("import", "fixed.onnx", "--input", "x=N,4,8,8", "-o", "open.safetensors")
    done("check", "fixed.onnx", "--shape", "x=Nx4x8x8")
    for i, items in enumerate(np.split(ITEMS, [2, 3])):
        np.save(f"{i}.npy", items)
    lines = {}
    for name in ("fixed.onnx", "open.safetensors"):
        lines[name] = done("predict", name, "0.npy", "1.npy", "2.npy", "-o", "y.npy").splitlines()
        assert np.load("y.npy").shape == (5, 3)
    assert len(lines["fixed.onnx"]) == 5 and lines["fixed.onnx"] == lines["open.safetensors"]
    assert cnn.load("open.safetensors").graph.outputs["y"].shape == (N, 3)
    np.savez("data.npz", images=ITEMS, labels=np.arange(5) % 3)
    said = [done("evaluate", m, "--data", "npz:data.npz", "--part", "all") for m in lines]
    assert said[0] == said[1]
