"""Diagrams as text: what stands in them, what a name cannot break, what the options show."""

import re

import pytest

import graphcnn as cnn
from graphcnn.analysis.phases import phases
from graphcnn.analysis.words import describe
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, Value
from graphcnn.ir.origin import Origin, inherit
from graphcnn.models import MODELS, build
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.writers.dot import to_dot
from graphcnn.pictures.writers.dot_style import LONGEST, node_label


def labels(source: str) -> list[str]:
    """The labels of the nodes, in order."""
    return re.findall(r'^\s*[nou]\d+ \[label="?(.*?)"? (?:color|style|fillcolor|shape|tooltip)=',
                      source, re.MULTILINE)  # fmt: skip


def edges(source: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s*(\w+) -> (\w+)", source, re.MULTILINE)


def image(*shape: int) -> Value:
    return cnn.input("image", shape or (1, 8, 8))


def test_lenet5_says_names_operators_shapes_and_parameters() -> None:
    found = labels(to_dot(build("lenet5").graph).source)
    assert found[:4] == [
        r"image\n1×28×28",
        r"C1\nconv2d 5×5, padding 2\n6×28×28 · 156 parameters",
        r"C1.relu\n6×28×28",
        r"S2\nmax_pool2d 2×2, stride 2\n6×14×14",
    ]
    assert r"C5\ndense\n120 · 48,120 parameters" in found
    assert found[-1].endswith(r"\n10")
    assert r'label="lenet5\n61,706 parameters"' in to_dot(build("lenet5").graph).source


#: A loop is a cluster with nodes of its body, which test_loops.py looks at.
LOOPS = ("crnn", "row_lstm", "diagonal_lstm")


@pytest.mark.parametrize("name", [name for name in MODELS if name not in LOOPS])
def test_every_operation_is_one_node_and_every_input_one_edge(name: str) -> None:
    graph = build(name).graph
    source = to_dot(graph).source
    assert len(labels(source)) == len(graph.operations) + len(graph.inputs) + len(graph.outputs)
    drawn = {*graph.operations, *(v.node for v in graph.inputs)}
    wires = sum(v.node in drawn for n in graph.operations for v in n.inputs)
    assert len(edges(source)) == wires + len(graph.outputs)


def test_the_same_graph_gives_the_same_text() -> None:
    assert to_dot(build("resnet18").graph).source == to_dot(build("resnet18").graph).source


def test_scopes_are_boxes_and_a_layer_is_none() -> None:
    source = to_dot(build("resnet18").graph).source
    boxes = re.findall(r"subgraph cluster_\d+ \{[^\[\]]*?label=(\w+)", source)
    assert boxes[:4] == ["stem", "stage1", "block1", "block2"]
    assert len(boxes) == 1 + 4 * 3
    assert "subgraph" not in to_dot(build("lenet5").graph).source  # "C1.relu" is no scope


def test_what_follows_a_layer_stands_beside_it() -> None:
    start = image()
    x = cnn.relu(start, name="block")
    x = cnn.relu(cnn.relu(x, name="block.one"), name="block.two")
    assert "subgraph" not in to_dot(Graph.of([start], {"y": x})).source


def test_a_scope_of_one_node_and_odd_dots_are_no_boxes() -> None:
    x = cnn.relu(cnn.relu(cnn.relu(image(), name="a.b"), name="..x.."), name=".")
    source = to_dot(Graph.of([x.node.inputs[0].node.inputs[0].node.inputs[0]], {"y": x})).source
    assert "subgraph" not in source
    assert labels(source)[1:4] == [
        r"a.b\nrelu\n1×8×8", r"..x..\nrelu\n1×8×8", r".\nrelu\n1×8×8"
    ]  # fmt: skip


def test_deep_scopes_stop_at_a_few_boxes() -> None:
    x = start = image()
    for i in range(2):
        x = cnn.relu(x, name=".".join("s" * 500) + f".r{i}")
    source = to_dot(Graph.of([start], {"y": x})).source
    assert source.count("subgraph") == 6


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('say "hi"', r"say \"hi\""),
        ("back\\slash\\", r"back\\slash\\"),
        ("two\nlines\t", "two·lines·"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("<HTML>", "<HTML>"),
        ("a&amp;b", "a&amp;amp;b"),
        ("\\N \\n \\G", r"\\N \\n \\G"),
        ("卷积 ×", "卷积 ×"),
        ("\ud800\u202e", "··"),
    ],
)
def test_no_name_is_read_as_markup(name: str, shown: str) -> None:
    start = image()
    graph = Graph.of([start], {"y": cnn.relu(start, name=name)}, name=name)
    source = to_dot(graph).source
    assert source.encode()
    assert labels(source)[1] == shown + r"\nrelu\n1×8×8"
    assert "label=<" not in source


def test_long_names_lose_their_middle() -> None:
    start = image()
    name = "start" + "x" * 10_000 + "end"
    source = to_dot(Graph.of([start], {name: cnn.relu(start, name=name)}, name=name)).source
    assert len(source) < 2_000
    assert re.search(r"startx+…x+end\\nrelu", source)
    assert len(node_label(name)) == LONGEST - 1 + (LONGEST % 2)


