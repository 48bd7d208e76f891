"""The numbers and sizes of a lesson: those of the operators themselves, by their definition."""

import re
from typing import Any

import numpy as np

from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import DType, TensorType


def types_of(*arrays: Array | None) -> tuple[TensorType, ...]:
    """The types of arrays; those that are None are left out."""
    given = [array for array in arrays if array is not None]
    return tuple([TensorType(tuple(a.shape), DType.of(a.dtype)) for a in given])


def result(op: Op, *arrays: Array | None) -> Array:
    """The first result of an operator, checked against the type that the operator infers.

    Raises:
        GraphError: shapes that the operator refuses.
    """
    given = [array for array in arrays if array is not None]
    inferred: Any = op.infer(*types_of(*given))
    made: Any = op.evaluate(*given)
    kind = inferred[0] if isinstance(inferred, tuple) else inferred
    found: Array = np.asarray(made[0] if isinstance(made, tuple) else made)
    assert found.shape == kind.shape, f"{op.name} infers {kind} and makes {found.shape}"
    return found


def definition(op: Op) -> str:
    """The first sentence of an operator's docstring, its formula, on one line."""
    text = " ".join((type(op).__doc__ or op.name).split("\n\n")[0].split())
    return re.sub(r" - ", " − ", text)
