"""The one order in which what shards computed is added up: a binary tree over their numbers.

    0 1 2 3 4 5        ((0 + 1) + (2 + 3)) + (4 + 5)

The first half of every range is the largest power of two that leaves something for the second. So
any process that has neighbouring shards sums them alone, whatever the others have, and the bits of
the whole do not depend on who computed what. Depth first it takes `rows` partial sums at a time.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def middle(first: int, last: int) -> int:
    """Where the range of the shards from `first` to before `last` is cut in two."""
    return first + (1 << ((last - first - 1).bit_length() - 1))


def rows(shards: int) -> int:
    """How many partial sums live at a time: log2(shards) + 1, rounded up."""
    return (shards - 1).bit_length() + 1


def tree_sum(parts: Sequence[T], add: Callable[[T, T], T]) -> T:
    """The sum of the parts in the order of the tree."""

    def over(first: int, last: int) -> T:
        if last - first == 1:
            return parts[first]
        half = middle(first, last)
        return add(over(first, half), over(half, last))

    return over(0, len(parts))


def cut(items: int, shards: int) -> list[tuple[int, int]]:
    """The ranges of the items of a batch, as equal as can be, the longer ones first."""
    each, more = divmod(items, shards)
    starts = [i * each + min(i, more) for i in range(shards + 1)]
    return [*itertools.pairwise(starts)]
