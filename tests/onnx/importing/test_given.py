"""Numbers that are given for inputs: what decides shapes while importing, and what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser
from support.command_line import done, refused
from support.malformed_models import array, integers, node

import graphcnn as cnn
from graphcnn.errors import ImportModelError
from graphcnn.exchange.check import check_onnx
from graphcnn.ir.tensor_type import N
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report
from graphcnn.runtime.reference import Reference

INT64, FLOAT, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL
X = ("x", FLOAT, (None, 3, 8, 8))


def made(op, inputs=(X,), stored=(), opset=17, kind=FLOAT, ir=8):
    """A model of one node, or of several, from inputs (name, type, shape)."""
    graph = helper.make_graph(
        [op] if isinstance(op, onnx.NodeProto) else op,
        "g",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info("y", kind, None)],
        list(stored),
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, ir_version=ir, opset_imports=opsets)


def resized(shape=(1, 3, 8, 8), sizes=(4,)):
    up = node("Resize", "x", "", "", "sizes", name="up")
    return made(up, [("x", FLOAT, shape), ("sizes", INT64, sizes)]).SerializeToString()


#: A node, the inputs that decide its result, what is given for them, and the opset.
CASES = {
    "reshape": (node("Reshape", "x", "s"), [("s", INT64, [2])], {"s": np.array([-1, 192])}, 17),
    "pad": (node("Pad", "x", "s"), [("s", INT64, [8])], {"s": np.array([0, 0, 1, 2, 0, 0, 0, 1])},
            17),
    "slice": (node("Slice", "x", "a", "b", "s"),
              [(k, INT64, [1]) for k in "abs"],
              {"a": np.array([1]), "b": np.array([7]), "s": np.array([2])}, 17),
    "topk": (node("TopK", "x", "s", outputs=("y", "i")), [("s", INT64, [1])], {"s": 3}, 17),
    "unsqueeze": (node("Unsqueeze", "x", "s"), [("s", INT64, [1])], {"s": np.int32(1)}, 17),
    "reduce": (node("ReduceSum", "x", "s"), [("s", INT64, [2])], {"s": np.array([2, 3])}, 17),
    "tile": (node("Tile", "x", "s"), [("s", INT64, [4])], {"s": np.array([1, 1, 2, 2])}, 17),
    "split": (node("Split", "x", "s", outputs=("y", "z"), axis=1), [("s", INT64, [2])],
              {"s": np.array([1, 2])}, 17),
    "upsample": (node("Upsample", "x", "s"), [("s", FLOAT, [4])], {"s": np.array([1, 1, 2, 2])},
                 9),
    "scales": (node("Resize", "x", "r", "s", mode="linear"),
               [("r", FLOAT, [0]), ("s", FLOAT, [4])],
               {"r": np.zeros(0), "s": np.array([1, 1, 1.5, 2])}, 13),
    "dropout": (node("Dropout", "x", "r", "t"), [("r", FLOAT, []), ("t", BOOL, [])],
                {"r": 0.5, "t": False}, 17),
    "cumsum": (node("CumSum", "x", "s"), [("s", INT64, [])], {"s": np.array([1])}, 17),
    "clip": (node("Clip", "x", "a", "b"), [("a", FLOAT, []), ("b", FLOAT, [])],
             {"a": -0.5, "b": np.float64(0.25)}, 17),
}  # fmt: skip


def results(found, x):
    return Reference(found.graph.bind(N=len(x))).run({"x": x}, found.states)[0]["y"]


@pytest.mark.parametrize("name", CASES)
def test_given_numbers_are_those_of_an_initializer(name):
    op, more, given, opset = CASES[name]
    content = made(op, [X, *more], opset=opset).SerializeToString()
    if name != "clip":  # whose bounds are numbers like others
        first = more[-1] if name == "scales" else more[0]
        kind = "f32" if first[1] == FLOAT else "i64"
        with pytest.raises(ImportModelError) as caught:
            import_graph(content, {"r": np.zeros(0)} if name == "scales" else None)
        assert f"but depends on the input '{first[0]}' {kind}" in str(caught.value)
        assert f"or --set {first[0]}=n" in str(caught.value)
        assert f"inputs={{'{first[0]}': n" in str(caught.value)
    types = {INT64: np.int64, FLOAT: np.float32, BOOL: np.bool_}
    stored = [
        numpy_helper.from_array(np.array(given[k]).astype(types[t]).reshape(shape), k)
        for k, t, shape in more
    ]
    constant = import_graph(made(op, stored=stored, opset=opset).SerializeToString())
    found = import_graph(content, given)
    assert [v.node.name for v in found.graph.inputs] == ["x"]
    assert found.graph.outputs["y"].type == constant.graph.outputs["y"].type
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(results(found, x), results(constant, x))


@pytest.mark.parametrize(
    ("op", "more", "given", "expected"),
    [
        (node("Range", "a", "b", "c"), "abc", {"a": 2, "b": 8, "c": 3}, [2, 5]),
        (node("ConstantOfShape", "a"), "a", {"a": np.array([2])}, [0, 0]),
    ],
)
def test_tensors_out_of_given_numbers(op, more, given, expected):
    shape = [1] if op.op_type == "ConstantOfShape" else []
    kind = FLOAT if shape else INT64
    content = made(op, [(k, INT64, shape) for k in more], kind=kind).SerializeToString()
    assert import_onnx(content, given).predict().tolist() == expected


def test_the_message_is_what_to_write():
    with pytest.raises(ImportModelError) as caught:
        import_onnx(resized())
    assert str(caught.value) == (
        'node "up" (Resize): sizes must be known while importing, but depends on the input '
        "'sizes' i64[4]: give its numbers by inputs={'sizes': np.array([n1, n2, n3, n4])}, or "
        "--set sizes=n1,n2,n3,n4 on the command line"
    )


def test_names_are_written_as_a_shell_takes_them():
    name = "my sizes; rm $HOME"
    up = node("Resize", "x", "", "", name)
    content = made(up, [("x", FLOAT, (1, 3, 8, 8)), (name, INT64, (4,))]).SerializeToString()
    with pytest.raises(ImportModelError, match=r"or --set 'my sizes; rm \$HOME'=n1,n2,n3,n4 on"):
        import_graph(content)


def test_a_condition_is_given_as_true():
    def branch(op):
        out = helper.make_tensor_value_info(op, FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [out])

    choice = node("If", "c", then_branch=branch("Relu"), else_branch=branch("Flatten"))
    content = made(choice, [X, ("c", BOOL, [])]).SerializeToString()
    with pytest.raises(ImportModelError, match=r"inputs=\{'c': True\}, or --set c=true on the"):
        import_graph(content)
    for c, shape in ((True, (N, 3, 8, 8)), (False, (N, 192))):
        assert import_graph(content, {"c": c}).graph.outputs["y"].shape == shape


def test_a_picture_is_resized_to_given_sizes(tmp_path):
    x = np.arange(192, dtype=np.float32).reshape(1, 3, 8, 8)
    m = import_onnx(resized(), {"sizes": np.array([1, 3, 16, 8])})
    np.testing.assert_array_equal(m.predict(x), x.repeat(2, 2))
    again = tmp_path / "again.onnx"
    m.export_onnx(again)
    assert [v.name for v in onnx.load(again).graph.input] == ["x"]
    np.testing.assert_array_equal(import_onnx(again).predict(x), x.repeat(2, 2))


@pytest.mark.parametrize(
    "sizes", [np.array(["N", 3, 16, 8]), np.array([N, 3, 16, 8]), np.array([cnn.N, 3, "16", 8])]
)
def test_n_stands_for_the_batch_in_given_numbers(sizes):
    m = import_onnx(resized((None, 3, 8, 8)), {"sizes": sizes})
    x = np.random.default_rng(0).random((5, 3, 8, 8), np.float32)
    np.testing.assert_array_equal(m.predict(x), x.repeat(2, 2))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sizes": (1, 3, 16, 16)}, r"has 1 axis, found the shape \(1, 3, 16, 16\); numbers are "
         r"given as an array: inputs=\{'sizes': np.array\(\[1, 3, 16, 16\]\)\}"),
        ({"x": np.array([1, 3, 8, 8])}, r"'x' must have the shape \(1, 3, 8, 8\), found \(4,\); a "
         r"shape is a tuple: inputs=\{'x': \(1, 3, 8, 8\)\}"),
        ({"sizes": np.array([1, 3, 16])}, r"must have the shape \(4,\), found \(3,\)"),
        ({"sizes": np.array([1, 3, 16.5, 9])}, "numbers of the type i64, found 1.0, 3.0, 16.5"),
        ({"sizes": np.array([1, 3, 2**63, 9], np.uint64)}, "numbers of the type i64"),
        ({"sizes": "big"}, "must be numbers, found 'big'"),
        ({"sizes": None}, "must be numbers, found 'None'"),
        ({"sizes": 1j}, "must be i64, found complex128"),
        ({"x": np.array("N")}, "'x' is f32, in which N cannot stand"),
        ({"size": 4}, "no input 'size'; it has x, sizes"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(given, words):
    with pytest.raises(ImportModelError, match=words):
        import_onnx(resized(), given)


def test_a_number_for_the_batch_is_refused():
    with pytest.raises(ImportModelError) as caught:
        import_onnx(resized((None, 3, 8, 8)), {"sizes": np.array([1, 3, 16, 16])})
    assert str(caught.value) == (
        'node "up" (Resize): sizes (1, 3, 16, 16) of f32[N,3,8,8]: axis 0 is the batch, which '
        "cannot be resampled: its size is N; it is 1 with inputs={'x': (1, 3, 8, 8)} "
        "(--shape x=1,3,8,8)"
    )
    with pytest.raises(ImportModelError, match=r"its size is N$"):
        import_onnx(resized((None, 3, 8, 8)), {"sizes": np.array([0, 3, 16, 16])})


def test_an_input_with_a_default_has_it_unless_another_is_given():
    up = node("Resize", "x", "", "", "sizes")
    inputs = [("x", FLOAT, (1, 3, 8, 8)), ("sizes", INT64, (4,))]
    for ir, declared in ((3, inputs), (8, inputs), (8, inputs[:1])):
        content = made(up, declared, [integers("sizes", 1, 3, 16, 16)], ir=ir).SerializeToString()
        assert import_graph(content).graph.outputs["y"].shape == (1, 3, 16, 16)
        other = {"sizes": np.array([1, 3, 4, 4])}
        assert import_graph(content, other).graph.outputs["y"].shape == (1, 3, 4, 4)
        with pytest.raises(ImportModelError, match="must be numbers, not N"):
            import_graph(content, {"sizes": np.array(["N", 3, 4, 4])})


def test_a_weight_that_is_replaced_stays_a_parameter():
    made_ = made(node("Mul", "x", "w"), [("x", FLOAT, (None, 2))], [array("w", 2)])
    content = made_.SerializeToString()
    m = import_onnx(content, {"w": np.array([2, 3])})
    assert m.parameters["w"].tolist() == [2, 3] and m.parameters["w"].dtype == np.float32
    assert import_onnx(content).parameters["w"].tolist() == [1, 1]
    with pytest.raises(ImportModelError, match=r"'w' must have the shape \(2,\), found \(3,\)"):
        import_onnx(content, {"w": np.ones(3)})


def test_sizes_of_other_inputs_need_nothing():
    """The half of another picture's size: Shape, Slice, Mul, Concat, Resize."""
    text = """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 3, 8, 8] x, float[N, 2, 20, 12] z) => (float[N, 3, a, b] y) {
            head = Shape <end = 2> (x)
            tail = Shape <start = 2> (z)
            two = Constant <value = int64[1] {2}> ()
            half = Div (tail, two)
            sizes = Concat <axis = 0> (head, half)
            y = Resize <mode = "linear"> (x, , , sizes)
        }
        """
    found = import_graph(parser.parse_model(text).SerializeToString())
    assert found.graph.outputs["y"].shape == (N, 3, 10, 6)


