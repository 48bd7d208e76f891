"""One number per channel beside images: shapes, and what statistics of a channel run over."""

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import Shape
from graphcnn.ops.shape import ElementCount, Reshape


def reduced_axes(shape: Shape) -> tuple[int, ...]:
    """The axes that statistics run over: all but the channels, axis 1."""
    return (0, *range(2, len(shape)))


def channel_shape(shape: Shape) -> tuple[int, ...]:
    """The shape (1, C, 1, 1) that broadcasts one number per channel over `shape`."""
    return (1, int(shape[1]), *(1 for _ in shape[2:]))  # type: ignore[arg-type]


def per_channel(v: Value, like: Value) -> Value:
    """One number per channel, (C), as (1, C, 1, 1): ready to broadcast over `like`."""
    return Reshape(channel_shape(like.shape))(v)


def item_count(x: Value) -> Value:
    """M, the elements of one channel of the batch: N, or N·H·W."""
    return ElementCount((x.shape[0], *x.shape[2:]), x.dtype)()