def test_shared_and_frozen_parameters_are_marked_and_counted_once() -> None:
    start = image(4, 8, 8)
    w = cnn.parameter((4, 4, 3, 3))
    frozen = cnn.parameter((4, 4, 1, 1), trainable=False)
    x = cnn.conv2d(start, 4, 3, padding=1, bias=False, weight=w, name="a")
    x = cnn.conv2d(x, 4, 3, padding=1, bias=False, weight=w, name="b")
    x = cnn.conv2d(x, 4, 1, bias=False, weight=frozen, name="c")
    found = labels(to_dot(Graph.of([start], {"y": x})).source)
    assert found[1].endswith("144 parameters (shared)")
    assert found[2].endswith("144 parameters (shared)")
    assert found[3].endswith("16 parameters (frozen)")
    assert "160 parameters" in to_dot(Graph.of([start], {"y": x})).source


def test_states_can_be_drawn() -> None:
    graph = build("lenet5").graph
    source = to_dot(graph, states=True).source
    assert r"C1.weight\n6×1×5×5\nparameter" in labels(source)
    assert source.count("cylinder") == len(graph.states) == 10
    assert source.count("style=dashed") == 10


def test_attributes_that_matter_are_told() -> None:
    def told(y: Value) -> str:
        return describe(y.node)

    x = image(4, 9, 9)
    conv = cnn.conv2d(x, 4, (3, 1), stride=(2, 1), padding=(1, 0, 0, 2), dilation=2, groups=4)
    assert told(conv) == "conv2d 3×1, stride 2 1, padding 1 0 0 2, dilation 2, groups 4"
    assert told(cnn.conv2d(x, 4, 3, flip_kernel=True)) == "conv2d 3×3, flip kernel"
    assert told(cnn.leaky_relu(x, 0.2)) == "leaky_relu alpha 0.2"
    assert told(cnn.dropout(x, 0.25)) == "dropout rate 0.25"
    assert told(x * 0.5) == "mul b = 0.5"
    assert told(cnn.upsample2d(x, 2)).startswith("upsample2d scale 2")


def test_results_and_dtypes_are_named() -> None:
    start = image()
    y, indices = cnn.max_pool2d(start, 2, return_indices=True)
    labels_in = cnn.input("labels", (), "int64")
    source = to_dot(Graph.of([start, labels_in], {"y": y, "at": indices})).source
    assert r"labels\nN\nint64" in labels(source)
    assert re.search(r'label="  indices 1×4×4"', source)
    assert "label=" not in "".join(
        line for line in to_dot(Graph.of([start], {"y": y}), shapes=False).source.splitlines()
        if "->" in line and 'label=""' not in line
    )  # fmt: skip


def test_the_batch_axis_is_shown_only_when_it_is_a_number() -> None:
    graph = build("lenet5").graph
    assert r"image\n64×1×28×28" in labels(to_dot(graph.bind(N=64)).source)


def trained() -> Graph:
    """A forward node, a generated backward node and an update."""
    start = image()
    w = cnn.parameter((1, 8, 8), name="w")
    y = cnn.mul(start, w, name="forward")
    with inherit(Origin("m.py", 3, ("backward",))):
        g = cnn.mul(start, y, name="generated")
        g = cnn.sum(g, axes=0, name="summed")
    with inherit(Origin("m.py", 3, ("sgd",))):
        new = cnn.sub(w, g, name="step")
    return Graph.of([start], {"y": y, "size": cnn.sum(g, name="of_generated")}, {w: new})


def test_backward_nodes_and_updates_are_drawn_on_request() -> None:
    graph = trained()
    by_name = {n.name: phase for n, phase in phases(graph).items()}
    assert by_name["forward"] == "forward"
    assert by_name["generated"] == by_name["summed"] == "backward"
    assert by_name["step"] == by_name["of_generated"] == "update"
    plain, full = to_dot(graph).source, to_dot(graph, backward=True).source
    assert (
        "generated" not in plain
        and "of_generated" not in plain
        and "step" not in plain
        and "new w" not in plain
    )
    assert "generated" in full and "step" in full and r"new w\n1×8×8" in full
    assert len(edges(full)) > len(edges(plain))


def test_a_real_training_graph() -> None:
    model = build("lenet5")
    graph = model.training_graph("cross_entropy", "sgd")
    plain, full = to_dot(graph).source, to_dot(graph, backward=True).source
    assert "conv2d_weight_grad" not in plain
    assert r"conv2d_weight_grad 5×5, padding 2\n6×1×5×5\nfor C1" in full
    assert r"new C1.weight\n6×1×5×5" in full
    assert "61,706 parameters" in plain and "61,706 parameters" in full


def test_a_graph_of_backward_nodes_only_is_drawn() -> None:
    graph = trained().with_outputs({})
    assert "generated" in to_dot(graph).source


def test_title_and_direction() -> None:
    graph = build("lenet5").graph
    source = to_dot(graph, name="Figure 1", direction="LR").source
    assert r"Figure 1\n" in source and "rankdir=LR" in source
    with pytest.raises(GraphError, match='direction must be "TB" or "LR"'):
        to_dot(graph, direction="up")


def test_every_family_of_operators_has_a_colour() -> None:
    families = {op.family for op in OPS.values()}
    assert families == set(FAMILIES)
