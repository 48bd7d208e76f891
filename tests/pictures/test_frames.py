"""Frames of diagrams: what they are called, what they say of all copies, how lines pass them."""

import re
from itertools import pairwise

import pytest
from pictures.checks import check_lines, check_picture, text_box
from pictures.networks import residual, vgg16

import graphcnn as cnn
from graphcnn.models import build
from graphcnn.pictures import Picture, graph_picture
from graphcnn.pictures.content.content import content
from graphcnn.pictures.content.fold import fold
from graphcnn.pictures.scene.scene import Path, Rect, Text, shapes


def repeats(*names: str) -> list[str]:
    """Titles of the repeated blocks of a chain of equal convolutions with these names."""
    x = image = cnn.input("image", (4, 8, 8))
    for name in names:
        x = cnn.conv2d(x, 4, 3, padding=1, name=name)
    return [frame.title for frame in fold(content(cnn.Model(image, x).graph, "layers")).frames]


def test_titles_count_where_the_names_do() -> None:
    assert repeats("c1", "c2", "c3") == ["c1–3"]
    assert repeats("s.c9", "s.c10", "s.c11") == ["s.c9–11"]
    # Numbers that count something else, and names without.
    assert repeats("n17", "n29", "n41") == ["n17 … n41"]
    assert repeats("c3", "c2", "c1") == ["c3 … c1"]
    assert repeats("a.x", "a.y", "b.z") == ["a.x … b.z"]
    assert repeats("7", "8", "9") == ["7 … 9"]


def notes_of(picture: Picture) -> list[str]:
    found = []
    for frame in picture.scene.groups("frame"):
        assert frame.box
        texts = [i for i in frame.items if isinstance(i, Text) and i.text]
        if any(t.paint == "badge_text" for t in texts):
            found += [t.text for t in texts if t.paint == "muted" and not t.bold]
        for one, other in pairwise(sorted(texts, key=lambda t: (t.y, t.x))):
            assert one.y != other.y or not text_box(one).overlaps(text_box(other))
    return found


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_frames_say_the_totals_of_all_copies(direction: str) -> None:
    picture = graph_picture(residual(6).graph, direction=direction)
    check_picture(picture)
    check_lines(picture.scene)
    said = " · ".join(notes_of(picture))
    for note in ("7,104 params", "1.77 M mult-adds", "8×16×16", "outputs 144 KiB"):
        assert note in said


def framed(picture: Picture) -> list[str]:
    """The first text of every frame: its title."""
    groups = picture.scene.groups("frame")
    return [next(i.text for i in g.items if isinstance(i, Text)) for g in groups]


def test_a_scope_that_is_all_of_another_has_one_frame() -> None:
    x = image = cnn.input("image", (4, 8, 8))
    x = cnn.conv2d(x, 4, 3, name="first")
    with cnn.scope("outer"), cnn.scope("inner"):
        x = cnn.conv2d(cnn.relu(cnn.conv2d(x, 8, 3, name="c1"), name="r1"), 4, 1, name="c2")
    alone = cnn.Model(image, cnn.conv2d(x, 5, 1, name="last"))
    assert framed(graph_picture(alone.graph)) == ["outer.inner"]
    with cnn.scope("outer"):
        more = cnn.Model(image, cnn.conv2d(x, 5, 1, name="last"))
    assert framed(graph_picture(more.graph)) == ["outer", "outer.inner"]


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize(("blocks", "layers"), [(2, 7), (5, 9)])
def test_a_repeated_block_stays_in_one_column(blocks: int, layers: int, direction: str) -> None:
    """Blocks that are there twice, of an odd number of layers: a shorter repeat has none."""
    x = image = cnn.input("image", (4, 8, 8))
    for k in range(blocks):
        x = cnn.conv2d(x, 4 * k + 4, 3, padding=1, name=f"widen{k}")
        for copy in range(2):
            with cnn.scope(f"part{k}.block{copy}"):
                for layer in range(layers):
                    side = layer % 2
                    x = cnn.conv2d(x, 4 * k + 4, 2 * side + 1, padding=side, name=f"conv{layer}")
    picture = graph_picture(cnn.Model(image, x).graph, direction=direction)
    check_picture(picture)
    titles = framed(picture)
    assert len(titles) > blocks and not [t for t in titles if t.startswith("…")]
    assert picture.text().count("×2") >= blocks


