"""What graphs mean: every node's `op.evaluate`, in order.

It shares nothing with `graphcnn.ir.evaluate`, which the reference runtime is made of and which is
compared with it: it keeps every array, frees none, and insists on the type that each node promised.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Value
from graphcnn.testing.samples import require


def arrays_of(
    values: Iterable[Value], known: Mapping[Value, Any], n: int = 1
) -> dict[Value, Array]:
    """The arrays of `values` and of all they depend on, at batch size `n`, given some of them."""
    arrays = {v: np.asarray(a, v.dtype.numpy) for v, a in known.items()}
    for node in topological_order(v.node for v in values):
        if node.output in arrays:
            continue
        found = node.op.bind(n).evaluate(*(arrays[v] for v in node.inputs))
        results = found if isinstance(found, tuple) else (found,)
        for value, result in zip(node.outputs, results, strict=True):
            array = np.asarray(result)
            expected = value.type.bind(n)
            require(
                array.shape == expected.shape and array.dtype == expected.dtype.numpy,
                f"{node!r} gives {array.dtype}{list(array.shape)}, expected {expected}",
            )
            arrays[value] = array
    return arrays


def run(values: Iterable[Value], known: Mapping[Value, Any], n: int = 1) -> list[Array]:
    """The arrays of `values`, in their order."""
    values = [*values]
    arrays = arrays_of(values, known, n)
    return [arrays[v] for v in values]