def test_sizes_that_the_data_decide_are_refused():
    nodes = [
        node("Relu", "x", outputs=("r",)),
        node("ReduceMax", "r", outputs=("m",), keepdims=0),
        node("Cast", "m", outputs=("k",), to=INT64),
        node("Unsqueeze", "k", "zero", outputs=("u",)),
        node("Concat", "one", "u", outputs=("s",), axis=0),
        node("Reshape", "r", "s", name="r1"),
    ]
    stored = [integers("zero", 0), integers("one", 1)]
    content = made(nodes, [("x", FLOAT, (1, 8))], stored).SerializeToString()
    with pytest.raises(ImportModelError) as caught:
        import_graph(content)
    assert str(caught.value) == (
        'node "r1" (Reshape): shape must be known while importing, but depends on the numbers of '
        "the input 'x' f32[1,8]: shapes that the data decide are not supported; what stands before "
        "can be read by outputs=['r', 's'], or graphcnn import --until r --until s"
    )


def test_the_report_tells_what_is_given_and_what_is_needed():
    lacking = report(resized())
    assert not lacking.runs
    assert lacking.needs == "the numbers of inputs that decide shapes: --set sizes=..."
    found = report(resized(), {"sizes": np.array([1, 3, 4, 4])})
    assert found.runs and found.given == {"sizes": "1, 3, 4, 4"} and list(found.inputs) == ["x"]
    assert "given          sizes  1, 3, 4, 4" in str(found)


