"""Inputs, parameters and constants."""

from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.initializers import initializer
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Input, Role, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.language.arguments import ints, scoped
from graphcnn.language.errors import located


@located
def input(name: str, shape: tuple[int, ...], dtype: Any = "float32") -> Value:
    """A tensor fed at every run: one batch of items of `shape`.

    The batch axis N is implied: `input("image", (1, 28, 28))` has the type f32[N,1,28,28].
    """
    t = TensorType((N, *ints(shape, "shape")), DType.of(dtype))
    return Input(name, t)(name=name)


@located
def parameter(
    shape: tuple[int, ...],
    init: Any = "xavier",
    *,
    trainable: bool = True,
    dtype: Any = "float32",
    name: str = "",
) -> Value:
    """A tensor learned by gradient. Used twice, it is one parameter and its gradient is the sum.

    Args:
        init: "he", "xavier", "zeros", "ones", a number, an array, an `Initializer`, or a function
            from shape to array.
        trainable: False freezes it. `Model.freeze(pattern)` does so by name later.
        name: key in saved files; by default the name of its first user and operand, "C1.weight".
    """
    sizes = ints(shape, "shape")
    if any(d < 1 for d in sizes):
        raise GraphError(f"sizes must be at least 1, found {shape}")
    return state(sizes, init, Role.PARAMETER, trainable, dtype, name)


def learned(shape: tuple[int, ...], init: Any, dtype: DType, trainable: bool = True) -> Value:
    """A parameter that a layer makes for itself, named by the layer."""
    return state(shape, init, Role.PARAMETER, trainable, dtype, "")


def state(
    shape: tuple[int, ...], init: Any, role: Role, trainable: bool, dtype: Any, name: str
) -> Value:
    """A state of any role. See `graphcnn.ir.sources.Role`."""
    key = scoped(name, "") if name else ""
    t = TensorType(shape, DType.of(dtype))
    return State(key, t, role, trainable, initializer(init))(name=key)


@located
def constant(value: Any, dtype: Any = None) -> Value:
    """A tensor that never changes, from an array or a number (floats default to float32)."""
    return constant_of(value, DType.of(dtype) if dtype is not None else None)
