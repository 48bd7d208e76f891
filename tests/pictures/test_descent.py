"""Ways down a function of two numbers: all points are kept, and what leaves the frame is cut."""

import pytest
from pictures.checks import check_picture, check_texts

from graphcnn.errors import DataError
from graphcnn.pictures import descent_picture


def test_ways_down() -> None:
    ways = {"straight": [(0.9 - 0.1 * i, 0.0) for i in range(10)], "leaves": [(0.0, 0.5), (9, 9)]}
    picture = descent_picture(ways, lambda x, y: x * x + y * y, (-1, -1), (1, 1), lowest=(0, 0))
    check_picture(picture)
    check_texts(picture.scene)
    assert picture.scene.data["paths"]["leaves"] == [[0.0, 0.5], [9, 9]]
    text = picture.text()
    assert "leaves: 1.6e+02 after 1 steps" in text and "lowest: straight" in text
    with pytest.raises(DataError, match="one path at least, each with its points"):
        descent_picture({"none": []}, lambda x, y: x, (0, 0), (1, 1))
