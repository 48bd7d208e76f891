"""Ten pictures as they were when somebody last looked at them.

After a change that is meant, look at the new pictures and write their digests down again:

    python tests/pictures/test_golden.py FOLDER

draws them to FOLDER as SVG and renews golden.json.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures.networks import alexnet, densenet, inception, residual, vgg16

import graphcnn as cnn
from graphcnn.pictures import (
    Picture,
    difference_picture,
    graph_picture,
    training_picture,
    volume_picture,
)

GOLDEN = Path(__file__).with_name("golden.json")


def changed() -> Picture:
    before = residual(2).graph
    return difference_picture(before, residual(1).graph, name="one block less")


def trained() -> Picture:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.max_pool2d(cnn.conv2d(image, 4, 3, activation="relu", name="conv"), 2, name="pool")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits"), name="small")
    return training_picture(model.training_graph("cross_entropy", "sgd"))


PICTURES: dict[str, Callable[[], Picture]] = {
    "alexnet-box": lambda: volume_picture(alexnet().graph),
    "alexnet-lenet": lambda: volume_picture(alexnet().graph, style="lenet"),
    "densenet": lambda: graph_picture(densenet().graph),
    "densenet-u": lambda: volume_picture(densenet().graph, style="unet"),
    "difference": changed,
    "inception": lambda: graph_picture(inception().graph),
    "inception-right": lambda: graph_picture(inception().graph, direction="LR", color="macs"),
    "residual": lambda: graph_picture(residual(6).graph),
    "training": trained,
    "vgg16": lambda: graph_picture(vgg16().graph),
}


def digest(picture: Picture) -> str:
    """Of the SVG, without the places in source files, the identifiers made of them and digests."""
    svg = re.sub(r"<title>[^<]*</title>|\bg[0-9a-f]{4}\b|graph [0-9a-f]{8}", "", picture.svg())
    return hashlib.sha256(svg.encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", PICTURES)
def test_as_last_looked_at(name: str) -> None:
    found = digest(PICTURES[name]())
    assert found == json.loads(GOLDEN.read_text())[name], f"look at it, then see {Path(__file__)}"


if __name__ == "__main__":
    made = {name: make() for name, make in PICTURES.items()}
    for name, picture in made.items():
        picture.save(Path(sys.argv[1]) / f"{name}.svg")
    text = json.dumps({name: digest(picture) for name, picture in made.items()}, indent=1)
    GOLDEN.write_text(text + "\n")
