"""The built-in networks: shapes, parameter counts known from papers and by hand, names."""

from math import prod

import pytest

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.tensor_type import N, Shape
from graphcnn.models import MODELS, build

DENSE = 10 * 128 + 10

#: Output shape, parameters.
EXPECTED: dict[str, tuple[Shape, int]] = {
    # C1 156, C3 2,416, C5 48,120, F6 10,164, logits 850
    "lenet5": ((N, 10), 61_706),
    # 32·(9 + 1), 64·(32·9 + 1), 10·(64·5·5 + 1)
    "mnist_cnn": ((N, 10), 320 + 18_496 + 16_010),
    # 3×3 kernels without bias, two numbers per channel of batch norm, 10·(64·2·2 + 1)
    "mnist_fast": (
        (N, 10),
        9 * (16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64) + 2 * (2 * 16 + 2 * 32 + 64) + 2_570,
    ),
    # 16·(9 + 1), 32·(16·9 + 1), 10·(32·4·4 + 1)
    "digits_cnn": ((N, 10), 160 + 4_640 + 5_130),
    # 3×3 kernels without bias, two numbers per channel of batch norm, the dense layer
    "vgg_cifar": (
        (N, 10),
        9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128)
        + 2 * 2 * (32 + 64 + 128)
        + DENSE,
    ),
    # 2·2·3 · 24 + 24, kernels, one number per channel of batch norm that is trained and one that
    # is 1, the dense layer
    "cifar_fast": (
        (N, 10),
        312
        + 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
        + 2 * 2 * (64 + 256 + 256)
        + 10 * 256,
    ),
    "resnet9": ((N, 10), 6_573_120),
    "resnet18": ((N, 1000), 11_689_512),
    "resnet18_cifar": ((N, 10), 11_173_962),
    "squeezenet": ((N, 1000), 1_235_496),
    "vgg16": ((N, 1000), 138_357_544),
    "mobilenet_v2": ((N, 1000), 3_504_872),
    # down1, down2, bottom, up2, up1, logits
    "unet": (
        (N, 1, 64, 64),
        (160 + 2_320)
        + (4_640 + 9_248)
        + (18_496 + 36_928)
        + (8_224 + 18_464 + 9_248)
        + (2_064 + 4_624 + 2_320)
        + 17,
    ),
    # 16·(9 + 1), 8·(16·9 + 1), 8·16·4 + 16, 16·4 + 1
    "autoencoder": ((N, 1, 28, 28), 160 + 1_160 + 528 + 65),
    # convolutions 16·(9 + 1), 32·(16·9 + 1); each way 4·48 gates of 32·7 columns and of 48 states
    "crnn": ((N, 18, 11), 160 + 4_640 + 2 * 192 * (224 + 1 + 48) + 11 * (96 + 1)),
    # rows, pixels, down and out of the first layer and of six more; head, logits
    "pixelcnn": (
        (N, 1, 28, 28),
        (48 * (28 + 1) + 48 * (7 + 1) + 48 * 48 + 24 * 25)
        + 6 * (48 * (6 * 24 + 1) + 48 * (3 * 24 + 1) + 48 * 48 + 24 * 25)
        + 24 * 25
        + 25,
    ),
    # the first kernel; four layers of what they read, keep and give; head, logits
    "row_lstm": (
        (N, 1, 28, 28),
        48 * 50 + 4 * (96 * (48 * 3 + 1) + 96 * 24 * 3 + 48 * 25) + 48 * 49 + 49,
    ),
    # the same of three layers, which go two ways
    "diagonal_lstm": (
        (N, 1, 28, 28),
        32 * 50 + 3 * (2 * (64 * 33 + 64 * 16 * 2) + 32 * 17) + 32 * 33 + 33,
    ),
    # kernels of 4×4 down, the dense layer, mean and log variance of 20; two dense layers, 4×4 up
    "vae": (
        (N, 1, 28, 28),
        (16 * 17 + 32 * 257)
        + 256 * (32 * 49 + 1)
        + 2 * 20 * 257
        + (256 * 21 + 32 * 49 * 257)
        + (32 * 16 * 16 + 16)
        + (16 * 16 + 1),
    ),
    # two kernels of 4×4 down and a score; a dense layer, norms and two kernels of 4×4 up
    **dict.fromkeys(
        ("dcgan", "wgan_gp"),
        (
            (N, 1),
            (32 * 17 + 64 * (32 * 16 + 1) + 64 * 49 + 1)
            + (64 * 64 * 49 + 2 * 64)
            + (64 * 32 * 16 + 2 * 32)
            + (32 * 16 + 1),
        ),
    ),
}


def output(graph: Graph) -> Shape:
    """Of the prediction, which is the first."""
    return next(iter(graph.outputs.values())).shape


def parameters(graph: Graph) -> int:
    return sum(prod(p.shape) for p in graph.parameters)


def test_every_model_is_listed_here() -> None:
    assert set(EXPECTED) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_output_shape_and_parameters(name: str) -> None:
    graph = build(name).graph
    assert (output(graph), parameters(graph)) == EXPECTED[name]
    assert graph.name == name
    assert [v.node.name for v in graph.inputs] == ["image"]


@pytest.mark.parametrize("name", MODELS)
def test_the_docstring_tells_source_and_parameters(name: str) -> None:
    doc = MODELS[name].__doc__ or ""
    assert f"{EXPECTED[name][1]:,} parameters" in doc.replace("\n    ", " ")
    assert any(str(year) in doc for year in range(1990, 2030)) or "arXiv:" in doc


