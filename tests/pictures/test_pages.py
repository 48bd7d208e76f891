"""Long pictures on a page: columns that lines pass, panels of training steps, film strips."""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from pictures.checks import check_lines, check_picture
from pictures.networks import densenet, residual

import graphcnn as cnn
from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.graph import Graph
from graphcnn.models import build
from graphcnn.pictures import Picture, graph_picture, passes_picture, training_picture
from graphcnn.pictures.parts.panels import TALL
from graphcnn.pictures.scene.scene import Path, Text, shapes


@pytest.mark.parametrize("make", [lambda: build("unet"), densenet, lambda: build("resnet18"),
                                  lambda: build("squeezenet")])  # fmt: skip
def test_networks_fill_a_page(make: Callable[[], cnn.Model]) -> None:
    scene = graph_picture(make().graph).scene
    assert 0.5 <= scene.width / scene.height <= 2


def test_skips_that_go_on_in_the_next_column_keep_apart() -> None:
    picture = graph_picture(build("unet").graph)
    check_lines(picture.scene)
    # Where lines turn into the next column they run level: no two of them on the same height.
    levels: list[tuple[float, float, float, str]] = []
    for edge in picture.scene.groups("edge"):
        path = edge.items[0]
        assert isinstance(path, Path)
        for a, b in zip(path.steps, path.steps[1:], strict=False):
            if b[0] == "L" and a[-1] == b[-1] and abs(a[-2] - b[-2]) > 40:
                levels.append((b[-1], *sorted((a[-2], b[-2])), edge.links[0]))
    assert len(levels) >= 6
    for level, left, right, source in levels:
        for other, begin, end, another in levels:
            meet = begin < right and left < end and abs(level - other) < 3
            assert not meet or source == another


def texts(picture: Picture) -> list[str]:
    return [s.text for s in shapes(picture.scene.items) if isinstance(s, Text)]


def test_long_training_steps_stand_in_panels() -> None:
    picture = training_picture(residual(8).training_graph("mse", "sgd"))
    check_picture(picture)
    scene = picture.scene
    assert scene.height > 1000 and scene.width / scene.height > 0.5
    # The legend says "forward" once more.
    assert texts(picture).count("backward") == texts(picture).count("forward") - 1 > 1
    leaving = Counter(re.findall(r"^→ (\d+)$", "\n".join(texts(picture)), re.M))
    entering = Counter(re.findall(r"^(\d+) →$", "\n".join(texts(picture)), re.M))
    assert leaving and set(leaving) == set(entering), "every number leaves and enters"
    assert set(leaving.values()) == {1}


def test_lines_stay_in_their_panel() -> None:
    picture = training_picture(residual(8).training_graph("mse", "sgd"))
    heads = [g.box.left for g in picture.scene.groups("label")
             if g.box and any(getattr(i, "text", "") == "forward" for i in g.items)]  # fmt: skip

    def panel(x: float) -> int:
        return sum(x >= left - 40 for left in heads)

    for edge in picture.scene.groups("edge"):
        path = edge.items[0]
        assert isinstance(path, Path)
        assert len({panel(step[-2]) for step in path.steps}) == 1


def test_short_training_steps_stay_whole() -> None:
    picture = training_picture(build("lenet5").training_graph())
    assert texts(picture).count("backward") == 1 and picture.scene.height < TALL + 200


def test_running_statistics_are_updated_beside_their_layer() -> None:
    picture = training_picture(build("vgg_cifar").training_graph())
    boxes = {g.label: g.box for g in picture.scene.groups("card")}
    layer = next(b for t, b in boxes.items() if t.startswith("forward stage1.norm1:"))
    update = next(b for t, b in boxes.items() if t.startswith("update of stage1.norm1.variance:"))
    assert layer and update and layer.top <= update.top <= layer.bottom


def steps(name: str) -> list[tuple[str, Graph, Graph]]:
    model = build(name)
    found: list[tuple[str, Graph, Graph]] = []
    inference_graph(
        model.graph, model.states, trace=lambda a: found.append((a.by.name, a.before, a.after))
    )
    return found


def test_arithmetic_on_weights_is_told_in_one_row() -> None:
    picture = passes_picture(steps("vgg_cifar"))
    check_picture(picture)
    told = [g.label for g in picture.scene.groups("card") if "on weights" in g.label]
    assert any(t.startswith("~ changed") for t in told)
    # The operators of a folded normalisation are never listed one by one.
    rows = [
        g.label for g in picture.scene.groups("card") if re.search(r": (add|div|sqrt),", g.label)
    ]
    assert not rows
