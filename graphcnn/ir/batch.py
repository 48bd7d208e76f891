"""How a value depends on the items of a batch: what the operators' `follow_batch` speaks of.

A batch of n items is fed; item i is element i along the batch axis of every input. A value is

    FIXED    the same for every batch, whatever its size and content
    ITEMS    element i along `axis` depends on item i alone, by one function for all i
    SUM      the sum over the items of one function of each
    MEAN     the mean over the items of one function of each
    COUNT    n times a number that is FIXED
    MIXED    anything else, and whatever is not known: `why` says what came between

so that a batch may be cut, filled up or put in another order wherever all is FIXED or ITEMS, and
what was computed of parts can be put together for all kinds but MIXED. The rules are about
mathematics: how the sums of floats are rounded may depend on n.

An axis of ITEMS may have k elements for each, its size being k·N: they lie as (outer, n, inner)
with outer·inner = k, so that element (o·n + i)·inner + j belongs to item i. Windows or heads that
are merged into the batch axis are inner elements; batches that are joined are outer ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from graphcnn.ir.tensor_type import TensorType, open_axes, times_n


class Kind(StrEnum):
    """What a value has to do with the items of a batch."""

    FIXED = "fixed"
    ITEMS = "items"
    SUM = "sum"
    MEAN = "mean"
    COUNT = "count"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Batch:
    """How one value depends on the batch: its kind, the places of ITEMS, the reason for MIXED.

    Attributes:
        axis: of the items; element (o·n + i)·inner + j along it, with o < outer and j < inner, is
            one of item i.
    """

    kind: Kind
    axis: int = -1
    why: str = ""
    outer: int = 1
    inner: int = 1

    @property
    def is_items(self) -> bool:
        return self.kind is Kind.ITEMS

    @property
    def is_fixed(self) -> bool:
        return self.kind is Kind.FIXED

    @property
    def is_mixed(self) -> bool:
        return self.kind is Kind.MIXED

    @property
    def words(self) -> str:
        """What an operator did whose result this is, after its name."""
        if self.kind is Kind.COUNT:
            return "counts the items of the batch"
        return self.why if self.is_mixed else f"takes the {self.kind} over the batch"

    def at(self, axis: int) -> "Batch":
        """The same items along another axis."""
        return replace(self, axis=axis)

    def __str__(self) -> str:
        several = f" as ({self.outer}, n, {self.inner})" if self.outer * self.inner > 1 else ""
        detail = {Kind.ITEMS: f" along axis {self.axis}{several}", Kind.MIXED: f": {self.why}"}
        return f"{self.kind}{detail.get(self.kind, '')}"


Batches = tuple[Batch, ...]
Types = tuple[TensorType, ...]
#: What a rule answers: one for all results, or one for each.
Rule = Batch | Batches

FIXED, SUM, MEAN, COUNT = (Batch(k) for k in (Kind.FIXED, Kind.SUM, Kind.MEAN, Kind.COUNT))


def items(axis: int, outer: int = 1, inner: int = 1) -> Batch:
    """outer·inner elements along `axis` for each item, which lie as (outer, n, inner)."""
    return Batch(Kind.ITEMS, axis, "", outer, inner)


def mixed(why: str) -> Batch:
    """Nothing is proven; `why` goes on after "it": "takes the largest over the batch"."""
    return Batch(Kind.MIXED, why=why)


def source_batch(t: TensorType) -> Batch:
    """Of what is fed with type `t`: items along its axis N, or blocks of k along its axis k·N."""
    axes = open_axes(t.shape)
    if len(axes) > 1:
        return mixed(f"has more than one batch axis: {t}")
    return items(axes[0], 1, times_n(t.shape[axes[0]])) if axes else FIXED


def checked(found: Batch, t: TensorType) -> Batch:
    """`found`, unless the type has an N that the kind does not explain."""
    if found.is_mixed:
        return found
    for axis in open_axes(t.shape):
        if axis != found.axis or times_n(t.shape[axis]) != found.outer * found.inner:
            return mixed(f"has the batch size in {t}, which is no axis of items")
    return found


def elementwise(inputs: Sequence[Batch], types: Sequence[TensorType], rank: int) -> Batch:
    """Operands that broadcast together: their batch axes must meet, and all else be FIXED."""
    found = _other_than_items(inputs)
    if found is not None:
        return found
    places = {
        x.at(x.axis + rank - t.rank) for x, t in zip(inputs, types, strict=True) if x.is_items
    }
    if not places:
        return FIXED
    found, *others = places
    axes = sorted({x.axis for x in places})
    if len(axes) > 1:
        return mixed(f"combines each item with every other, along the axes {axes}")
    if others:
        return mixed(f"combines items that lie in different ways along axis {found.axis}")
    for x, t in zip(inputs, types, strict=True):
        own = found.axis + t.rank - rank
        if x.is_fixed and own >= 0 and t.shape[own] != 1:
            return mixed(f"combines each place along axis {found.axis} with another number")
    return found


def per_item(inputs: Sequence[Batch], operands: Sequence[int], axes: Sequence[int] = (0,)) -> Batch:
    """For operators that treat the elements along `axes` apart: all `operands` have the items
    there, along one of them, and the other inputs are FIXED."""
    found = _other_than_items(inputs)
    if found is not None:
        return found
    first = inputs[operands[0]]
    for position, x in enumerate(inputs):
        if position in operands:
            if x != first:
                return mixed("combines items with what is no item at the same place")
        elif not x.is_fixed:
            return mixed("has weights that depend on the items")
    if first.is_items and first.axis not in axes:
        return mixed(f"works across axis {first.axis}, the items of the batch")
    return first


def mean_of(inputs: Sequence[Batch]) -> Batch:
    """For operators that take the mean, over all elements, of a function of the inputs' elements
    at equal places, the batch axes among them."""
    found = per_item(inputs, range(len(inputs)), range(8))
    return MEAN if found.is_items else found


def linear(inputs: Sequence[Batch]) -> Batch | None:
    """The kind of a sum of the inputs where all are of one kind of total, or FIXED beside means.

    None where an input has items, and where sums meet what is no sum.
    """
    kinds = {x.kind for x in inputs}
    if len(kinds) == 1 and kinds < {Kind.FIXED, Kind.SUM, Kind.MEAN, Kind.COUNT}:
        return inputs[0]
    return MEAN if kinds == {Kind.MEAN, Kind.FIXED} else None


def scaled(inputs: Sequence[Batch]) -> Batch | None:
    """The kind of the product of a total and of what is FIXED; None for other operands."""
    totals = [x for x in inputs if not x.is_fixed]
    one = len(totals) == 1 and totals[0].kind in (Kind.SUM, Kind.MEAN, Kind.COUNT)
    return totals[0] if one else None


def _other_than_items(inputs: Sequence[Batch]) -> Batch | None:
    """MIXED where a value that belongs to the batch as a whole is combined with anything."""
    for x in inputs:
        if x.is_mixed:
            return x
        if not (x.is_items or x.is_fixed):
            return mixed(f"computes with a {x.kind} over the batch")
    return None
