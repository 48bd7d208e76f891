"""Tabs of weights on the cards, and ties between cards that share them."""

import json
from itertools import pairwise

from pictures.checks import check_lines, check_picture

import graphcnn as cnn
from graphcnn.ir.node import Value
from graphcnn.models import build
from graphcnn.pictures import Picture, graph_picture
from graphcnn.pictures.scene.scene import Group, Path, Text, shapes


def tabs(picture: Picture) -> dict[str, list[str]]:
    """The texts of the tabs, by card."""
    found: dict[str, list[str]] = {}
    for card in picture.scene.groups("card"):
        inside = [i for i, s in enumerate(card.items) if getattr(s, "paint", "") == "tab"]
        texts = card.items[inside[0] + 1 :] if inside else ()
        found[card.label.split(":")[0]] = [s.text for s in texts if isinstance(s, Text)]
    return found


def test_shapes_of_weights_stand_on_tabs() -> None:
    found = tabs(graph_picture(build("lenet5").graph))
    assert found["C1"] == ["W 6×1×5×5", "b 6"] and found["C5"] == ["W 120×400", "b 120"]
    assert found["S2"] == found["image"] == []
    (conv, *_) = (t for n, t in tabs(graph_picture(build("vgg_cifar").graph)).items() if "1" in n)
    assert conv[0].startswith("W ") and conv[-1].startswith("γ β μ σ² ")
    assert not any(tabs(graph_picture(build("lenet5").graph, detail="all")).values())


def test_tabs_are_facts_too() -> None:
    data = json.loads(graph_picture(build("lenet5").graph).json())["data"]
    (c1,) = (card for card in data["cards"] if card["name"] == "C1")
    assert c1["weights"][0] == {"letters": "W", "shape": "6×1×5×5", "shared": ""}


def shared(count: int, beside: bool = False) -> cnn.Model:
    """Convolutions with one kernel: in a row with others between them, or side by side."""
    weight = cnn.parameter((1, 1, 3, 3), name="w")

    def conv(x: Value, name: str) -> Value:
        return cnn.conv2d(x, 1, 3, weight=weight, bias=False, padding=1, name=name)

    if beside:
        images = [cnn.input(f"image{i}", (1, 8, 8)) for i in range(count)]
        x = conv(images[0], "c0")
        for i in range(1, count):
            x = cnn.add(x, conv(images[i], f"c{i}"), name=f"sum{i}")
        return cnn.Model(images, x, name="beside")
    x = image = cnn.input("image", (1, 8, 8))
    for i in range(count):
        x = conv(x, f"c{i}")
        x = cnn.conv2d(x, 1, 3, padding=1, name=f"other{i}")
    return cnn.Model(image, x, name="row")


def ends(tie: Group) -> tuple[tuple[float, float], tuple[float, float]]:
    (path,) = tie.items
    assert isinstance(path, Path)
    return path.steps[0][1:], path.steps[-1][1:]  # type: ignore[return-value]


def test_shared_weights_are_named_and_tied() -> None:
    for model in (shared(3), shared(2, beside=True)):
        picture = graph_picture(model.graph, fold=False, wrap=False)
        check_picture(picture)
        check_lines(picture.scene)
        found = tabs(picture)
        users = [n for n in found if n.startswith("c")]
        assert all(found[n] == ["w: W 1×1×3×3"] for n in users)
        ties = list(picture.scene.groups("tie"))
        assert len(ties) == len(users) - 1
        boxes = {g.key: g.box for g in picture.scene.groups("card")}
        for tie in ties:
            for key, (x, y) in zip(
                tie.links, sorted(ends(tie), key=lambda p: p[::-1]), strict=True
            ):
                box = boxes[key]
                assert box and box.top < y < box.bottom and x in (box.left, box.right)
        assert "shared weights" in picture.text()


def test_ties_keep_clear_of_cards() -> None:
    picture = graph_picture(shared(3).graph, fold=False, wrap=False)
    cards = [g.box for g in picture.scene.groups("card") if g.box]
    for tie in picture.scene.groups("tie"):
        (path,) = tie.items
        assert isinstance(path, Path)
        for (_, x0, y0), (_, x1, y1) in pairwise(path.steps):
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            assert not any(b.left < x < b.right and b.top < y < b.bottom for b in cards)


def test_networks_without_shared_weights_have_no_ties() -> None:
    picture = graph_picture(build("resnet18").graph)
    assert not list(picture.scene.groups("tie")) and "shared weights" not in picture.text()
    assert all(isinstance(s.text, str) for s in shapes(picture.scene.items) if isinstance(s, Text))
