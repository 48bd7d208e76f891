"""What a file declares of sizes: open ones as -1 or 0, and sizes of results that are not so."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from support.command_line import run
from support.malformed_models import array, model, node, relu

from graphcnn.errors import ImportModelError, ImportModelWarning
from graphcnn.exchange.check import check_onnx
from graphcnn.model import import_onnx

ITEMS = np.arange(5 * 2 * 7 * 9, dtype=np.float32).reshape(5, 2, 7, 9) / 100


def convolved(x, y, dtype=TensorProto.FLOAT, result=None):
    """A convolution (N, 2, 7, 9) -> (N, 4, 5, 7), then a ReLU, with declared sizes."""
    nodes = [node("Conv", "x", "w", outputs=("a",)), relu("a")]
    made = model(nodes, x, [array("w", 4, 2, 3, 3)])
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", dtype, y))
    if result is not None:
        made.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, result))
    return made.SerializeToString()


@pytest.mark.parametrize("unknown", [-1, 0, -7])
def test_a_size_below_one_is_unknown(unknown, recwarn):
    made = import_onnx(convolved((unknown, 2, 7, 9), (unknown, 4, 5, 7), result=[unknown, 4, 5, 7]))
    assert str(made.graph.inputs[0].type) == "f32[N,2,7,9]"
    assert made.predict(ITEMS).shape == (5, 4, 5, 7) and not recwarn.list


@pytest.mark.parametrize("unknown", [-1, 0])
def test_an_unknown_size_behind_the_batch_is_given(unknown):
    source = convolved((unknown, 2, unknown, 9), (unknown, 4, unknown, 7))
    with pytest.raises(ImportModelError, match=r"axis 2 open.*\(\?, 2, \?, 9\).*'N', 2, 224"):
        import_onnx(source)
    for batch in (None, 5):
        made = import_onnx(source, inputs={"x": (batch, 2, 7, 9)})
        assert made.predict(ITEMS).shape == (5, 4, 5, 7)


@pytest.mark.parametrize(
    ("output", "result", "words"),
    [
        (["N", 4, 5, 8], None, r"output 'y' is declared \(N, 4, 5, 8\), found \(N, 4, 5, 7\)"),
        (["N", 4], None, r"output 'y' is declared \(N, 4\), found \(N, 4, 5, 7\)"),
        ([], None, r"output 'y' is declared \(\), found"),
        (None, ["N", 9, 9], r"result 'a' is declared \(N, 9, 9\), found \(N, 4, 5, 7\)"),
        ([-1, 1], [1], r"output 'y' is declared \(\?, 1\).*; result 'a' is declared \(1\)"),
    ],
)
def test_wrong_declared_sizes_are_told_and_ignored(output, result, words):
    right = import_onnx(convolved((None, 2, 7, 9), None)).predict(ITEMS)
    with pytest.warns(ImportModelWarning, match=words) as told:
        made = import_onnx(convolved((None, 2, 7, 9), output, result=result))
    assert len(told) == 1 and told[0].filename == __file__
    np.testing.assert_array_equal(made.predict(ITEMS), right)


def test_many_wrong_results_are_counted():
    nodes = [relu("xabcd"[i], "abcdy"[i]) for i in range(5)]
    made = model(nodes, (None, 4))
    for name in "abcd":
        made.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]))
    with pytest.warns(ImportModelWarning, match=r"result 'a' .* 'c' is .*, and 1 more$"):
        import_onnx(made.SerializeToString())


def test_a_batch_that_is_declared_and_open_is_no_contradiction(recwarn):
    import_onnx(convolved((None, 2, 7, 9), [3, 4, 5, 7]))
    import_onnx(convolved((3, 2, 7, 9), [3, 4, 5, 7]), inputs={"x": (None, 2, 7, 8)})
    assert not recwarn.list


def test_a_wrong_element_type_is_an_error_as_in_onnx_runtime():
    ort = pytest.importorskip("onnxruntime")
    source = convolved((None, 2, 7, 9), ["N", 4, 5, 7], TensorProto.INT64)
    with pytest.raises(ImportModelError, match="declared as INT64, found f32"):
        import_onnx(source)
    with pytest.raises(Exception, match="Type Error"):
        ort.InferenceSession(source)


def test_the_check_tells_once_and_passes():
    pytest.importorskip("onnxruntime")
    with pytest.warns(ImportModelWarning, match="output 'y'") as told:
        assert check_onnx(convolved((None, 2, 7, 9), ["N", 4])).passed
    assert len(told) == 1


def test_the_command_tells_once(tmp_path):
    path = tmp_path / "wrong.onnx"
    path.write_bytes(convolved((None, 2, 7, 9), ["N", 4]))
    found = run("import", path, "-o", tmp_path / "m.safetensors")
    assert found.exit_code == 0 and found.output.count("declared (N, 4)") == 1
