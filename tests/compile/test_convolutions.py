"""Why a convolution runs as it does, in words."""

import pytest

import graphcnn as cnn
from graphcnn.compile.convolutions import convolutions, format_convolutions
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ops.conv import Conv2d
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.target import named
from graphcnn.runtime.native.kernels.conv.geometry import geometry
from graphcnn.runtime.native.kernels.conv.schedule import choose_schedule, tiling_rule

AVX512 = named("avx512")


def lines(graph: Graph, batch: int) -> list[str]:
    placed = native_pipeline(Execution(target=AVX512)).run(graph.bind(batch))
    return format_convolutions(list(convolutions(placed, AVX512))).splitlines()


def test_a_line_for_each_convolution_names_the_algorithm_and_the_rules() -> None:
    image = cnn.input("image", (3, 28, 28))
    x = cnn.conv2d(image, 32, 3, padding=1, name="first")
    x = cnn.conv2d(x, 64, 3, padding=1, name="middle")
    x = cnn.conv2d(x, 64, 3, stride=2, padding=1, name="half")
    x = cnn.conv2d(x, 12, 1, groups=4, name="groups")
    assert lines(inference_graph(cnn.Model(image, x).graph), 4) == [
        "convolutions: 4",
        "  first   conv2d  first 14×1                 rows in equal parts of at most 16 pixels; "
        "least time: first 53, plain 63, winograd4 119, winograd2 203, direct 276 us estimated",
        "  middle  conv2d  winograd F4 28 tiles 14×2  blocks that stay in the second cache: "
        "28 of 196, 28 sums; kernels in 2 shares, for threads; "
        "least time: winograd4 364, winograd2 639, direct 1,104, plain 1,340 us estimated",
        "  half    conv2d  direct 1×14×2              widest tile without spills: "
        "14 of 14 pixels of a row; 28 sums, 28 fit; "
        "least time: direct 552, plain 708 us estimated",
        "  groups  conv2d  taps 3×7                   widest tile without spills: "
        "21 sums, 21 fit; only plain can",
    ]


def test_an_algorithm_that_is_not_the_fastest_alone_is_there_for_its_neighbours() -> None:
    unet = inference_graph(cnn.models.build("unet").graph)
    assert lines(unet, 2)[-1].endswith(
        "direct, for the layouts around it: plain 3, direct 40 us estimated"
    )


def test_gradients_have_lines_too() -> None:
    step = training_graph(cnn.models.build("mnist_cnn").graph, "cross_entropy", cnn.SGD(0.1))
    found = convolutions(native_pipeline(Execution(target=AVX512)).run(step.bind(32)), AVX512)
    assert [(c.name, c.operator, c.chosen) for c in found] == [
        ("conv1", "conv2d", "first"),
        ("conv2", "conv2d", "winograd4"),
        ("d conv2", "conv2d_weight_grad", "winograd4"),
        ("d conv2", "conv_transpose2d", "winograd4"),
        ("d conv1", "conv2d_weight_grad", "first"),
    ]


@pytest.mark.parametrize(
    ("channels", "size", "words"),
    [
        (32, (9, 56), "1×14×2 widest tile without spills: 14 of 56 pixels of a row; 28 sums, 28"),
        (32, (7, 7), "1×7×2 whole rows: 7 of 7 pixels of a row; 14 sums, 28 fit"),
        (32, (8, 4), "2×4×2 whole rows: 2 of 8 rows of 4 pixels; 16 sums, 28 fit"),
        (48, (6, 21), "1×7×3 rows without a rest: 7 of 21 pixels of a row; 21 sums, 27 fit"),
        (32, (14, 21), "1×11×2 smallest rest: 11 of 21 pixels of a row, then 10; 22 sums, 28"),
        (16, (2, 2), "2×2×1 few pixels: 2 of 2 rows of 2 pixels; 4 sums, 30 fit"),
    ],
)
def test_what_chose_a_tile(channels: int, size: tuple[int, int], words: str) -> None:
    op = Conv2d(padding=(1, 1, 1, 1))
    g = geometry(op, 1, (16, size), (channels, size), (3, 3), 16)
    s = choose_schedule(g, AVX512)
    assert f"{s} {tiling_rule(g, AVX512, s)}".startswith(words)
