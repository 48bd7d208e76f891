"""Arrays as pictures: what a colour stands for, and sheets of tiles."""

import numpy as np
import pytest
from pictures.checks import check_picture, words

from graphcnn.errors import DataError
from graphcnn.pictures.raster.colors import blended, image_pixels, signed, sizes
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, hundredths, number
from graphcnn.pictures.scene.scene import Text, shapes


def test_white_is_nothing_and_both_ends_are_equally_far() -> None:
    colors = signed([[-2.0, 0.0, 1.0, 2.0]])
    assert colors[0, 1].min() >= 250, "0 is white whatever the numbers around it are"
    assert colors[0, 0, 2] > colors[0, 0, 0] and colors[0, 3, 0] > colors[0, 3, 2]
    assert (signed([[1.0]], most=4.0) == signed([[1.0, 4.0]])[:, :1]).all()
    assert (sizes([[0.0]], 1.0) == 255).all()
    assert (signed(np.zeros((2, 2))) == signed([[0.0]])).all()


def test_an_image_looks_as_it_is() -> None:
    assert image_pixels([[0.0, 1.0]]).tolist() == [[0, 255]]
    color = np.zeros((3, 1, 1))
    color[0] = 1
    assert image_pixels(color).tolist() == [[[255, 0, 0]]]
    assert image_pixels(np.ones((2, 1, 1))).tolist() == [[255]]
    below, above = np.array([[100]], np.uint8), np.array([[[200, 0, 0]]], np.uint8)
    assert blended(below, above, np.array([[0.0]])).tolist() == [[[100, 100, 100]]]
    assert blended(below, above, np.array([[1.0]])).tolist() == [[[200, 0, 0]]]
    with pytest.raises(DataError, match=r"height and width, found an array of shape \(3,\)"):
        signed(np.zeros(3))


def test_numbers_are_short() -> None:
    assert [number(x) for x in (0, -0.0, 0.01234, -1.5, 1234567)] == [
        "0", "0", "0.0123", "−1.5", "1.23e+06"
    ]  # fmt: skip
    assert [hundredths(x) for x in (1, -0.004, -0.126)] == ["1.00", "0.00", "−0.13"]


@pytest.mark.parametrize("count", [1, 3, 23])
def test_a_sheet_is_a_picture_like_any_other(count: int) -> None:
    rng = np.random.default_rng(count)
    image = rng.random((3, 9, 12))
    tiles = [
        Tile(
            rng.normal(size=(9, 12)), "signed" if i % 2 else "size", f"map {i}",
            ("zero 12 %", "a line that says much more than a narrow tile has room for"),
            over=image if i % 3 == 0 else None, crossed=i == 1, marks=((1, 1, 4, 5),),
            group="first rows" if i < 4 else "others",
        )
        for i in range(count)
    ]  # fmt: skip
    picture = sheet_picture([Tile(image, title="image"), *tiles], "title", "subtitle", ["seed 0"])
    check_picture(picture)
    assert "map 0" in picture.text() and "seed 0" in picture.text()


def test_no_word_of_a_long_note_is_lost() -> None:
    note = " ".join(f"word{i}" for i in range(120))
    picture = sheet_picture([Tile(np.eye(3))], "title", "", [f"seed 0 · {note} · precision strict"])
    check_picture(picture)
    rows = [s.text for s in shapes(picture.scene.items) if isinstance(s, Text) and s.size < 10]
    assert note in " ".join(rows) and rows[-1].endswith("precision strict")


def test_a_tall_sheet_leaves_out_rows_evenly_and_says_so() -> None:
    tiles = [Tile(np.eye(4), title="t", group=f"layer{i}: told") for i in range(30)]
    picture = sheet_picture(tiles, "many")
    assert picture.scene.height < 3000
    shown = [line for line in words(picture.scene) if line.startswith("layer")]
    assert shown[0] == "layer0: told" and shown[-1] == "layer29: told"
    (says,) = (line for line in words(picture.scene) if "not shown" in line)
    assert says.startswith(f"{30 - len(shown)} of 30 rows are not shown: layer")
    check_picture(picture)


def test_images_larger_than_their_place_are_means_of_blocks() -> None:
    small = np.array([[0.0, 1.0, 0.2], [0.4, 0.6, 0.8]])
    large = small.repeat(2, 0).repeat(2, 1)
    assert Tile(large).png(3) == Tile(small).png()
    assert Tile(large[:, :5]).png(3) != Tile(large[:, :5]).png(), "the last block is half a one"
    assert Tile(large).png(5) == Tile(large).png(), "six cells in five pixels stay as they are"


def test_names_of_few_tiles_have_the_room_that_is_left() -> None:
    tiles = [Tile(np.eye(2), title="global_avg_pool2d_1: 128"), Tile(np.eye(2), title="logits")]
    assert tiles[0].title in words(sheet_picture(tiles, "units", columns=8).scene)
