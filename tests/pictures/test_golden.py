"""Pictures as they were when somebody last looked at them, as text that a review can read.

After a change that is meant, look at the new pictures and write them down again:

    python tests/pictures/test_golden.py FOLDER

draws them to FOLDER as SVG and renews the files in golden/.
"""

import sys
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import numpy as np
import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from pictures.charts import charts
from pictures.networks import (
    alexnet,
    both_ways,
    densenet,
    inception,
    nested,
    recurrent,
    residual,
    vgg16,
)
from pictures.scene_text import scene_text

import graphcnn as cnn
from graphcnn.models import MODELS
from graphcnn.pictures import (
    Picture,
    confusion_picture,
    conv_steps,
    curves_picture,
    difference_picture,
    graph_picture,
    training_picture,
    volume_picture,
)
from graphcnn.tools import xo_story

GOLDEN = Path(__file__).with_name("golden")


def changed() -> Picture:
    before = residual(2).graph
    return difference_picture(before, residual(1).graph, name="one block less")


def trained() -> Picture:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.max_pool2d(cnn.conv2d(image, 4, 3, activation="relu", name="conv"), 2, name="pool")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits"), name="small")
    return training_picture(model.training_graph("cross_entropy", "sgd"))


def shared() -> Picture:
    image = cnn.input("image", (4, 4, 4))
    y = cnn.conv2d(image, 4, 3, padding=1, stride=2, groups=2, bias=False, name="conv")
    model = cnn.Model(image, y, name="grouped").initialize(0)
    return model.lens().dense_form("conv").picture


def run() -> Picture:
    rows = [{"loss": 2.0 / e, "val_loss": 1.5 / e + 0.01 * e, "val_accuracy": 1 - 1 / e}
            for e in range(1, 21)]  # fmt: skip
    return curves_picture(rows, rates=[0.1 * 0.8**e for e in range(20)], resumed=[7.5])


def confused() -> Picture:
    counts = [[40, 2, 0, 1], [3, 37, 0, 0], [0, 0, 0, 0], [0, 9, 1, 30]]
    return confusion_picture(np.array(counts), ["cat", "dog", "eel", "a long name"], order="error")


PICTURES: dict[str, Callable[[], Picture]] = {
    "alexnet-box": lambda: volume_picture(alexnet().graph),
    "alexnet-lenet": lambda: volume_picture(alexnet().graph, style="lenet"),
    "charts": charts,
    "confusion": confused,
    "curves": run,
    "dense-form": shared,
    "densenet": lambda: graph_picture(densenet().graph),
    "densenet-u": lambda: volume_picture(densenet().graph, style="unet"),
    "difference": changed,
    "inception": lambda: graph_picture(inception().graph),
    "inception-right": lambda: graph_picture(inception().graph, direction="LR", color="macs"),
    "loop": lambda: graph_picture(recurrent().graph),
    "loop-right": lambda: graph_picture(recurrent().graph, direction="LR", color="macs"),
    "loops-both-ways": lambda: graph_picture(both_ways().graph, detail="layers"),
    "loops-nested": lambda: graph_picture(nested().graph),
    "repeated-twice": lambda: graph_picture(residual(2).graph),
    "repeated-twice-box": lambda: volume_picture(residual(2).graph),
    "repeated-twice-u": lambda: volume_picture(residual(2).graph, style="unet"),
    "residual": lambda: graph_picture(residual(6).graph),
    "resnet18": lambda: graph_picture(MODELS["resnet18"]().graph),
    "steps-of-a-pool": lambda: conv_steps("max_pool2d", size=(4, 5)),
    "steps-of-a-stride": lambda: conv_steps(size=(3, 4), kernel=2, stride=2).strip(),
    "training": trained,
    "vgg16": lambda: graph_picture(vgg16().graph),
    "xo": xo_story.picture,
}


def difference(name: str, found: str) -> str:
    """Empty where a picture is what it was, else the lines that changed."""
    kept = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    return "\n".join(unified_diff(kept.splitlines(), found.splitlines(), lineterm="", n=1))


@pytest.mark.parametrize("name", PICTURES)
def test_as_last_looked_at(name: str) -> None:
    picture = PICTURES[name]()
    changed = difference(name, scene_text(picture))
    assert not changed, f"look at it, then see {Path(__file__)}:\n{changed}"
    again = PICTURES[name]()
    for write in (Picture.svg, Picture.html, Picture.pdf, Picture.tikz, Picture.json):
        assert write(picture) == write(again)


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(PICTURES)


if __name__ == "__main__":
    for name, make in PICTURES.items():
        picture = make()
        if len(sys.argv) > 1:
            Path(sys.argv[1]).mkdir(exist_ok=True)
            picture.save(Path(sys.argv[1]) / f"{name}.svg")
        (GOLDEN / f"{name}.txt").write_text(scene_text(picture), encoding="utf-8")
