"""Whole numbers that ONNX Runtime multiplies exactly on this processor.

Where there are no VNNI instructions its kernels for uint8 times int8 add two products into 16 bits,
which saturate (pmaddubsw). With weights of 7 bits they cannot: 2 · 255 · 64 < 2¹⁵.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

runtime = pytest.importorskip("onnxruntime")


@cache
def saturates() -> bool:
    """Whether ONNX Runtime's 255 · 127 + 255 · 127 + … is not that here."""
    a, b = np.full((1, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    infos = [
        helper.make_tensor_value_info("a", TensorProto.UINT8, a.shape),
        helper.make_tensor_value_info("b", TensorProto.INT8, b.shape),
        helper.make_tensor_value_info("y", TensorProto.INT32, (1, 16)),
    ]
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    graph = helper.make_graph([node], "products", infos[:2], infos[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return bool((session.run(None, {"a": a, "b": b})[0] != 64 * 255 * 127).any())


def exact_here(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays; those of int8 that stand beside uint8 have 7 bits where 8 would saturate."""
    mixed = {np.dtype(np.uint8), np.dtype(np.int8)} <= {a.dtype for a in arrays.values()}
    if not mixed or not saturates():
        return dict(arrays)
    return {n: np.array(a // 2, np.int8) if a.dtype == np.int8 else a for n, a in arrays.items()}