def test_shapes_that_differ_are_a_range() -> None:
    x = image = cnn.input("image", (8, 4, 4))
    for i in range(3):
        with cnn.scope(f"b{i}"):
            x = cnn.conv2d(cnn.conv2d(x, 2, 1, name="narrow"), 8, 1, name="wide")
    (frame,) = fold(content(cnn.Model(image, x).graph, "layers")).frames
    assert frame.notes[2] == "2×4×4 to 8×4×4"


def test_numbers_are_left_out_rather_than_cut() -> None:
    assert not any("…" in note for note in notes_of(graph_picture(vgg16().graph)))
    x = image = cnn.input("image", (2000, 112, 112))
    for i in range(3):
        with cnn.scope(f"b{i}"):
            x = cnn.conv2d(cnn.conv2d(x, 1000, 1, name="a"), 2000, 1, name="b")
    model = cnn.Model(image, x)
    (frame,) = fold(content(model.graph, "layers")).frames
    assert frame.notes[2] == "1000×112×112 to 2000×112×112"
    picture = graph_picture(model.graph)
    check_picture(picture)
    notes = notes_of(picture)
    assert frame.notes[2] not in notes and not any("…" in note for note in notes)
    assert frame.notes[0] in notes and frame.notes[2] in picture.text()


def test_frames_without_weights_keep_their_numbers_in_place() -> None:
    x = image = cnn.input("image", (1, 64, 64))
    for i in range(3):
        with cnn.scope(f"b{i}"):
            x = cnn.max_pool2d(cnn.neg(x, name="n"), 3, stride=1, padding=1, name="p")
    (frame,) = fold(content(cnn.Model(image, x).graph, "layers")).frames
    assert frame.notes == ("", "", "1×64×64", "outputs 96 KiB")


@pytest.mark.parametrize("name", ["resnet18", "unet", "autoencoder", "squeezenet"])
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_lines_do_not_run_along_frames(name: str, direction: str) -> None:
    scene = graph_picture(build(name).graph, direction=direction).scene
    frames = [i.box for g in scene.groups("frame") for i in g.items if isinstance(i, Rect)]
    for edge in scene.groups("edge"):
        path = edge.items[0]
        assert isinstance(path, Path)
        for one, other in pairwise(step[-2:] for step in path.steps):
            (x0, y0), (x1, y1) = sorted((one, other))
            for box in frames:
                if y0 == y1 and x0 < box.right - 9 and box.left + 9 < x1:
                    assert min(abs(y0 - box.top), abs(y0 - box.bottom)) >= 2.5, edge.links
                if x0 == x1 and y0 < box.bottom - 9 and box.top + 9 < y1:
                    assert min(abs(x0 - box.left), abs(x0 - box.right)) >= 2.5, edge.links


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "autoencoder"])
def test_weights_on_cards_of_their_own_do_not_bend_the_main_line(name: str) -> None:
    picture = graph_picture(build(name).graph, detail="all")
    states = {
        g.key
        for g in picture.scene.groups("card")
        if g.label.split(", ")[0].endswith((": parameter", ": statistic"))
    }
    main = [g for g in picture.scene.groups("edge") if g.links[0] not in states]
    assert len(states) > 5 and len(main) > 5
    for edge in main:
        path = edge.items[0]
        assert isinstance(path, Path)
        assert not [step for step in path.steps if step[0] == "C"], edge.links


def test_the_largest_are_outlined_on_their_border() -> None:
    """Outside it the line would lie on the text of a frame."""
    picture = graph_picture(build("resnet18").graph, color="macs", detail="ops")
    outlined = 0
    for card in picture.scene.groups("card"):
        for item in card.items:
            if isinstance(item, Rect) and item.paint == "outline":
                outlined += 1
                assert item.box == card.box
    assert outlined == 3


def test_only_maps_have_a_step() -> None:
    for name in ("lenet5", "resnet18"):
        for card in graph_picture(build(name).graph).scene.groups("card"):
            if re.search(r"output \d+(×1×1)?,", card.label):
                assert "sees" in card.label and "step" not in card.label
    texts = [s.text for s in shapes(graph_picture(build("lenet5").graph).scene.items)
             if isinstance(s, Text)]  # fmt: skip
    assert "sees 28×28" in texts and "sees 5×5, step 1" in texts


@pytest.mark.parametrize("name", ["resnet18", "squeezenet", "unet", "vgg_cifar"])
def test_a_page_shows_diagrams_large_enough_to_read(name: str) -> None:
    """Texts of 9.5 pixels on a page of 900 are at least 6.5 high; and it is not a ribbon."""
    scene = graph_picture(build(name).graph).scene
    assert scene.width <= 1300 and scene.height < 2 * scene.width
