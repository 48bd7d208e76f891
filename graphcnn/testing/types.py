"""Types that an operator promises, against those of what it gives; what it refuses."""

import re
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.node import Array, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.testing.samples import ErrorSample, Sample, node_of, require


def check_types(sample: Sample, dtype: Any) -> None:
    """With floats of `dtype`, results are of the inferred types, and no input is written to."""
    arrays = sample.arrays(dtype)
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    node, _ = node_of(sample, dtype)
    found = tuple(_type(y) for y in as_tuple(sample.op.evaluate(*arrays)))
    require(
        found == node.types,
        f"results are {_listed(found)}, by the inferred types {_listed(node.types)}",
    )
    for i, (a, copy) in enumerate(zip(arrays, copies, strict=True)):
        same = np.array_equal(a, copy, equal_nan=a.dtype.kind == "f")
        require(same, f"{sample.op.operand_name(i)} was written to")


def check_refused(sample: ErrorSample) -> None:
    """Inputs of these types are refused by a `GraphError` that matches."""
    types = ", ".join(map(str, sample.types))
    try:
        node = build(sample.op, [Input(f"x{i}", t)() for i, t in enumerate(sample.types)])
    except GraphError as error:
        found = re.search(sample.match, str(error)) is not None
        require(found, f"({types}) is refused by {str(error)!r}, expected {sample.match!r}")
        return
    raise AssertionError(
        f"({types}) must be refused, with {sample.match!r}; it gives {_listed(node.types)}"
    )


def _type(y: Array) -> TensorType:
    return TensorType(np.shape(y), DType.of(np.asarray(y).dtype))


def _listed(types: tuple[TensorType, ...]) -> str:
    return ", ".join(map(str, types))
