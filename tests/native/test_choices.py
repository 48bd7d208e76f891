"""Which algorithm each layer runs by, and in which layouts: tables to be read, one per processor.

A change of a cost or of the search shows as lines of a diff in `choices/*.txt`. After one that is
meant, `python tests/native/test_choices.py` writes the tables anew.
"""

from pathlib import Path

import pytest

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node
from graphcnn.ir.plan import is_step
from graphcnn.models import build
from graphcnn.ops.fused import Fused
from graphcnn.ops.layout import Placed, Relayout, inner
from graphcnn.passes.lowering.split_states import split_states
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.registry import OFFERS, heavy_op, load_lowerings, lower
from graphcnn.runtime.native.code.target import Target, named

TABLES = Path(__file__).parent / "choices"
TARGETS = ("avx512", "avx2", "sse2")
#: Name, settings, batch, whether a training step.
NETWORKS = [
    ("lenet5", {}, 1, False),
    ("lenet5", {}, 64, True),
    ("mnist_cnn", {}, 32, True),
    ("vgg_cifar", {}, 8, False),
    ("vgg_cifar", {}, 16, True),
    ("resnet18", {"size": 64, "classes": 10}, 1, False),
    ("resnet18", {"size": 64, "classes": 10}, 4, True),
    ("unet", {"size": 32}, 2, False),
    ("squeezenet", {}, 1, False),
]


def graph(name: str, settings: dict[str, int], batch: int, training: bool) -> Graph:
    model = build(name, **settings)
    if not training:
        return inference_graph(model.graph).bind(batch)
    return training_graph(model.graph, "cross_entropy", cnn.SGD(0.1, momentum=0.9)).bind(batch)


def row(node: Node, target: Target) -> str:
    """Name, operator, algorithm with its tiles, layouts that are read and written."""
    op, algorithm = inner(node.op), lower(node, target).algorithm
    reads = tuple(v.type.layout for v in node.inputs)
    what = "+".join(n.op.name for n in op.body.operations) if isinstance(op, Fused) else op.name
    name = node.name or (f"d {node.origin.forward}" if node.origin.forward else "")
    writes = ", ".join(t.layout for t in node.types)
    return f"{name:<24} {what:<44} {algorithm:<22} {', '.join(reads)} -> {writes}"


def table(target: str) -> str:
    load_lowerings()
    processor, lines = named(target), []
    for name, settings, batch, training in NETWORKS:
        placed = native_pipeline(Execution(target=processor)).run(
            graph(name, settings, batch, training)
        )
        runs = placed if training else split_states(placed)[1]
        sizes = "".join(f" {key}={value}" for key, value in settings.items())
        lines.append(f"# {name}{sizes}, {'training' if training else 'inference'}, batch {batch}")
        for node in filter(is_step, runs.operations):
            if isinstance(node.op, Placed | Relayout) or heavy_op(node).name in OFFERS:
                lines.append(row(node, processor).rstrip())
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize("target", TARGETS)
def test_choices_are_those_of_the_table(target):
    found = table(target).splitlines()
    expected = (TABLES / f"{target}.txt").read_text(encoding="utf-8").splitlines()
    assert found == expected


if __name__ == "__main__":
    TABLES.mkdir(exist_ok=True)
    for target in TARGETS:
        (TABLES / f"{target}.txt").write_text(table(target), encoding="utf-8")
