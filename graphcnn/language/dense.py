"""Dense layers and matrix products."""

from typing import Any

from graphcnn.ir.node import Value
from graphcnn.language.activations import activate
from graphcnn.language.arguments import Activation, positive, scoped
from graphcnn.language.errors import located
from graphcnn.language.sources import learned
from graphcnn.ops.dense import Dense, MatMul, check_matrix


@located
def dense(
    x: Value,
    units: int,
    *,
    bias: bool = True,
    activation: Activation = None,
    init: Any = "xavier",
    weight: Value | None = None,
    name: str = "",
) -> Value:
    """Every output is a weighted sum of all inputs: y = x · wᵀ + b.

    Args:
        x: rows of features (N, F); `flatten` makes them of images.
        units: outputs U.
        bias: add one learned number per unit.
        activation: a name such as "relu", or a function of a tensor.
        init: initial weight; see `parameter`.
        weight: a parameter (U, F) to share instead of making one.

    Returns:
        (N, U).

    Raises:
        GraphError: x is not a matrix; the message says what `flatten` would make of it.
    """
    u = positive(units, "units")
    check_matrix(x.type)
    features = int(x.shape[1])  # type: ignore[arg-type]
    w = weight if weight is not None else learned((u, features), init, x.dtype)
    b = [learned((u,), "zeros", x.dtype)] if bias else []
    return activate(Dense()(x, w, *b, name=scoped(name, Dense.name)), activation)


@located
def matmul(
    a: Value,
    b: Value,
    transpose_a: bool = False,
    transpose_b: bool = False,
    *,
    name: str = "",
) -> Value:
    """The matrix product of the last two axes: (..., I, K) times (..., K, J) is (..., I, J).

    Args:
        transpose_a: a is (..., K, I) and is read transposed.
        transpose_b: b is (..., J, K) and is read transposed.

    Raises:
        GraphError: columns and rows do not match, or the axes before them do not broadcast.
    """
    return MatMul(bool(transpose_a), bool(transpose_b))(a, b, name=scoped(name, MatMul.name))
