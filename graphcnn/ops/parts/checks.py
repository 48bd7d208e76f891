"""Checks that many operators share. Each raises `GraphError` with expected and found."""

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Pair
from graphcnn.ir.tensor_type import DType, TensorType, format_shape


def check_rank(t: TensorType, rank: int, name: str, axes: str) -> None:
    """`axes` spells the expected shape, for example "(N, C, H, W)"."""
    if t.rank != rank:
        raise GraphError(f"{name} must be {axes}, found rank {t.rank}: {t}")


def channels(t: TensorType, name: str) -> int:
    """The channel count of an image type (N, C, H, W)."""
    check_rank(t, 4, name, "(N, C, H, W)")
    c = t.shape[1]
    if not isinstance(c, int):
        raise GraphError(f"{name} must have a known number of channels, found {t}")
    return c


def image_sizes(t: TensorType) -> Pair:
    """(height, width) of an image type."""
    channels(t, "x")
    h, w = t.shape[2:]
    if not isinstance(h, int) or not isinstance(w, int):
        raise GraphError(f"height and width must be known, found {t}")
    return h, w


def check_float(**operands: TensorType) -> None:
    for name, t in operands.items():
        if not t.dtype.is_float:
            raise GraphError(f"{name} must be of a float type, found {t}; use cast")


def check_number(**operands: TensorType) -> None:
    for name, t in operands.items():
        if t.dtype is DType.BOOL:
            raise GraphError(f"{name} must be of a number type, found {t}; use cast")


def check_integer(**operands: TensorType) -> None:
    check_number(**operands)
    for name, t in operands.items():
        if t.dtype.is_float:
            raise GraphError(f"{name} must be of an integer type, found {t}; use cast")


def check_same_dtype(**operands: TensorType) -> None:
    """All operands have one element type, a float one."""
    check_float(**operands)
    if len({t.dtype for t in operands.values()}) > 1:
        found = ", ".join(f"{name} {t}" for name, t in operands.items())
        raise GraphError(f"operands must have one element type, found {found}; use cast")


def check_shape(t: TensorType, expected: tuple[object, ...], name: str) -> None:
    if t.shape != expected:
        raise GraphError(f"{name} must have shape {format_shape(expected)}, found {t}")  # type: ignore[arg-type]


def check_bias(bias: TensorType | None, units: int, dtype: object) -> None:
    if bias is not None and (bias.shape != (units,) or bias.dtype != dtype):
        raise GraphError(f"bias must be {dtype}[{units}], one number per output, found {bias}")
