"""Which operators pass layouts on: those that keep zeros, and that the runtime has code for."""

import importlib
import itertools
import pkgutil

import numpy as np
import pytest
import samples
from native.run_kernel import load_lowerings

from graphcnn.errors import GraphError
from graphcnn.ir.node import OPS, Op
from graphcnn.ir.node import build as build_node
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Images
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Add, Div, Maximum, Mul, Pow, Sub
from graphcnn.ops.layout import Placed
from graphcnn.ops.reduce import Mean
from graphcnn.passes.layout.layout_choices import (
    Layouts,
    keeps_zeros,
    passing_choices,
)
from graphcnn.runtime.native.code.registry import OFFERS, PACKING, PLACED, lower, passes_on
from graphcnn.runtime.native.code.target import host

ALL = [
    sample
    for family in pkgutil.iter_modules(samples.__path__)
    for sample in getattr(importlib.import_module(f"samples.{family.name}"), "SAMPLES", ())
]


# Zeros that stay zeros


def _single_functions() -> list[Op]:
    """Every elementwise operator of one operand, as often as it has samples."""
    found = [s.op for s in ALL if s.op.elementwise and len(s.op.operands) == 1]
    return list(dict.fromkeys(found))


#: f(0) = 0, by name; all other functions of one operand are not, whatever their attributes.
ZERO_AT_ZERO = set(
    "abs atan cast ceil clip dropout elu erf floor gelu hard_swish leaky_relu mish neg relu round "
    "sign probabilities silu sin sqrt stop_gradient tanh".split()
)


@pytest.mark.parametrize("op", _single_functions(), ids=repr)
def test_functions_of_zero(op: Op) -> None:
    for dtype in (DType.FLOAT32, DType.INT32, DType.BOOL):
        try:
            node = build_node(op, [Input("x", TensorType((4,), dtype))()])
        except GraphError:
            continue  # not for this type
        assert keeps_zeros(node, [True]) is (op.name in ZERO_AT_ZERO)
        assert not keeps_zeros(node, [False])


@pytest.mark.parametrize(
    ("op", "enough"),
    [
        (Add(), [(True, True)]),
        (Sub(), [(True, True)]),
        (Maximum(), [(True, True)]),
        (Mul(), [(True, True), (True, False), (False, True)]),
        (Div(), [(True, False)]),
        (Pow(), []),
    ],
)
def test_zeros_of_two_operands(op: Op, enough: list[tuple[bool, bool]]) -> None:
    node = build_node(op, [Input(k, TensorType((4,)))() for k in "ab"])
    for zeros in itertools.product((True, False), repeat=2):
        assert keeps_zeros(node, zeros) is (zeros in enough)


# Images that pass layouts on


def _image_case(name: str, lanes: int) -> tuple[Op, list[tuple[int, ...]]]:
    """An operator on images and shapes of its operands, in whole blocks of channels."""
    if name in ("sum", "mean"):
        return {"sum": Sum, "mean": Mean}[name]((0, 2, 3)), [(2, 2 * lanes, 6, 6)]
    for sample in ALL:
        a = sample.op.attributes
        shapes = [array.shape for array in sample.arrays(np.float32)]
        fits = a.get("axis", 1) == 1 and not a.get("indices") and len(shapes[0]) == 4
        if sample.op.name == name and fits:
            return sample.op, [_whole(shape, lanes) for shape in shapes]
    raise AssertionError(f"no sample of {name} on images")


load_lowerings()
PASS_ON = PLACED.keys() - OFFERS - PACKING.keys() - {n for n, op in OPS.items() if op.elementwise}
WITHOUT_HALO = {"concat", "mean"}


@pytest.mark.parametrize("name", sorted(PASS_ON - {"broadcast_to", "fused"}))
def test_a_border_is_offered_where_there_is_code_for_it(name: str) -> None:
    """All that `passing_choices` offers can be lowered."""
    lanes = host().lanes(DType.FLOAT32)
    op, shapes = _image_case(name, lanes)
    bare, bordered = str(Images(lanes)), str(Images(lanes, (1, 2, 3, 1)))
    node = build_node(op, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    offered = list(passing_choices(node, Layouts({bare: (bare, bordered)}, {}), passes_on))
    assert any(bare in c.reads for c in offered)
    read = {layout for c in offered for layout in (*c.reads, *c.writes)}
    images = any(t.rank == 4 for t in node.types)
    assert (bordered in read) is (images and name not in WITHOUT_HALO)
    for choice in offered:
        for halo in (bare, bordered):
            reads = [halo if i in choice.follows else r for i, r in enumerate(choice.reads)]
            typed = zip(shapes, reads, strict=True)
            values = [Input(f"x{i}", TensorType(s, layout=r))() for i, (s, r) in enumerate(typed)]
            if not choice.is_plain:
                lower(build_node(Placed(op, tuple(reads), choice.writes), values), host())
    if name in WITHOUT_HALO:
        reads = tuple(bordered if len(s) == 4 else "plain" for s in shapes)
        writes = tuple(bare if t.rank == 4 else "plain" for t in node.types)
        values = [
            Input(f"x{i}", TensorType(s, layout=r))()
            for i, (s, r) in enumerate(zip(shapes, reads, strict=True))
        ]
        with pytest.raises(GraphError, match="without halo"):
            lower(build_node(Placed(op, reads, writes), values), host())


def _whole(shape: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """The shape with whole blocks of channels."""
    if len(shape) == 4:
        return shape[0], 2 * lanes, *shape[2:]
    return (2 * lanes,) if len(shape) == 1 else shape
