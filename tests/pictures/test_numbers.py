"""What the cards say of four networks, layer by layer, against tables worked out by hand.

A layer of k×k windows has k·k·C·O weights and O biases, and as many multiply-adds as weights times
places of its output. The field of view grows by (k − 1) · jump, and the jump by the stride.
"""

import json
from collections.abc import Callable

import pytest
from pictures.networks import alexnet, vgg16

import graphcnn as cnn
from graphcnn.models import build
from graphcnn.pictures import graph_picture

Row = tuple[int, int, int | None, int | None]  # parameters, multiply-adds, field, jump

LENET5: dict[str, Row] = {
    "C1": (156, 117_600, 5, 1),
    "S2": (0, 0, 6, 2),
    "C3": (2_416, 240_000, 14, 2),
    "S4": (0, 0, 16, 4),
    "C5": (48_120, 48_000, None, None),
    "F6": (10_164, 10_080, None, None),
    "logits": (850, 840, None, None),
}

ALEXNET: dict[str, Row] = {
    "conv1": (34_944, 105_415_200, 11, 4),
    "pool1": (0, 0, 19, 8),
    "conv2": (614_656, 447_897_600, 51, 8),
    "pool2": (0, 0, 67, 16),
    "conv3": (885_120, 149_520_384, 99, 16),
    "conv4": (1_327_488, 224_280_576, 131, 16),
    "conv5": (884_992, 149_520_384, 163, 16),
    "pool5": (0, 0, 195, 32),
    "fc6": (37_752_832, 37_748_736, None, None),
    "fc7": (16_781_312, 16_777_216, None, None),
    "fc8": (4_097_000, 4_096_000, None, None),
}

VGG16: dict[str, Row] = {
    "conv1_1": (1_792, 86_704_128, 3, 1),
    "conv1_2": (36_928, 1_849_688_064, 5, 1),
    "pool1": (0, 0, 6, 2),
    "conv2_1": (73_856, 924_844_032, 10, 2),
    "conv2_2": (147_584, 1_849_688_064, 14, 2),
    "pool2": (0, 0, 16, 4),
    "conv3_1": (295_168, 924_844_032, 24, 4),
    "conv3_2": (590_080, 1_849_688_064, 32, 4),
    "conv3_3": (590_080, 1_849_688_064, 40, 4),
    "pool3": (0, 0, 44, 8),
    "conv4_1": (1_180_160, 924_844_032, 60, 8),
    "conv4_2": (2_359_808, 1_849_688_064, 76, 8),
    "conv4_3": (2_359_808, 1_849_688_064, 92, 8),
    "pool4": (0, 0, 100, 16),
    "conv5_1": (2_359_808, 462_422_016, 132, 16),
    "conv5_2": (2_359_808, 462_422_016, 164, 16),
    "conv5_3": (2_359_808, 462_422_016, 196, 16),
    "pool5": (0, 0, 212, 32),
    "fc6": (102_764_544, 102_760_448, None, None),
    "fc7": (16_781_312, 16_777_216, None, None),
    "fc8": (4_097_000, 4_096_000, None, None),
}

# A convolution without bias, with 2 · C parameters of its normalisation: scale and shift.
RESNET18: dict[str, Row] = {
    "stem.conv": (9_536, 118_013_952, 7, 2),
    "stem.pool": (0, 0, 11, 4),
    "stage1.block1.conv1": (36_992, 115_605_504, 19, 4),
    "stage1.block1.conv2": (36_992, 115_605_504, 27, 4),
    "stage1.block2.conv1": (36_992, 115_605_504, 35, 4),
    "stage1.block2.conv2": (36_992, 115_605_504, 43, 4),
    "stage2.block1.shortcut": (8_448, 6_422_528, 43, 8),
    "stage2.block1.conv1": (73_984, 57_802_752, 51, 8),
    "stage2.block1.conv2": (147_712, 115_605_504, 67, 8),
    "stage2.block2.conv1": (147_712, 115_605_504, 83, 8),
    "stage2.block2.conv2": (147_712, 115_605_504, 99, 8),
    "stage3.block1.shortcut": (33_280, 6_422_528, 99, 16),
    "stage3.block1.conv1": (295_424, 57_802_752, 115, 16),
    "stage3.block1.conv2": (590_336, 115_605_504, 147, 16),
    "stage3.block2.conv1": (590_336, 115_605_504, 179, 16),
    "stage3.block2.conv2": (590_336, 115_605_504, 211, 16),
    "stage4.block1.shortcut": (132_096, 6_422_528, 211, 32),
    "stage4.block1.conv1": (1_180_672, 57_802_752, 243, 32),
    "stage4.block1.conv2": (2_360_320, 115_605_504, 307, 32),
    "stage4.block2.conv1": (2_360_320, 115_605_504, 371, 32),
    "stage4.block2.conv2": (2_360_320, 115_605_504, 435, 32),
    "logits": (513_000, 512_000, None, None),
}


@pytest.mark.parametrize(
    ("make", "table", "parameters", "work"),
    [
        (lambda: build("lenet5"), LENET5, 61_706, 416_520),
        (alexnet, ALEXNET, 62_378_344, 1_135_256_096),
        (vgg16, VGG16, 138_357_544, 15_470_264_320),
        (lambda: build("resnet18"), RESNET18, 11_689_512, 1_814_073_344),
    ],
    ids=["lenet5", "alexnet", "vgg16", "resnet18"],
)
def test_tables(
    make: Callable[[], cnn.Model], table: dict[str, Row], parameters: int, work: int
) -> None:
    picture = graph_picture(make().graph, fold=False, detail="layers")
    cards = json.loads(picture.json())["data"]["cards"]
    found = {card["name"]: card for card in cards if card["family"] != "input and output"}
    assert set(table) <= set(found)
    for name, card in found.items():
        expected = table.get(name, (0, 0, None, None))
        assert (card["parameters"], card["multiply_adds"]) == expected[:2], name
        if expected[2] is not None:
            assert card["receptive_field"] == [expected[2]] * 2, name
            assert card["jump"] == [expected[3]] * 2, name
    assert sum(row[0] for row in table.values()) == parameters
    assert sum(row[1] for row in table.values()) == work
    assert f"{parameters:,} parameters · {work:,} multiply-adds" in picture.text()


def test_cards_say_the_numbers_of_the_table() -> None:
    spoken = graph_picture(vgg16().graph, fold=False).text()
    assert "2,359,808 parameters, 462,422,016 multiply-adds, sees 196×196, step 16" in spoken
