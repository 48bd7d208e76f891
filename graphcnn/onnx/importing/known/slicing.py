"""Where slices and splits begin and end."""

from graphcnn.errors import ImportModelError
from graphcnn.ir.tensor_type import BatchSize, Dim, Shape, is_open, times_n
from graphcnn.onnx.importing.context import Call, UnsupportedError


def bounds(start: int, end: int, step: int, size: int) -> tuple[int, int, int]:
    """Start and end of a slice as Python's `range` takes them: ONNX's may lie anywhere."""
    return slice(start, max(end, -size - 1), step).indices(size)


def split_sizes(call: Call, size: Dim) -> Shape:
    """The sizes of the parts: listed, or equal, the last one smaller where it does not divide."""
    count = len(call.outputs)
    given: Shape
    if call.has(1):
        given = call.sizes(1, "split")
    elif "split" in call.attributes:
        given = tuple(call.attributes["split"])
    else:
        count = call.attribute("num_outputs", count)
        given = _equal_parts(size, count)
    total = sum(given) if is_open(given) == isinstance(size, BatchSize) else None
    if len(given) < len(call.outputs) or total != size or min(map(times_n, given)) < 0:
        raise ImportModelError(
            f"the sizes {given[:16]} of {len(call.outputs)} parts must add up to {size}"
        )
    return given


def _equal_parts(size: Dim, count: int) -> Shape:
    if not isinstance(size, BatchSize):
        chunk = -(-size // count) if count else 0
        return (*(chunk,) * (count - 1), size - chunk * (count - 1))
    if not count or size.times % count:
        raise UnsupportedError(f"{size} elements do not divide into {count} parts for every N")
    return (size // count,) * count