def test_a_check_with_given_numbers():
    pytest.importorskip("onnxruntime")
    assert check_onnx(resized(), shapes={"sizes": np.array([1, 3, 12, 20])}).passed
    open_ = {"x": (2, 3, 8, 8), "sizes": np.array([2, 3, 4, 4])}
    assert check_onnx(resized((None, 3, 8, 8)), shapes=open_).passed
    symbolic = {"sizes": np.array(["N", 3, 4, 4])}
    assert check_onnx(resized((None, 3, 8, 8)), shapes=symbolic).passed
    up = node("Resize", "x", "", "", "sizes")
    stored = [integers("sizes", 1, 3, 16, 16)]
    default = made(up, [("x", FLOAT, (1, 3, 8, 8))], stored).SerializeToString()
    found = check_onnx(default, shapes={"sizes": np.array([1, 3, 4, 4])})
    assert found.passed


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("up.onnx")
    path.write_bytes(resized((None, 3, "h", "w")))
    return path


def test_the_commands_take_shapes_and_numbers(file):
    pytest.importorskip("onnxruntime")
    options = ("--shape", "x=N,3,8,8", "--set", "sizes=N,3,16,8")
    assert "given          sizes  N, 3, 16, 8" in done(
        "import", file, *options, "-o", "up.safetensors"
    )
    assert cnn.load("up.safetensors").graph.outputs["y"].shape == (N, 3, 16, 8)
    assert "within" in done("check", file, *options)
    assert "(N, 3, 16, 8)" in done("summary", file, *options)
    done("draw", file, *options, "-o", "up.svg")
    np.save("x.npy", np.ones((2, 3, 8, 8), np.float32))
    np.save("sizes.npy", np.array([1, 3, 4, 4]))
    assert "[2, 3, 16, 8]" in done("predict", file, "x.npy", *options, "-o", "y.npy")
    fixed = ("--shape", "x=1,3,8,8", "--set", "sizes=sizes.npy")
    assert "written: small.onnx" in done("export", file, *fixed, "-o", "small.onnx")
    assert "--set sizes=n1,n2,n3,n4" in refused(1, "summary", file, *options[:2])
    assert "--set sizes=..." in refused(1, "import", file, *options[:2])


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (2, ("import", "up.onnx", "--set", "sizes"), "must be spelled NAME=NUMBERS"),
        (2, ("import", "up.onnx", "--set", "sizes=1,a"), "must be numbers, N for the batch size"),
        (2, ("check", "up.onnx", "--set", "sizes="), "must be numbers"),
        (1, ("check", "up.onnx", "--set", "sizes=none.npy"), "cannot read none.npy"),
        (1, ("summary", "up.onnx", "--set", "size=3"), "no input 'size'; it has x, sizes"),
        (2, ("summary", "lenet5", "--shape", "x=1,3"), "is no ONNX file"),
        (2, ("summary", "lenet5", "--set", "a/b=3"), "has no setting 'a/b'"),
    ],
)
def test_wrong_options(file, code, arguments, words):
    assert words in refused(code, *arguments)