NOT_CLASSIFIERS = {"unet", "autoencoder", "crnn", "pixelcnn", "row_lstm", "diagonal_lstm", "vae",
                   "dcgan", "wgan_gp"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(MODELS) - NOT_CLASSIFIERS))
def test_the_number_of_classes_can_be_chosen(name: str) -> None:
    assert output(build(name, classes=7).graph) == (N, 7)
    assert output(build("crnn", classes=7, width=40).graph) == (N, 10, 8)  # at each step, a blank


def test_sizes_can_be_chosen() -> None:
    assert output(build("resnet18", size=64).graph) == (N, 1000)
    assert parameters(build("resnet18", size=64).graph) == EXPECTED["resnet18"][1]
    assert output(build("squeezenet", size=96).graph) == (N, 1000)
    assert output(build("unet", size=32, classes=3, in_channels=3).graph) == (N, 3, 32, 32)
    assert output(build("unet", size=48, channels=(4, 8, 16, 32)).graph) == (N, 1, 48, 48)
    assert output(build("autoencoder", size=32, in_channels=3).graph) == (N, 3, 32, 32)


def test_sizes_that_cannot_be_halved() -> None:
    with pytest.raises(GraphError, match=r"unet: size must be divisible by 4, .* found 30"):
        build("unet", size=30)
    with pytest.raises(GraphError, match="vae: size must be divisible by 4, found 30"):
        build("vae", size=30)
    with pytest.raises(GraphError, match="dcgan: size must be divisible by 4, found 30"):
        build("dcgan", size=30)
    with pytest.raises(GraphError, match="wgan_gp: size must be divisible by 4, found 30"):
        build("wgan_gp", size=30)
    with pytest.raises(GraphError, match="autoencoder: size must be divisible by 4, found 30"):
        build("autoencoder", size=30)


def test_resnet18_has_the_published_stages_and_names() -> None:
    graph = build("resnet18").graph
    shapes = {n.name: n.output.shape[1:] for n in graph.operations}
    assert shapes["stem.conv"] == (64, 112, 112)
    assert shapes["stem.pool"] == (64, 56, 56)
    assert shapes["stage1.block2.relu2"] == (64, 56, 56)
    assert shapes["stage2.block1.conv1"] == (128, 28, 28)
    assert shapes["stage3.block2.relu2"] == (256, 14, 14)
    assert shapes["stage4.block2.relu2"] == (512, 7, 7)
    kinds = [n.op.name for n in graph.operations]
    assert (kinds.count("conv2d"), kinds.count("batch_norm"), kinds.count("add")) == (20, 20, 8)
    assert "stage1.block1.conv1.weight" in {state_of(s).key for s in graph.states}


def test_squeezenet_has_eight_fire_modules() -> None:
    graph = build("squeezenet").graph
    shapes = {n.name: n.output.shape[1:] for n in graph.operations}
    assert shapes["fire2.concat"] == (128, 55, 55)
    assert shapes["fire9.concat"] == (512, 13, 13)
    assert [n.op.name for n in graph.operations].count("concat") == 8
    even = build("squeezenet", size=226).graph  # pools round up: 112 becomes 56, not 55
    assert {n.name: n.output.shape for n in even.operations}["fire2.concat"] == (N, 128, 56, 56)


def test_forms_of_published_networks_have_the_published_parameters() -> None:
    assert parameters(build("squeezenet", version="1.0").graph) == 1_248_424
    assert parameters(build("vgg16", batch_norm=True).graph) == 138_365_992
    for version in ("1.2", 2):
        with pytest.raises(GraphError, match=r"squeezenet: version must be 1.0 or 1.1"):
            build("squeezenet", version=version)


def test_vgg16_reads_seven_by_seven_maps_at_any_size() -> None:
    for size in (32, 64, 224, 300):
        graph = build("vgg16", size=size).graph
        assert parameters(graph) == EXPECTED["vgg16"][1]
    with pytest.raises(GraphError, match=r"vgg16: size must be at least 32, found 31"):
        build("vgg16", size=31)
    with pytest.raises(GraphError, match=r"vgg16: channels must be those of 5 stages"):
        build("vgg16", channels=(8, 8))


def test_mobilenet_v2_has_seventeen_blocks_of_which_ten_add() -> None:
    graph = build("mobilenet_v2").graph
    shapes = {n.name: n.output.shape[1:] for n in graph.operations}
    assert shapes["stem.relu6"] == (32, 112, 112)
    assert shapes["stage2.block1.project.norm"] == (24, 56, 56)
    assert shapes["stage7.block1.project.norm"] == (320, 7, 7)
    kinds = [n.op.name for n in graph.operations]
    assert (kinds.count("conv2d"), kinds.count("add")) == (52, 10)
    thin = {n.name: n.output.shape for n in build("mobilenet_v2", width=0.35).graph.operations}
    assert thin["stage1.block1.project.norm"][1] == 8  # 5.6 rounds up, since 90 % of it are more
    assert thin["last.conv"][1] == 1280


def test_unet_joins_each_level_with_its_skip() -> None:
    graph = build("unet").graph
    joins = {n.name: n for n in graph.operations if n.op.name == "concat"}
    assert list(joins) == ["up2.concat", "up1.concat"]
    assert joins["up1.concat"].inputs[0].node.name == "down1.conv2.relu"
    assert joins["up1.concat"].output.shape == (N, 32, 64, 64)


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(GraphError, match=r"unknown model 'resnet'.*did you mean 'resnet9'"):
        build("resnet")
