"""Labels that stand for no class, such as 255 on the border of an object: they do not count."""

from collections.abc import Sequence
from functools import reduce

from graphcnn.ir.node import Value, constant_of
from graphcnn.language.arguments import ints, is_int
from graphcnn.ops.comparison import And, NotEqual, Where

#: One such label, several or none.
Ignored = int | Sequence[int] | None


def counted(labels: Value, ignore_index: Ignored) -> Value | None:
    """Whether each label stands for a class, bool; None where all do.

    Raises `GraphError` for what is no whole number.
    """
    if ignore_index is None or ignore_index == ():
        return None
    several = (ignore_index,) if is_int(ignore_index) else ints(ignore_index, "ignore_index")
    each = [NotEqual()(labels, constant_of(i, labels.dtype)) for i in several]
    return reduce(And(), each)


def looked_up(labels: Value, counts: Value | None) -> Value:
    """The labels, with 0 in place of those that do not count."""
    return labels if counts is None else Where()(counts, labels, constant_of(0, labels.dtype))
