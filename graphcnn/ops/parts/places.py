"""Places start + step·i of an axis, which `slice` reads and `embed` writes."""

from graphcnn.errors import GraphError
from graphcnn.ir.tensor_type import BatchSize, Dim, Shape, affine, format_shape, is_open, times_n


def check_places(
    whole: Shape, starts: Shape, sizes: Shape, steps: tuple[int, ...], name: str
) -> None:
    """Raise `GraphError` unless all places start + step·i, 0 <= i < size, lie in `whole`.

    With N in them, they do for every N >= 1.
    """
    if not len(whole) == len(starts) == len(sizes) == len(steps):
        raise GraphError(
            f"starts {format_shape(starts)}, sizes {format_shape(sizes)} and steps {steps} need "
            f"one entry for each of the {len(whole)} axes of {name}"
        )
    for axis, (d, start, size, step) in enumerate(zip(whole, starts, sizes, steps, strict=True)):
        if times_n(start) < 0 or times_n(size) < 1 or step < 1:
            raise GraphError(
                f"axis {axis} of {name}: start must be at least 0, size and step at least 1, "
                f"found start {start}, size {size}, step {step}"
            )
        if not _lie_inside(d, start, size, step):
            (a, b), (c, e) = affine(start), affine(size)
            some = " for some N" if is_open((d, start, size)) else ""
            raise GraphError(
                f"axis {axis} of {name}: the last place {start} + {step}·({size} - 1) = "
                f"{_sum(a + step * c, b + step * (e - 1))} lies outside the size {d}{some}"
            )


def _sum(a: int, b: int) -> str:
    """a·N + b in words."""
    if not a:
        return str(b)
    return str(BatchSize(a)) + (f" {'+-'[b < 0]} {abs(b)}" if b else "")


def _lie_inside(whole: Dim, start: Dim, size: Dim, step: int) -> bool:
    """Whether start + step·(size - 1) - whole, which is a·N + b, is below 0 for every N >= 1."""
    (w, c), (s, d), (z, e) = map(affine, (whole, start, size))
    a, b = s + step * z - w, d + step * (e - 1) - c
    return a <= 0 and a + b < 0


def places(
    starts: Shape, sizes: Shape, steps: tuple[int, ...]
) -> tuple["slice[int, int, int]", ...]:
    """The places as slices of an array, of numbers."""
    return tuple(
        [
            slice(int(start), int(start) + step * (int(size) - 1) + 1, step)  # type: ignore[arg-type]
            for start, size, step in zip(starts, sizes, steps, strict=True)
        ]
    )
