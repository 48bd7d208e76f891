"""The picture of a memory plan: true places, ties, limits."""

import json
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from pictures.checks import check_picture

import graphcnn as cnn
from graphcnn.compile.native import planned
from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.plan import IN_ARENA, Plan
from graphcnn.models import build
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.pictures import Picture, plan_picture
from graphcnn.pictures.memory import _HEIGHT
from graphcnn.pictures.scene.scene import Path, shapes


@cache
def training() -> Plan:
    return planned(build("lenet5").training_graph("cross_entropy", "adam").bind(N=64))


@cache
def inference() -> Plan:
    return planned(inference_graph(build("resnet18", size=64).graph).bind(N=1))


def data(picture: Picture) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(picture.json())["data"]
    return found


@pytest.mark.parametrize("plan", [training, inference])
def test_plans(plan: Any) -> None:
    """No two rectangles overlap, which is what a plan promises."""
    check_picture(plan_picture(plan()))


@pytest.mark.parametrize("plan", [training, inference])
def test_rectangles_are_the_buffers_to_scale(plan: Any) -> None:
    made: Plan = plan()
    picture = plan_picture(made)
    arena = {b for b in made.buffers if b.role in IN_ARENA}
    cards = list(picture.scene.groups("card"))
    assert len(cards) == len(arena) == len(data(picture)["buffers"])
    low = max(c.box.bottom for c in cards if c.box)
    places = sorted((b.offset or 0, b.bytes) for b in arena)
    drawn = sorted(
        ((low - c.box.bottom) * made.arena_bytes / _HEIGHT, c.box.height) for c in cards if c.box
    )
    for (offset, size), (y, height) in zip(places, drawn, strict=True):
        assert y == pytest.approx(offset, abs=1)
        assert height * made.arena_bytes / _HEIGHT == pytest.approx(size, abs=1)


@pytest.mark.parametrize("plan", [training, inference])
def test_a_buffer_is_there_at_every_step_that_uses_it(plan: Any) -> None:
    made: Plan = plan()
    by_place = {(b["offset"], b["bytes"]): b for b in data(plan_picture(made))["buffers"]}
    spans: dict[tuple[int | None, int], list[int]] = {}
    for i, step in enumerate(made.steps):
        for b in (*step.reads, *step.writes, *([step.scratch] if step.scratch else [])):
            if (
                b.role in IN_ARENA
                and sum((o.offset, o.bytes) == (b.offset, b.bytes) for o in made.buffers) == 1
            ):
                spans.setdefault((b.offset, b.bytes), []).append(i)
    assert len(spans) > 5
    for place, steps in spans.items():
        drawn = by_place[place]
        assert drawn["first"] == min(steps)
        assert drawn["last"] in (max(steps), len(made.steps))


def test_the_limits() -> None:
    found = data(plan_picture(training()))
    assert max(found["alive"]) == found["lower_bound"] == training().lower_bound
    assert len(found["alive"]) == len(found["steps"]) == len(training().steps)
    text = plan_picture(training()).text()
    assert f"most alive in step {found['alive'].index(found['lower_bound'])}" in text
    lines = [s for s in shapes(plan_picture(training()).scene.items) if isinstance(s, Path)]
    height = {p.paint: p.steps[0][2] for p in lines if p.paint in ("limit", "bound")}
    assert height["limit"] == pytest.approx(height["bound"])  # this plan reaches its bound


def test_results_over_their_input_are_tied_and_views_named() -> None:
    image = cnn.input("image", (2, 4, 4))
    x = cnn.conv2d(image, 4, 3, padding=1, name="conv")
    x = cnn.flatten(cnn.relu(x, name="relu"), name="flat")
    graph = cnn.Model(image, cnn.dense(x, 3, name="logits")).graph.bind(N=2)

    def over(node: Any) -> list[tuple[int, int]]:
        return [(0, 0)] if node.op.name == "relu" else []

    tied = plan_picture(plan_memory(graph, inplace=over))
    check_picture(tied)
    assert [b["values"] for b in data(tied)["buffers"]] == [["conv", "relu = flat"]]
    ties = [s for s in shapes(tied.scene.items) if isinstance(s, Path) and s.paint == "tie"]
    assert len(ties) == 2  # in the rectangle and in the legend
    assert "1 result written over an input" in tied.text()

    apart = plan_picture(plan_memory(graph))
    assert [b["values"] for b in data(apart)["buffers"]] == [["conv"], ["relu = flat"]]
    assert "written over" not in apart.text()


def test_what_is_copied_at_the_end_stays_until_then() -> None:
    graph = build("lenet5").training_graph("cross_entropy", "sgd").bind(N=2)
    plan = plan_memory(graph)  # nothing may be written in place: new states are copied
    picture = plan_picture(plan)
    check_picture(picture)
    copied = {(c.source.offset, c.source.bytes) for c in plan.copies if c.source.role in IN_ARENA}
    assert len(copied) >= 10
    until = {
        (b["offset"], b["bytes"]) for b in data(picture)["buffers"] if b["last"] == len(plan.steps)
    }
    assert until == copied
    assert "copies" in picture.text()


def test_colours_tell_results_gradients_and_scratch_apart() -> None:
    found = data(plan_picture(training()))["buffers"]
    kinds = {b["kind"] for b in found}
    assert {"forward", "backward", "scratch"} <= kinds
    names = {b["values"][0]: b["kind"] for b in found}
    assert names["C1"] == "forward"
    assert all(kind == "scratch" for name, kind in names.items() if name.startswith("for "))
    assert "backward" not in {b["kind"] for b in data(plan_picture(inference()))["buffers"]}


def test_a_plan_without_an_arena() -> None:
    image = cnn.input("image", (1, 2, 2))
    graph = cnn.Model(image, cnn.relu(image, name="relu")).graph.bind(N=1)
    picture = plan_picture(plan_memory(graph), title="nothing to keep")
    check_picture(picture)
    assert not data(picture)["buffers"]
    assert picture.text().startswith("nothing to keep\n")


def test_wide_plans_grow_and_keep_their_numbers_apart() -> None:
    x = image = cnn.input("image", (1, 8, 8))
    for i in range(700):
        x = cnn.relu(x, name=f"r{i}")
    picture = plan_picture(plan_memory(cnn.Model(image, x).graph.bind(N=1)))
    assert picture.scene.width > 2000
    boxes = [c.box for c in picture.scene.groups("card") if c.box]
    assert all(a.right > b.left for a, b in pairwise(boxes))  # each is read by the next step
