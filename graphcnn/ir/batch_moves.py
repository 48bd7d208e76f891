"""Where the items of a batch are after elements were moved: under another shape, cut, joined.

Items lie as (outer, n, inner) along their axis: see `Batch`. Written out in row-major order, a
value of which that is true has the same pattern, with all elements before the axis in the outer
part and all behind it in the inner one, and that is what a reshape keeps.
"""

from graphcnn.ir.batch import Batch, Batches, items, mixed
from graphcnn.ir.tensor_type import BatchSize, Dim, Shape, format_shape, known_size, open_axes


def rearranged(x: Batch, before: Shape, after: Shape) -> Batch:
    """The same elements in the same order."""
    if not x.is_items:
        return x
    found = rearrangements(x, before, after)
    if found:
        return found[0]
    shapes = f"{format_shape(before)} to {format_shape(after)}"
    return mixed(f"rearranges {shapes} across axis {x.axis}, the items")


def rearrangements(x: Batch, before: Shape, after: Shape) -> list[Batch]:
    """Where the items are under another shape, those with the fewest elements of an item along
    their axis first. For one item, which an axis of size 1 may have anywhere, that can be several.

    Items stay items along the axis before which there is a divisor of the outer elements, and
    behind which one of the inner elements.
    """
    n = before[x.axis] // (x.outer * x.inner)
    outer = known_size(before[: x.axis]) * x.outer
    inner = known_size(before[x.axis + 1 :]) * x.inner
    found: list[Batch] = []
    for axis, size in enumerate(after):
        o, apart = divmod(outer, known_size(after[:axis]))
        i, across = divmod(inner, known_size(after[axis + 1 :]))
        if not apart and not across and size == n * (o * i) and len(open_axes(after)) < 2:
            found.append(items(axis, o, i))
    return sorted(found, key=lambda place: place.outer * place.inner)


def sliced(x: Batch, before: Shape, starts: Shape, sizes: Shape, steps: tuple[int, ...]) -> Batch:
    """A part of x: items stay items where the part has the same elements of each.

    Along the axis of the items, that are whole blocks of n·inner elements, and in each item every
    `step`-th of its inner elements.
    """
    if not x.is_items:
        return x
    a = x.axis
    found = _taken(x, before[a], starts[a], sizes[a], steps[a])
    return found or mixed(f"does not treat all items along axis {a} alike")


def embedded(x: Batch, part: Shape, starts: Shape, whole: Shape, steps: tuple[int, ...]) -> Batch:
    """x as a part of zeros, which are of all items: where `sliced` would give it back."""
    if not x.is_items:
        return x
    a = x.axis
    n = part[a] // (x.outer * x.inner)
    inner = x.inner * steps[a]
    outer, rest = divmod(_times(whole[a], n) or 0, inner)
    found = items(a, outer, inner)
    if not rest and outer and _taken(found, whole[a], starts[a], part[a], steps[a]) == x:
        return found
    return mixed(f"does not treat all items along axis {a} alike")


def joined(inputs: Batches, axis: int) -> Batch:
    """Values with items, one after the other along `axis`."""
    first = inputs[0]
    if first.axis != axis:
        same = all(x == first for x in inputs)
        return first if same else mixed("joins items with what is no item along the same axis")
    if any(not x.is_items or x.axis != axis or x.inner != first.inner for x in inputs):
        return mixed(f"joins batches whose items lie in different ways along axis {axis}")
    return items(axis, sum(x.outer for x in inputs), first.inner)


def _taken(x: Batch, whole: Dim, start: Dim, size: Dim, step: int) -> Batch | None:
    """Items along an axis of size `whole`, of which the places start + step·i are taken."""
    n = whole // (x.outer * x.inner)
    kept, rest = divmod(x.inner, step)
    count, skipped = _times(size, n), _times(start, n)
    if rest or not count or count % kept:
        return None
    if skipped is not None and skipped % x.inner == 0:
        return items(x.axis, count // kept, kept)
    inside = isinstance(start, int) and start < step
    return items(x.axis, count // kept, kept) if inside else None


def _times(size: Dim, n: Dim) -> int | None:
    """How many times n a size is, for every N."""
    if isinstance(size, BatchSize) and isinstance(n, BatchSize):
        return None if size.times % n.times else size.times // n.times
    if isinstance(size, int) and isinstance(n, int):
        return None if size % n else size // n
    return 0 if size == 0 else None
