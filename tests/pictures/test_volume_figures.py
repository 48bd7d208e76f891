"""Volume figures: real values in every style, true lengths of vectors, rows, arcs, repeats."""

from itertools import pairwise

import numpy as np
import pytest
from pictures.checks import check_lines, check_picture, images
from pictures.networks import alexnet, densenet, residual

import graphcnn as cnn
from graphcnn.models import build
from graphcnn.pictures import Picture, volume_picture
from graphcnn.pictures.scene.fonts import at_commas, text_width
from graphcnn.pictures.scene.pixels import compressed, write_png
from graphcnn.pictures.scene.scene import Box, Group, Path, Rect, Text, shapes
from graphcnn.pictures.volume.volume import STYLES


def values(model: cnn.Model) -> dict[str, np.ndarray]:
    """Something else for every operator, by its name."""
    random = np.random.default_rng(0)
    return {
        n.name: random.normal(size=[d for d in n.outputs[0].shape if isinstance(d, int)])
        for n in model.graph.nodes
    }


def cards(picture: Picture) -> dict[str, Group]:
    return {g.label.split(":")[0]: g for g in picture.scene.groups("card")}


def bars(group: Group) -> list[Box]:
    return [s.box for s in shapes(group.items) if isinstance(s, Rect)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["lenet5", "unet", "vgg_cifar"])
def test_every_style_paints_every_tensor(name: str, style: str) -> None:
    model = build(name)
    picture = volume_picture(model.graph, style=style, paint=values(model))
    check_picture(picture)
    check_lines(picture.scene)
    painted = [g for g in picture.scene.groups("card") if images_of(g)]
    assert len(painted) == len(list(picture.scene.groups("card")))
    assert "black is the smallest value" in picture.text()


def images_of(group: Group) -> int:
    return sum(type(s).__name__ == "Image" for s in shapes(group.items))


@pytest.mark.parametrize("style", ["bars", "unet"])
def test_painted_bars_show_maps_in_their_true_proportions(style: str) -> None:
    image = cnn.input("image", (1, 8, 16))
    model = cnn.Model(image, cnn.conv2d(image, 4, 1, name="conv"), name="wide")
    picture = volume_picture(model.graph, style=style, scale="linear", paint=values(model))
    for found in images(picture.scene):
        assert (found.rows, found.columns) == (8, 16)
        assert found.across[0] == pytest.approx(2 * found.down[1]) and found.down[0] == 0
    # Four channels lie four times as deep as one.
    sides = [s for s in shapes(picture.scene.items)
             if isinstance(s, Path) and s.paint.endswith("_front")]  # fmt: skip
    deep = [side.steps[1][1] - side.steps[0][1] for side in sides]
    assert len(deep) == 2 and deep[1] == pytest.approx(4 * deep[0])


def test_an_image_of_three_channels_is_painted_in_its_colours() -> None:
    model = build("vgg_cifar")
    red = np.zeros((3, 32, 32))
    red[0] = 1.0
    for style in STYLES:
        picture = volume_picture(model.graph, style=style, paint={"image": red})
        (found,) = images(picture.scene)
        assert found.png == write_png(np.full((32, 32, 3), (255, 0, 0), np.uint8))
        assert compressed(found.png)[0] == 3 and "the image in its colours" in picture.text()
    grey = volume_picture(build("lenet5").graph, paint={"image": np.zeros((1, 28, 28))})
    assert "in its colours" not in grey.text()
    # Three feature maps are no image: grey.
    x = cnn.input("x", (1, 4, 4))
    three = cnn.Model(x, cnn.conv2d(x, 3, 1, name="conv"))
    picture = volume_picture(three.graph, paint={"conv": np.ones((3, 4, 4))})
    assert compressed(images(picture.scene)[0].png)[0] == 1


@pytest.mark.parametrize(
    ("scale", "share"), [("sqrt", (1000 / 4096) ** 0.5), ("linear", 1000 / 4096)]
)
def test_vectors_are_as_long_as_the_scale_says(scale: str, share: float) -> None:
    found = cards(volume_picture(alexnet().graph, scale=scale))
    (long,), (same,), (short,) = (bars(found[name]) for name in ("fc6", "fc7", "fc8"))
    assert long.height == same.height == pytest.approx(128)
    assert short.height == pytest.approx(128 * share)


def test_lines_that_become_vectors_leave_the_face() -> None:
    picture = volume_picture(alexnet().graph)
    face = [s for s in cards(picture)["pool5"].items if isinstance(s, Path)][1]
    corners = {step[1:] for step in face.steps if len(step) == 3}
    leaders = [s for g in picture.scene.groups("edge") for s in g.items
               if isinstance(s, Path) and s.paint == "leader"]  # fmt: skip
    assert len(leaders) == 2 and {s.steps[0][1:] for s in leaders} <= corners
    # A vector that stays one has an arrow.
    paints = [s.paint for g in volume_picture(build("resnet18").graph).scene.groups("edge")
              for s in g.items if isinstance(s, Path)]  # fmt: skip
    assert "leader" not in paints


