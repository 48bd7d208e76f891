"""Training steps, differences, failures and volumes."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from pictures.checks import check_lines, check_picture, images
from pictures.networks import alexnet, densenet, inception, vgg16

import graphcnn as cnn
from graphcnn.compile.pipelines import inference_graph
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.models import MODELS, build
from graphcnn.pictures import (
    Picture,
    difference_picture,
    failure_picture,
    graph_changes,
    graph_picture,
    passes_picture,
    training_picture,
    volume_picture,
)
from graphcnn.pictures.scene.colors import PAINTS
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.pictures.scene.scene import Group, Path, shapes
from graphcnn.pictures.volume.volume import STYLES


def by_key(picture: Picture) -> dict[str, Group]:
    return {g.key: g for g in picture.scene.groups("card")}


@pytest.mark.parametrize("name", MODELS)
def test_training_steps(name: str) -> None:
    loss = "mse" if name in ("autoencoder", "unet") else "cross_entropy"
    check_picture(training_picture(build(name).training_graph(loss, "adam")))


def test_backward_operators_stand_beside_their_forward_operator() -> None:
    graph = build("lenet5").training_graph("cross_entropy", "sgd")
    picture = training_picture(graph)
    cards = by_key(picture)
    rows = json.loads(picture.json())["data"]["rows"]
    found = 0
    for forward, backward, update in rows:
        for key in (*backward, *update) if forward else ():
            row, card = cards[forward[0]].box, cards[key].box
            assert row and card
            assert (row.top <= card.top and card.bottom <= row.bottom + 0.01) or len(update) > 1
            if key in backward:
                found += 1
                name = cards[forward[0]].label.removeprefix("forward ").split(":")[0]
                assert cards[key].label.startswith(f"backward of {name}:")
    assert found == sum("backward" in n.origin.passes and n.op.name != "constant"
                        for n in graph.operations)  # fmt: skip


def test_rows_do_not_share_heights() -> None:
    picture = training_picture(build("lenet5").training_graph())
    cards = by_key(picture)
    rows = json.loads(picture.json())["data"]["rows"]
    ends = [
        (
            min(cards[k].box.top for s in row for k in s),
            max(cards[k].box.bottom for s in row for k in s),
        )  # type: ignore[union-attr]
        for row in rows
    ]
    assert all(a[1] < b[0] for a, b in pairwise(ends))


def test_kept_tensors_are_counted() -> None:
    x = cnn.input("image", (1, 4, 4))
    y = cnn.conv2d(x, 2, 3, padding=1, name="conv")
    y = cnn.relu(y, name="relu")
    graph = cnn.Model(x, cnn.dense(cnn.flatten(y), 3, name="out")).training_graph(
        "cross_entropy", "sgd"
    )
    data = json.loads(training_picture(graph).json())["data"]
    saved = {entry["name"]: entry["bytes"] for entry in data["saved"]}
    assert saved["image"] == 4 * 16 and saved["relu"] == 4 * 32
    assert data["saved_bytes"] == sum(saved.values())


def test_inference_graphs_have_no_training_picture() -> None:
    with pytest.raises(GraphError, match="no backward operators"):
        training_picture(build("lenet5").graph)


def compiled(name: str) -> list[tuple[str, Graph, Graph]]:
    model = build(name)
    steps: list[tuple[str, Graph, Graph]] = []
    inference_graph(
        model.graph, model.states, trace=lambda a: steps.append((a.by.name, a.before, a.after))
    )
    return steps


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "vgg_cifar", "squeezenet"])
def test_pipelines(name: str) -> None:
    steps = compiled(name)
    picture = passes_picture(steps)
    check_picture(picture)
    check_picture(difference_picture(steps[0][1], steps[-1][2]))
    unchanged = [name for name, before, after in steps if before is after]
    assert all(each in picture.text() for each in unchanged)


def test_a_graph_does_not_differ_from_itself() -> None:
    graph = build("resnet18").graph
    for other in (graph, build("resnet18").graph):
        found = graph_changes(graph, other)
        assert found.empty and found.text() == "" and found.count("kept") == 69
        check_picture(difference_picture(graph, other))


def test_folded_batch_norms_are_fused_into_their_convolutions() -> None:
    (step,) = [s for s in compiled("vgg_cifar") if s[0] == "fold_batch_norm"]
    found = graph_changes(*step[1:])
    fused = [p for p in found.pairs if p.state == "fused"]
    assert [(p.before.name, p.into.name) for p in fused if p.before and p.into] == [
        (f"stage{s}.norm{i}", f"stage{s}.conv{i}") for s in (1, 2, 3) for i in (1, 2)
    ]
    assert found.count("changed") == 6 and found.count("removed") == 0
    assert all(p.on_weights for p in found.pairs if p.state == "added")
    assert "-> stage1.conv1" in found.text()


def test_removed_added_and_changed() -> None:
    def net(slope: float, dropout: bool, tail: bool) -> Graph:
        x = image = cnn.input("image", (1, 8, 8))
        x = cnn.leaky_relu(x, slope, name="act")
        x = cnn.dropout(x, 0.5, name="drop") if dropout else x
        x = cnn.max_pool2d(x, 2, name="pool")
        return cnn.Model(image, cnn.relu(x, name="tail") if tail else x).graph

    found = graph_changes(net(0.1, True, False), net(0.2, False, True))
    states = {(p.before or p.after).name: p.state for p in found.pairs}  # type: ignore[union-attr]
    assert states == {"act": "changed", "drop": "fused", "pool": "kept", "tail": "added"}
    found = graph_changes(net(0.1, True, False), net(0.1, False, False))
    assert {p.state for p in found.pairs} == {"kept", "removed"}
    lines = found.text().splitlines()
    assert lines[0].startswith("--- ") and any(x.startswith("-drop = dropout") for x in lines)


def failure(make: Callable[[], object]) -> Picture:
    with pytest.raises(GraphError) as caught:
        make()
    return failure_picture(caught.value)


def test_failures_show_what_is_known() -> None:
    def wrong() -> object:
        x = cnn.input("image", (3, 32, 32))
        a = cnn.conv2d(x, 16, 3, padding=1, name="conv1")
        b = cnn.max_pool2d(a, 2, name="pool")
        return cnn.add(a, b, name="skip")

    picture = failure(wrong)
    check_picture(picture)
    assert {"conv1", "pool", "skip failed"} <= {
        g.label.split(": ")[0] for g in picture.scene.groups("card")
    }
    assert 'return cnn.add(a, b, name="skip")' in picture.svg().replace("&quot;", '"')
    assert "do not broadcast" in picture.scene.description
    paints = [s.paint for s in shapes(picture.scene.items) if isinstance(s, Path)]
    assert paints.count("error_line") == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: cnn.conv2d(cnn.input("image", (3, 8, 8)), 4, 11, name="big"),
        lambda: build("lenet"),
        lambda: cnn.conv2d(cnn.input("x" * 500, (3, 8, 8)), 4, 11, name="y" * 900),
    ],
)
def test_other_failures(make: Callable[[], object]) -> None:
    try:
        make()
    except GraphError as error:
        check_picture(failure_picture(error))
    except AttributeError:
        pytest.skip("no such function")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "make",
    [*(lambda n=n: build(n) for n in MODELS), alexnet, vgg16, inception, densenet],
    ids=[*MODELS, "alexnet", "vgg16", "inception", "densenet"],
)
def test_volumes(make: Callable[[], cnn.Model], style: str) -> None:
    graph = make().graph
    if style == "unet" and graph.name in (
        "crnn",
        "row_lstm",
        "diagonal_lstm",
        "resnet18",
        "resnet18_cifar",
    ):
        with pytest.raises(GraphError, match='another size past others: take style "box"'):
            volume_picture(graph, style=style)
        return
    picture = volume_picture(graph, style=style)
    check_picture(picture)
    check_lines(picture.scene)


def test_a_u_has_a_level_for_each_size() -> None:
    picture = volume_picture(build("unet").graph, style="unet")
    cards = {g.label.split(":")[0]: g.box for g in picture.scene.groups("card")}
    tops = {name: box.top for name, box in cards.items() if box}
    assert tops["image"] == tops["down1.conv2"] == tops["up1.concat"] == tops["logits"]
    assert tops["down1.pool"] == tops["up2.concat"] < tops["down2.pool"] == tops["bottom.conv1"]
    assert tops["image"] < tops["down1.pool"]
    lefts = [box.left for box in cards.values() if box]
    assert lefts == sorted(lefts)
    copies = [g for g in picture.scene.groups("edge")
              if getattr(g.items[0], "paint", "") == "skip"]  # fmt: skip
    assert len(copies) == 2 and "passes layers" in picture.text()
    assert 1 <= picture.scene.width / picture.scene.height <= 2


@pytest.mark.parametrize(
    ("scale", "words"), [("sqrt", "square root"), ("linear", "true to scale"), ("log", "logarithm")]
)
def test_the_scale_is_said(scale: str, words: str) -> None:
    assert words in volume_picture(build("lenet5").graph, scale=scale).text()
    with pytest.raises(GraphError, match="did you mean"):
        volume_picture(build("lenet5").graph, style="boxes")


def test_windows_have_their_true_relative_size() -> None:
    picture = volume_picture(build("lenet5").graph, style="lenet", scale="linear")
    patches = [s for s in shapes(picture.scene.items) if getattr(s, "paint", "") == "kernel"]
    first = next(p for p in patches if isinstance(p, Path))
    wide = first.steps[1][1] - first.steps[0][1]
    assert wide == pytest.approx(128 * 5 / 28)  # C1: a window of 5 on an image of 28


def test_real_maps_are_painted() -> None:
    maps = {"image": np.eye(28)[None], "S2": np.zeros((1, 6, 14, 14)), "C5.relu": np.ones(120)}
    picture = volume_picture(build("lenet5").graph, style="lenet", paint=maps)
    check_picture(picture)
    sizes = [(i.rows, i.columns) for i in images(picture.scene)]
    assert sizes == [(28, 28), *[(14, 14)] * 6, (120, 1)]
    assert picture.svg().count("<image") == 8 and "black is the smallest" in picture.text()
    lines = shapes(tuple(picture.scene.groups("edge")))
    paints = {getattr(line, "paint", "") for line in lines}
    # Real maps are seen through the window on them.
    assert {"window", "kernel"} <= paints and PAINTS["window"].fill is None
    again = volume_picture(build("lenet5").graph, style="lenet", paint=maps.get)
    assert again.svg() == picture.svg()


def test_the_maps_of_a_layer_share_their_scale() -> None:
    maps = np.full((6, 14, 14), 1.0)
    maps[2], maps[3] = 4.0, 2.0
    picture = volume_picture(build("lenet5").graph, style="lenet", paint={"S2": maps})
    shades = [write_png(np.full((14, 14), v, np.uint8)) for v in (255, 85, 0)]
    found = [shades.index(image.png) for image in images(picture.scene)]
    assert found == [2, 2, 2, 2, 1, 0]  # from the back to the front


def test_the_strongest_maps_come_first() -> None:
    from graphcnn.pictures.volume.solids import strongest

    maps = np.stack([np.full((2, 2), v) for v in (1.0, -3.0, 2.0)])
    assert [m[0, 0] for m in strongest(maps, 2)] == [-3.0, 2.0]


def test_totals_of_alexnet_and_vgg16() -> None:
    """62,378,344 and 138,357,544 parameters; 1,135,256,096 and 15,470,264,320 multiply-adds:
    sums of k·k·C/g·O·(H·W) over the published layers."""
    for make, parameters, work in (
        (alexnet, 62_378_344, 1_135_256_096),
        (vgg16, 138_357_544, 15_470_264_320),
    ):
        text = graph_picture(make().graph).text()
        assert f"{parameters:,} parameters" in text and f"{work:,} multiply-adds" in text
