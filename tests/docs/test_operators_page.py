"""`graphcnn ops` and the page that it makes: up to date, and true of every operator's sample."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from samples import all_samples
from support.command_line import run
from support.tiny import leaf

from graphcnn.errors import GradientError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, build
from graphcnn.ir.sources import Input
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.registry import EXPORTERS
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host
from graphcnn.tools.commands.ops import page, table
from graphcnn.tools.operators import EXPANSION, operators

PAGE = Path(__file__).parent.parent.parent / "docs" / "operators.md"
#: What holds shapes, zeros and names, and counts the elements of an open batch, in any exporter.
SHAPES = {"Constant", "ConstantOfShape", "Identity", "Shape", "Mul", "Add", "Div", "Concat"}


def test_the_page_is_up_to_date() -> None:
    found = PAGE.read_text(encoding="utf-8")
    assert found == page(operators()), "renew it: graphcnn ops --markdown > docs/operators.md"


def test_it_says_what_happens_to_the_samples() -> None:
    """Their gradients are looked for, their kernels made, their ONNX written."""
    rows = {o.name: o for o in operators()}
    gradients: dict[str, set[str]] = defaultdict(set)
    for sample in all_samples():
        name = sample.op.name
        inputs = [Input(f"x{i}", t)() for i, t in enumerate(sample.types(np.float32))]
        outputs = build(sample.op, inputs, "here").outputs
        if name not in gradients:
            if name != "relayout":  # from plain to plain there is nothing to do
                assert native(outputs) == (rows[name].native in ("kernel", "Python")), name
            told = rows[name].onnx_written
            assert EXPANSION in told or written(outputs) <= {*told, *SHAPES}, name
        gradients[name].add(gradient(inputs, outputs))
    assert rows.keys() - gradients.keys() == {"input", "state", "constant"}
    for name, found in gradients.items():
        kind = rows[name].gradient
        expected = {"zero": "zero", "none": "error", "a source": "nothing"}.get(kind, "some")
        assert found <= {expected, "zero", "nothing"} and found & {expected, "nothing"}, name


def gradient(inputs: list[Value], outputs: tuple[Value, ...]) -> str:
    floats = [v for v in inputs if v.dtype.is_float]
    if not floats:
        return "nothing"
    named = [(v, leaf(f"c{i}", v.shape, str(v.dtype))) for i, v in enumerate(outputs)]
    try:
        found = vjp(outputs, [c if v.dtype.is_float else None for v, c in named], floats)
    except GradientError:
        return "error"
    return "some" if any(g is not None for g in found) else "zero"


def native(outputs: tuple[Value, ...]) -> bool:
    try:
        lower(outputs[0].node, host())
    except GraphError as error:
        assert "no native lowering" in str(error)
        return False
    return True


def written(outputs: tuple[Value, ...]) -> set[str]:
    """ONNX's operators in the file of the one node; none where there is no exporter."""
    node = outputs[0].node
    if node.op.name not in EXPORTERS:
        return set()
    graph = Graph.of(node.inputs, {f"y{i}": v for i, v in enumerate(outputs)})
    return {n.op_type for n in export_graph(graph, {}).graph.node}


def test_one_operator_whole() -> None:
    text = run("ops", "max_pool2d").stdout
    for fact in (
        "y[n,c,i,j] = max over u,v", "Shapes: ", "graphcnn.max_pool2d", "ceil_mode: bool = False",
        "MaxPool", "pooling", "graphcnn/ops/pool.py",
    ):  # fmt: skip
        assert fact in text
    assert run("ops", "mse").stdout.startswith("mean_squared_error\n"), "by its function's name"
    assert json.loads(run("ops", "softmax", "--json").stdout)["attributes"] == {"axis": "int = 1"}
    assert {o["name"] for o in json.loads(run("ops", "--json").stdout)} == {
        line.split()[0] for line in run("ops").stdout.splitlines()[1:]
    }


def test_a_terminal_shows_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("COLUMNS", "100")
    lines = table(operators()).splitlines()
    assert len(lines) == len(operators()) + 1
    assert max(map(len, lines)) == 100


@pytest.mark.parametrize(("arguments", "words"), [
    (("conv3d",), "there is no operator 'conv3d'; near are conv2d"),
    (("conv2d", "--markdown"), "without OP"),
])  # fmt: skip
def test_wrong_use(arguments: tuple[str, ...], words: str) -> None:
    result = run("ops", *arguments)
    assert result.exit_code == 2 and words in result.stderr