def test_the_shape_that_would_help_is_written_out():
    places = [X, ("i", INT64, (2,))]
    read = made(node("Gather", "x", "i", name="g1", axis=0), places)
    with pytest.raises(ImportModelError) as caught:
        import_graph(read.SerializeToString())
    assert str(caught.value).endswith(
        "its size must be known: give it by inputs={'x': (1, 3, 8, 8)} (--shape x=1,3,8,8)"
    )
    assert import_graph(read.SerializeToString(), {"x": (1, 3, 8, 8)}).graph.is_bound
    several = made(node("Reshape", "x", "s", name="r1"), stored=[integers("s", 2, 96, 2, 1)])
    with pytest.raises(ImportModelError, match=r"inputs=\{'x': \(2, 3, 8, 8\)\} \(--shape x=2,3"):
        import_graph(several.SerializeToString())


def test_what_a_rule_says_counts_where_the_function_of_onnx_fails_too():
    """A slope that does not fit: not that a Mul inside of the definition of PRelu fails."""
    wrong = made(node("PRelu", "x", "s", name="p1"), stored=[array("s", 5)])
    with pytest.raises(ImportModelError) as caught:
        import_graph(wrong.SerializeToString())
    message = str(caught.value)
    assert (
        message.startswith('node "p1" (PRelu): prelu: x (N, 3, 8, 8)')
        and message.count("node") == 1
    )