def arcs(picture: Picture) -> dict[tuple[str, ...], float]:
    """The height of each arc, by what it joins."""
    found = {}
    for group in picture.scene.groups("edge"):
        path = group.items[0]
        if isinstance(path, Path) and path.paint == "skip":
            found[group.links] = min(step[-1] for step in path.steps if len(step) > 1)
    return found


@pytest.mark.parametrize("style", STYLES)
def test_all_that_reads_a_tensor_shares_its_arc(style: str) -> None:
    heights: dict[str, set[float]] = {}
    for (source, _), y in arcs(volume_picture(densenet().graph, style=style)).items():
        heights.setdefault(source, set()).add(y)
    assert len(heights) == 4 and all(len(ys) == 1 for ys in heights.values())
    assert len({y for ys in heights.values() for y in ys}) == 4


@pytest.mark.parametrize("style", STYLES)
def test_arcs_enter_side_by_side_without_crossing(style: str) -> None:
    picture = volume_picture(densenet().graph, style=style)
    entering: dict[str, list[tuple[float, float]]] = {}  # height of the arc, place of its end
    for group in picture.scene.groups("edge"):
        path = group.items[0]
        if isinstance(path, Path) and path.paint == "skip":
            ys = [step[-1] for step in path.steps]
            entering.setdefault(group.links[1], []).append((-min(ys), path.steps[-1][1]))
    assert sorted(map(len, entering.values())) == [1, 2, 3, 4]
    boxes = {g.key: g.box for g in picture.scene.groups("card")}
    for target, ends in entering.items():
        places = [x for _, x in sorted(ends)]  # from the lowest arc to the highest
        assert all(b - a >= 3 for a, b in pairwise(places))
        box = boxes[target]
        assert box and box.left <= places[0] and places[-1] <= box.right


def test_one_row_where_a_skip_holds_most_of_it() -> None:
    picture = volume_picture(build("unet").graph)
    assert len({g.box.bottom for g in picture.scene.groups("card") if g.box}) == 1
    assert not [s for s in picture.scene.items if isinstance(s, Text) and s.text == "1"]


def test_long_rows_break_where_one_tensor_is_alive() -> None:
    """Skips through all of a network: a sign above what they enter."""
    x = image = cnn.input("image", (8, 16, 16))
    for i in range(24):
        y = cnn.conv2d(x, 8, 3, padding=1 + i % 2, dilation=1 + i % 2, name=f"conv{i}")
        x = cnn.add(x, cnn.relu(y), name=f"add{i}")
    picture = volume_picture(cnn.Model(image, x, name="long").graph, fold=False)
    check_picture(picture)
    check_lines(picture.scene)
    assert picture.scene.width < 1400
    above = 0
    boxes = {g.key: g.box for g in picture.scene.groups("card")}
    for edge in picture.scene.groups("edge"):
        signs = [s for s in edge.items if isinstance(s, Text)]
        if len(signs) == 2:
            assert signs[0].text == signs[1].text
            target = boxes[edge.links[1]]
            assert target
            above += signs[1].y < target.top and target.left < signs[1].x < target.right
    assert above >= 3


def test_repeated_runs_stand_in_a_frame() -> None:
    picture = volume_picture(residual(6).graph)
    (frame,) = picture.scene.groups("frame")
    assert frame.label == "block0–5: repeated 6 times" and frame.box
    inside = [name for name, g in cards(picture).items() if g.box and frame.box.contains(g.box)]
    assert inside == ["block0.conv1", "block0.conv2", "block0.add"]
    texts = [s.text for s in shapes(picture.scene.items) if isinstance(s, Text)]
    assert texts.count("×6") == 1 and "add" not in texts  # the sign + says it, and the name
    # A block of one tensor has its count behind its name.
    x = image = cnn.input("image", (4, 8, 8))
    for i in range(4):
        x = cnn.conv2d(x, 4, 3, padding=1, name=f"c{i}")
    picture = volume_picture(cnn.Model(image, x).graph)
    assert not list(picture.scene.groups("frame"))
    assert "c0 ×4" in [s.text for s in shapes(picture.scene.items) if isinstance(s, Text)]


def test_texts_break_at_commas() -> None:
    text = "conv2d 3×3, stride 2, padding 1, groups 136"
    lines = at_commas(text, 8.5, 100)
    assert " ".join(lines) == text and len(lines) > 1
    assert all(text_width(line, 8.5) <= 100 for line in lines)
    assert at_commas("dense", 8.5, 100) == ["dense"] and at_commas("", 8.5, 9) == [""]
