"""Operators that pass layouts on: what they compute is the same wherever the elements lie.

Elementwise operators work in any layout that all their operands of full size share. Of all others
the runtime says which ones have code for images in blocks of channels.

A layout may round sizes up and fill the rest with zeros, on which others rely. So an operator may
work in such a layout only if it makes zeros of zeros (`keeps_zeros`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant
from graphcnn.ir.storage import (
    PLAIN,
    Choice,
    Images,
    TransformedKernels,
    parse_layout,
    storage_shape,
    without_halo,
)
from graphcnn.ir.tensor_type import DType, Shape, TensorType, known_size
from graphcnn.ops.fused import Fused
from graphcnn.ops.reduce import AllReduce

#: Whether there is code for a node that works in a layout, any halo included: "c16+1,1,1,1".
PassesOn = Callable[[Node, str], bool]
#: How much longer windows over plain images take: their vectors lie along rows, which are short.
PLAIN_WINDOWS = 3.0


@dataclass(frozen=True)
class Layouts:
    """The layouts that heavy operators offer.

    `images` maps each layout of images without halo to all its variants, itself first; `by_shape`
    has those of other values, by their shape. Transformed kernels are not among them: nothing can
    be computed with them but the convolution that reads them.
    """

    images: Mapping[str, tuple[str, ...]]
    by_shape: Mapping[Shape, tuple[str, ...]]


def known_layouts(graph: Graph, offered: Mapping[Node, Sequence[Choice] | None]) -> Layouts:
    """All that the choices mention."""
    images: dict[str, dict[str, None]] = {}
    shapes: dict[Shape, dict[str, None]] = {}
    for node, choices in offered.items():
        types = (*(v.type for v in node.inputs), *node.types)
        for choice in choices or ():
            for t, name in zip(types, (*choice.reads, *choice.writes), strict=True):
                layout = parse_layout(name)
                if isinstance(layout, Images):
                    base = without_halo(name)
                    images.setdefault(base, {base: None})[name] = None
                elif layout is not None and not isinstance(layout, TransformedKernels):
                    shapes.setdefault(t.shape, {})[name] = None
    return Layouts(
        {base: tuple(variants) for base, variants in images.items()},
        {shape: tuple(found) for shape, found in shapes.items()},
    )


def elementwise_alone(node: Node, layout: str) -> bool:
    """A runtime that has code for elementwise operators and groups, in any layout."""
    return _is_elementwise(node.op)


def passing_choices(node: Node, layouts: Layouts, passes_on: PassesOn) -> Iterator[Choice]:
    """Plain, and every layout in which a node may work; without costs.

    Images are read with whatever halo they have, and written with one that somebody wants. Of
    operators that are not elementwise operands and results of rank 4 are images, all others plain.
    """
    yield Choice((PLAIN,) * len(node.inputs), (PLAIN,) * len(node.types))
    op, main = node.op, node.output.type
    if _is_elementwise(op) and len({t.shape for t in node.types}) == 1:
        full = [v.shape == main.shape for v in node.inputs]
        for layout in layouts.by_shape.get(main.shape, ()):
            if any(full) and _fits(node, layout, full) and passes_on(node, layout):
                yield Choice(_where(full, layout), (layout,) * len(node.types))
        for base, variants in layouts.images.items():
            if main.rank == 4 and any(full) and _fits(node, base, full) and passes_on(node, base):
                for layout in variants:
                    writes = (layout,) * len(node.types)
                    yield Choice(_where(full, base), writes, follows=_places(full))
    elif not _is_elementwise(op) and _on_images(node):
        images = [v.type.rank == 4 for v in node.inputs], [t.rank == 4 for t in node.types]
        types = (*(v.type for v in node.inputs), *node.types)
        for base, variants in layouts.images.items():
            whole = all(_is_whole(t, base) for t in types if t.rank == 4)
            if whole and passes_on(node, base):
                bordered = all(passes_on(node, layout) for layout in variants)
                for layout in variants if bordered and any(images[1]) else (base,):
                    reads, writes = _where(images[0], base), _where(images[1], layout)
                    yield Choice(reads, writes, follows=_places(images[0]) if bordered else ())


def _where(mask: Sequence[bool], layout: str) -> tuple[str, ...]:
    return tuple(layout if m else PLAIN for m in mask)


def _places(mask: Sequence[bool]) -> tuple[int, ...]:
    return tuple(i for i, m in enumerate(mask) if m)


def _is_elementwise(op: Op) -> bool:
    """Elementwise operators, groups of such, and what adds up elements over shards."""
    if isinstance(op, Fused):
        return op.anchor is None
    return op.elementwise or isinstance(op, AllReduce)


def slowness(node: Node, choice: Choice) -> float:
    """How much longer a node takes than its operands take to move."""
    op = _image_op(node.op)
    windows = op.family == "pool" and hasattr(op, "kernel")
    return PLAIN_WINDOWS if windows and choice.is_plain else 1.0


def _image_op(op: Op) -> Op:
    """The heavy operator of a group, any other operator itself."""
    anchor = op.anchor_node if isinstance(op, Fused) else None
    return op if anchor is None else anchor.op


def _on_images(node: Node) -> bool:
    """Whether a node reads images, and those of the heavy operator in all that is fused to it."""
    if not node.inputs or node.inputs[0].type.rank != 4:
        return False
    if isinstance(node.op, Fused):  # what follows reads images of the same shape, or single numbers
        read = {v for n in node.op.epilogue for v in n.inputs} & set(node.op.body.inputs)
        return all(v.shape == node.output.shape or known_size(v.shape) == 1 for v in read)
    return True


def _fits(node: Node, layout: str, full: Sequence[bool]) -> bool:
    """Whether an elementwise node may work in a layout."""
    main = node.output.type
    small = all(f or known_size(v.shape) == 1 for f, v in zip(full, node.inputs, strict=True))
    if not small and not isinstance(parse_layout(layout), Images):
        return False  # a number for every channel of a kernel has no place in its storage
    return _is_whole(main, layout) or (small and keeps_zeros(node, full))


def _is_whole(t: TensorType, layout: str) -> bool:
    """Whether a layout stores a value without rounding its sizes up."""
    return known_size(storage_shape(replace(t, layout=layout))) == known_size(t.shape)


def keeps_zeros(node: Node, zeros: Sequence[bool]) -> bool:
    """Whether all results are 0 where the operands marked in `zeros` are 0.

    The others may be anything finite, but 0 as a divisor.
    """
    op = node.op
    if isinstance(op, Fused):
        known: dict[Value, bool] = dict(zip(op.body.inputs, zeros, strict=True))
        for inside in op.body.nodes:
            if inside.output not in known:
                kept = keeps_zeros(inside, [known[v] for v in inside.inputs])
                known.update(dict.fromkeys(inside.outputs, kept))
        return all(known[v] for v in op.body.outputs.values())
    if isinstance(op, Constant):
        return not op.array.any()
    if all(zeros) and _is_elementwise(op):
        return _zero_of_zeros(op, tuple(v.dtype for v in node.inputs))
    # An operand that is left out has a place, too: `quantize` without a zero point.
    given = dict(enumerate(zeros))
    return any(all(given.get(i, True) for i in enough) for enough in op.annihilators)


@cache
def _zero_of_zeros(op: Op, dtypes: tuple[DType, ...]) -> bool:
    """f(0, 0, …) = 0, by the definition of an elementwise operator."""
    with np.errstate(all="ignore"):
        made = op.evaluate(*(np.zeros(1, dtype.numpy) for dtype in dtypes))
    return not any(np.asarray(y).any() for y in (made if isinstance(made, tuple) else (made,)))


def region_moves(
    graph: Graph, choices: Mapping[Node, Sequence[Choice]], chosen: Mapping[Node, int]
) -> Iterator[dict[Node, int]]:
    """Moves of connected nodes that are in one layout now to another one, all at once.

    Connected are nodes that can pass on, by the values between them, and states with those who
    read or update them. Halos do not tell layouts apart here. A node without the layout stays.
    """
    now = {n: layout_name(cs[chosen[n]]) for n, cs in choices.items() if len(cs) > 1}
    beside: dict[Node, list[Node]] = {n: [] for n in now}
    edges = [(v.node, n) for n in graph.nodes for v in n.inputs]
    edges += [(s.node, v.node) for s, v in graph.updates.items()]
    for a, b in edges:
        if a in now and b in now and now[a] == now[b]:
            beside[a].append(b)
            beside[b].append(a)
    seen: set[Node] = set()
    for start in now:
        if start in seen:
            continue
        region, stack = [start], [start]
        seen.add(start)
        while stack:
            for node in beside[stack.pop()]:
                if node not in seen:
                    seen.add(node)
                    region.append(node)
                    stack.append(node)
        names = dict.fromkeys(layout_name(c) for n in region for c in choices[n])
        for name in names:
            fitting = {
                n: [i for i, c in enumerate(choices[n]) if layout_name(c) == name] for n in region
            }
            if name != now[start]:
                yield {n: places[0] for n, places in fitting.items() if places}


def layout_name(choice: Choice) -> str:
    """The layout that a choice stands for: the one it writes, without halo, or else reads."""
    other = (n for n in (*choice.writes, *choice.reads) if n != PLAIN)
    return without_halo(next(other, PLAIN))
