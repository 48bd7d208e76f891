"""Einsum of ONNX: sums of products over named axes, as matrix products."""

from collections.abc import Sequence
from typing import Any

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import BatchSize, Dim, merged_size
from graphcnn.onnx.importing.context import Call, imports, reshaped
from graphcnn.onnx.importing.rules.dense import matrix_product
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import moved, size_of
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.shape import Transpose

Labels = list[str]


@imports("Einsum")
def einsum(call: Call) -> Value:
    """Operand by operand: products of matrices over the labels that no one needs any more."""
    xs = call.values()
    terms, wanted = _parsed(call.attribute("equation", ""), [x.type.rank for x in xs])
    found = [_diagonal(x, labels) for x, labels in zip(xs, terms, strict=True)]
    while True:
        (x, labels), *rest = found
        needed = {*wanted, *(label for _, others in rest for label in others)}
        lost = [a for a, label in enumerate(labels) if label not in needed]
        if lost:
            x, labels = Sum(tuple(lost))(x), [label for label in labels if label in needed]
        if not rest:
            break
        needed = {*wanted, *(label for _, others in rest[1:] for label in others)}
        found = [_contracted(call, (x, labels), rest[0], needed), *rest[1:]]
    if sorted(labels) != sorted(wanted):
        raise ImportModelError(f"equation {call.attribute('equation')!r} asks for unknown labels")
    perm = tuple(labels.index(label) for label in wanted)
    return x if perm == tuple(range(len(perm))) else Transpose(perm)(x)


def _parsed(equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of the axes of each operand and of the result; those of `...` are numbers from
    the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ImportModelError(
            f"equation {equation!r} has {len(terms)} operands, {len(ranks)} given"
        )
    found, widest = [], 0
    for term, rank in zip(terms, ranks, strict=True):
        extra = rank - len(term.replace("...", ""))
        if extra < 0 or (extra and "..." not in term):
            raise ImportModelError(f"equation {equation!r}: {term!r} does not fit {rank} axes")
        widest = max(widest, extra)
        found.append(_spelled(term, extra))
    if not arrow:
        plain = left.replace(",", "").replace(".", "")
        right = "..." + "".join(sorted(c for c in set(plain) if plain.count(c) == 1))
    return found, _spelled(right, widest)


def _spelled(term: str, extra: int) -> Labels:
    before, dots, after = term.partition("...")
    middle = [str(extra - i) for i in range(extra)] if dots else []
    return [*before, *middle, *after]


def _diagonal(x: Value, labels: Labels) -> tuple[Value, Labels]:
    """x with each label once: of two axes of one label, the elements where they agree."""
    labels = list(labels)
    for label in sorted(set(labels)):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            size = size_of(x, first)
            x = moved(moved(x, second, x.type.rank - 1), first, x.type.rank - 2)
            x = cut(reshaped(x, (*x.shape[:-2], size * size)), x.type.rank - 2, 0, size, size + 1)
            labels = [c for a, c in enumerate(labels) if a not in (first, second)] + [label]
    return x, labels


def _contracted(
    call: Call, left: tuple[Value, Labels], right: tuple[Value, Labels], needed: set[str]
) -> tuple[Value, Labels]:
    """The product of two operands, summed over the common labels that are not needed."""
    sizes: dict[str, Dim] = {}
    for x, labels in (left, right):
        for label, d in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, d) in (1, d):
                sizes[label] = d
            elif d != 1:
                raise ImportModelError(f"label {label!r} has the sizes {sizes[label]} and {d}")
    (a, ours), (b, theirs) = _without_ones(left, sizes), _without_ones(right, sizes)
    both = [c for c in ours if c in theirs]
    summed = [c for c in both if c not in needed]
    batch = [c for c in (*ours, *(t for t in theirs if t not in ours))
             if (c in needed if c in both else isinstance(sizes[c], BatchSize))]  # fmt: skip
    rows = [c for c in ours if c not in batch and c not in summed]
    columns = [c for c in theirs if c not in batch and c not in summed]
    a = _arranged(a, ours, [batch, rows, summed], sizes)
    b = _arranged(b, theirs, [batch, summed, columns], sizes)
    call.limits.check_shape((*a.shape[:-1], b.shape[-1]), "the product")
    y = matrix_product(call, a, b) if summed else a * b
    labels = [*batch, *rows, *columns]
    return reshaped(y, tuple(sizes[c] for c in labels)), labels


def _without_ones(term: tuple[Value, Labels], sizes: dict[str, Dim]) -> tuple[Value, Labels]:
    """The operand without axes of size 1 that the other one repeats."""
    x, labels = term
    kept = [a for a, c in enumerate(labels) if x.shape[a] == sizes[c]]
    return reshaped(x, tuple(x.shape[a] for a in kept)), [labels[a] for a in kept]


def _arranged(x: Value, labels: Labels, groups: Sequence[Labels], sizes: dict[str, Dim]) -> Value:
    """x as (batch..., first group, second group), the axes of a group as one."""
    batch, *others = groups
    order = [c for group in groups for c in group if c in labels]
    perm = tuple(labels.index(c) for c in order)
    x = x if perm == tuple(range(len(perm))) else Transpose(perm)(x)
    shape: list[Any] = [sizes[c] if c in labels else 1 for c in batch]
    for group in others:
        shape.append(merged_size(tuple(sizes[c] for c in group)))
    return reshaped(x, tuple(shape))
