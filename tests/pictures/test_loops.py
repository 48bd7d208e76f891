"""A loop is one frame with its body inside, and an arrow from the body's end back to its start."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pictures.checks import check_lines, check_picture, check_texts, words
from pictures.networks import both_ways, nested, recurrent

import graphcnn as cnn
from graphcnn.ir.node import Value
from graphcnn.pictures import Picture, graph_picture
from graphcnn.pictures.parts.engine import ENGINES
from graphcnn.pictures.scene.scene import Box, Group, Path
from graphcnn.pictures.writers.dot import to_dot

NETWORKS: dict[str, Callable[[], cnn.Model]] = {
    "lstm": recurrent,
    "lstm both ways": both_ways,
    "gru both ways": lambda: both_ways("gru"),
    "nested": nested,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("detail", ["layers", "ops", "all", "blocks"])
@pytest.mark.parametrize("name", NETWORKS)
def test_everything_has_its_place(name: str, detail: str, direction: str, engine: str) -> None:
    picture = graph_picture(
        NETWORKS[name]().graph, detail=detail, direction=direction, engine=engine
    )
    check_texts(picture.scene)
    check_lines(picture.scene)
    if engine == "built-in":
        check_picture(picture)


def cards(picture: Picture) -> dict[str, Group]:
    return {group.key: group for group in picture.scene.groups("card")}


def frames(picture: Picture) -> dict[str, Box]:
    """The boxes of the loops, by the keys of their cards."""
    loops = json.loads(picture.json())["data"]["cards"]
    boxes = {key: group.box for key, group in cards(picture).items()}
    return {c["key"]: boxes[c["key"]] for c in loops if "steps" in c}  # type: ignore[misc]


@pytest.mark.parametrize("name", ["lstm both ways", "gru both ways"])
def test_blocks_leave_every_loop_its_frame(name: str) -> None:
    assert len(frames(graph_picture(NETWORKS[name]().graph, detail="blocks"))) == 2
    assert len(frames(graph_picture(cnn.models.crnn().graph))) == 2


def test_the_frame_says_how_often_and_holds_the_body() -> None:
    picture = graph_picture(recurrent().graph)
    ((key, frame),) = frames(picture).items()
    inside = {k: g for k, g in cards(picture).items() if k.startswith(f"{key}.")}
    assert "×12" in words(picture.scene)
    assert [g.label.partition(":")[0] for g in inside.values()][:4] == [
        "carry", "carry_2", "x", "recurrent",
    ]  # fmt: skip
    assert all(g.box and frame.contains(g.box) for g in inside.values())
    outside = [g for k, g in cards(picture).items() if k != key and k not in inside]
    assert not any(g.box and frame.overlaps(g.box) for g in outside)


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_the_carry_goes_from_the_end_of_the_body_to_its_start(direction: str) -> None:
    picture = graph_picture(recurrent().graph, direction=direction)
    ((key, _),) = frames(picture).items()
    named = {g.label.partition(":")[0]: k for k, g in cards(picture).items() if key in k}
    back = [
        group
        for group in picture.scene.groups("edge")
        if any(isinstance(i, Path) and i.paint == "carry" for i in group.items)
    ]
    assert {group.links for group in back} == {
        (named["carry0"], named["carry"]), (named["carry1"], named["carry_2"])
    }  # fmt: skip
    for group in back:
        line = group.items[0]
        assert isinstance(line, Path)
        first, last = line.steps[0][1:], line.steps[-1][1:]
        along = direction == "LR"  # the coordinate in which the network runs
        assert first[1 - along] > last[1 - along]
        start, end = (cards(picture)[k].box for k in group.links)
        assert start and end
        assert first == (
            (start.right, (start.top + start.bottom) / 2) if along else (start.center, start.bottom)
        )
    said = "carried to the next step: carry0 to carry; carry1 to carry_2"
    assert said in picture.text() and "carried to the next step" in words(picture.scene)


def test_inputs_say_what_comes_in() -> None:
    said = graph_picture(nested().graph).text()
    assert "carry: carried, first broadcast_to_1" in said
    assert "x: one step of transpose_1" in said
    assert "broadcast_to_2 at every step" in said
    assert "y0: one step of the result" in said


def test_shapes_stand_on_the_lines_inside() -> None:
    assert "32 f32 · 128 B" in words(graph_picture(recurrent().graph).scene)


def test_loops_in_loops_are_frames_in_frames() -> None:
    picture = graph_picture(nested().graph)
    (outer, inner) = frames(picture)
    assert inner.startswith(f"{outer}.") and {"×5", "×4"} <= set(words(picture.scene))


def test_backwards_is_said() -> None:
    text = graph_picture(both_ways().graph, detail="layers").text()
    assert "lstm.forward: loop of 6 steps," in text
    assert "lstm.backward: loop of 6 steps, backwards," in text


def test_work_in_a_loop_counts_as_often_as_it_is_done() -> None:
    facts = json.loads(graph_picture(recurrent().graph, color="macs").json())
    found: dict[str, dict[str, Any]] = {c["name"]: c for c in facts["data"]["cards"]}
    assert found["lstm"]["multiply_adds"] == 12 * found["recurrent"]["multiply_adds"] == 3072
    assert "3,072" in words(graph_picture(recurrent().graph, color="macs").scene)


def test_loops_that_are_alike_are_folded() -> None:
    x = cnn.input("x", (4, 3))
    y = x

    def step(c: Value, row: Value) -> tuple[Value, Value]:
        c = cnn.tanh(c + row)
        return c, c

    for i in range(3):
        y = cnn.relu(y)
        _, y = cnn.scan(step, cnn.max(y, axes=1), y, name=f"loop{i}")
    assert "×3" in words(graph_picture(cnn.Model(x, y).graph).scene)


def test_graphviz_has_a_box_and_a_line_back() -> None:
    source = to_dot(nested().graph).source
    assert r'label="rows × 5\n5 steps · 60 parameters"' in source
    assert r'label="columns × 4\n4 steps · 60 parameters"' in source
    back = re.findall(r"(\w+) -> (\w+) \[.*constraint=false", source)
    assert len(back) == 2 and all(a.rpartition("_")[0] == b.rpartition("_")[0] for a, b in back)
    ids = set(re.findall(r"^\s*(\w+) \[label", source, re.MULTILINE))
    ends = {end for pair in re.findall(r"^\s*(\w+) -> (\w+)", source, re.MULTILINE) for end in pair}
    assert ends == ids


@pytest.mark.parametrize("states", [False, True])
def test_graphviz_draws_every_network(states: bool) -> None:
    for make in NETWORKS.values():
        source = to_dot(make().graph, states=states).source
        ids = set(re.findall(r"^\s*(\w+) \[label", source, re.MULTILINE))
        lines = re.findall(r"^\s*(\w+) -> (\w+)", source, re.MULTILINE)
        assert {end for pair in lines for end in pair} <= ids


def test_a_training_step_is_drawn() -> None:
    graph = recurrent().training_graph("cross_entropy", "sgd")
    picture = graph_picture(graph, detail="layers")
    assert len(frames(picture)) >= 2
    check_lines(picture.scene)
