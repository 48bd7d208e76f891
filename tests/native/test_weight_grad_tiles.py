"""The weight gradient in tiles by every way to divide the work, on sizes that few ways suit."""

from dataclasses import replace

import pytest
from native.test_kernels_placed import TARGETS, Shape, check

from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.conv import Conv2dWeightGrad
from graphcnn.runtime.native.code.kernel import node_key
from graphcnn.runtime.native.code.registry import choices
from graphcnn.runtime.native.code.target import EMBEDDED, Target
from graphcnn.runtime.native.kernels.conv import choices as conv_choices
from graphcnn.runtime.native.kernels.conv import placed as conv_placed
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.conv.weight_grad_winograd import M, TiledWeightGrad, tile_count
from graphcnn.runtime.native.kernels.parts.numbers import Numbers


@pytest.mark.parametrize(
    ("target", "inputs", "all_filters", "block"),
    [
        ("host", 1, False, 5), ("host", 2, False, 12), ("host", 1, True, 1), ("host", 4, True, 6),
        ("avx2", 2, True, 7), ("sse2", 2, False, 7),
    ],
)  # fmt: skip
def test_every_division_of_the_work_gives_the_sums(
    target: str, inputs: int, all_filters: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four blocks of channels and of filters, and of twelve tiles."""
    used = []

    def schedule(
        g: ConvGeometry, numbers: Numbers, vectors: int, target: Target
    ) -> TiledWeightGrad:
        assert (g.x.blocks, g.y.blocks, tile_count(g, M)) == (4, 4, 12)
        used.append(4 // vectors)
        panels = 4 // vectors if all_filters else 1
        return TiledWeightGrad(g, numbers, vectors, inputs, panels, block, 2)

    for module in (conv_choices, conv_placed):
        monkeypatch.setattr(module, "tiled_weight_gradient", schedule)
    # Code is remembered by its node, which does not tell of these schedules.
    own = f"{inputs} {all_filters} {block}"
    monkeypatch.setattr(conv_placed, "node_key", lambda node: f"{node_key(node)} {own}")
    op = Conv2dWeightGrad(kernel=(3, 3), padding=(1, 1, 1, 1))
    # Where a broadcast costs next to nothing tiles are narrow: there are several panels of filters.
    processor = replace(TARGETS[target], broadcast=EMBEDDED)
    channels = 4 * processor.lanes(DType.FLOAT32)
    shapes: list[Shape] = [(2, channels - 1, 9, 7), (2, channels - 3, 9, 7)]
    node = build(op, [Input(k, TensorType(s))() for k, s in zip("xy", shapes, strict=True)])
    tiled = [c for c in choices(node, processor) if c.algorithm == "winograd4"]
    for parts, choice in enumerate(tiled, 1):
        check(op, shapes, choice, processor, parts)
    assert used and max(used) > 1
