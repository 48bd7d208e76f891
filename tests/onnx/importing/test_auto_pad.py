"""`auto_pad` with dilation, against windows without padding on images that were padded by NumPy.

By the specification SAME makes ceil(size / stride) windows, and the padding is the least that gives
room for them; where it is odd, SAME_UPPER puts more at the end and SAME_LOWER at the beginning.
"""

import numpy as np
import pytest
from onnx import numpy_helper
from support.malformed_models import model, node

from graphcnn.exchange.backend import GraphCnnRep

RUNTIME = pytest.importorskip("onnxruntime")
#: Size, kernel, stride and dilation of each axis.
WINDOWS = [
    [(7, 3, 1, 2), (8, 3, 1, 2)],
    [(9, 2, 1, 3), (6, 3, 2, 2)],
    [(10, 4, 2, 2), (11, 3, 3, 3)],
    [(5, 1, 2, 2), (12, 2, 3, 4)],
    [(9, 3, 2, 2)],
    [(5, 2, 1, 2), (6, 3, 2, 2), (7, 2, 2, 3)],
]


def least_padding(size, kernel, stride, dilation):
    """Tried one by one, not by the formula."""
    total = 0
    while (size + total - dilation * (kernel - 1) - 1) // stride + 1 < -(-size // stride):
        total += 1
    return total


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("windows", WINDOWS, ids=str)
@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_padding_by_name_is_that_of_the_specification(op, windows, mode):
    sizes, kernel, strides, dilations = (list(axis) for axis in zip(*windows, strict=True))
    totals = [least_padding(*w) if mode != "VALID" else 0 for w in windows]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    before, after = (large, small) if mode == "SAME_LOWER" else (small, large)
    weight = np.random.default_rng(0).normal(size=(3, 2, *kernel)).astype(np.float32)
    stored = [numpy_helper.from_array(weight, "w")] * (op == "Conv")
    x = np.random.default_rng(1).normal(size=(2, 2, *sizes)).astype(np.float32)

    def made(shape, **padding):
        window = dict(kernel_shape=kernel, strides=strides, dilations=dilations, **padding)
        inputs = ("x", "w") if op == "Conv" else ("x",)
        return model([node(op, *inputs, **window)], shape, stored, opset=19)

    def valid(image, value):
        """ONNX Runtime on an image with the padding around it."""
        around = [(0, 0), (0, 0), *zip(before, after, strict=True)]
        padded = np.pad(image, around, constant_values=value)
        content = made(padded.shape).SerializeToString()
        session = RUNTIME.InferenceSession(content, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": padded})[0]

    expected = valid(x, -np.inf if op == "MaxPool" else 0)
    if op == "AveragePool":  # of what is not padding
        expected = expected / valid(np.ones_like(x), 0)
    if mode != "VALID":
        assert expected.shape[2:] == tuple(-(-s // t) for s, t in zip(sizes, strides, strict=True))
    for padding in (dict(auto_pad=mode), dict(pads=[*before, *after])):
        (found,) = GraphCnnRep(made(x.shape, **padding)).run({"x": x})
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=str(padding))
