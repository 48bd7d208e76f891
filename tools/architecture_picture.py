"""The picture of docs/architecture.md: run  python -m graphcnn.tools.architecture_picture docs

A model's way from its definition to machine code and back as gradient. On the left stands each step
with the files where it lives; on the right what it makes of one small network. The graphs and the
plan are those of that network, made here; only the lines of machine code are typed.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Final

import graphcnn as cnn
from graphcnn.analysis.phases import phases
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node
from graphcnn.ir.plan import IN_ARENA, Plan
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.passes.memory.schedule import Schedule
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Scene, Text, arrow

#: The network of the picture: these lines are drawn, and run to get the graphs.
SOURCE: Final = """\
image = cnn.input("image", (1, 28, 28))
x = cnn.conv2d(image, 6, 5, padding=2, activation="relu", name="C1")
y = cnn.dense(cnn.flatten(x), 10, name="D2")
model = cnn.Model(image, y)"""
#: The inner loop of a convolution, as it is generated for a processor with AVX-512.
MACHINE_CODE: Final = (
    ("vmovups", "zmm31, [kernel]", "16 channels of one tap"),
    ("vfmadd231ps", "zmm0, zmm31, [image]{1to16}", "pixel 1 of the tile"),
    ("vfmadd231ps", "zmm1, zmm31, [image + 4]{1to16}", "pixel 2, and so on"),
    ("vmaxps", "zmm0, zmm0, zmm30", "relu, still in registers"),
)

_WIDTH: Final = 940.0
_LEFT: Final = Box(24, 0, 374, 0)
_RIGHT: Final = Box(402, 0, 916, 0)
_GAP: Final = 18.0
_CHIP: Final = 18.0
_FORWARD, _BACKWARD, _UPDATE = "conv", "backward", "update"


@dataclass(frozen=True)
class Stage:
    """One row: what happens, where it lives, and what there is afterwards."""

    title: str
    words: str
    files: tuple[str, ...]
    height: float
    draw: Callable[[Box], Iterator[Item]]


@cache
def _model() -> cnn.Model:
    names: dict[str, Any] = {"cnn": cnn}
    exec(SOURCE, names)
    found: cnn.Model = names["model"]
    return found


@cache
def _step() -> Graph:
    return _model().training_graph("cross_entropy", cnn.SGD(0.1))


@cache
def _lowered() -> Graph:
    return Schedule()(FuseOps()(_step().bind(N=32)))


@cache
def _plan() -> Plan:
    return plan_memory(_lowered())


# What stands on the right


def _written(box: Box) -> Iterator[Item]:
    for i, line in enumerate(SOURCE.splitlines()):
        yield Text(box.left + 14, box.top + 20 + 15.5 * i, line, 10.5, "text")


def _chip(x: float, y: float, text: str, paint: str, width: float = 0.0) -> Group:
    box = Box(x, y, x + (width or _chip_width(text)), y + _CHIP)
    label = Text(box.center, y + 12.8, text, 9.5, "text", "middle")
    return Group((Rect(box, paint, 5), label), box=box)


def _chip_width(text: str) -> float:
    return text_width(text, 9.5) * 1.06 + 12


def _line(x: float, y: float, to_x: float, to_y: float, kind: str = "") -> Iterator[Item]:
    """A straight line with a head: of what is computed, or (`kind`) of gradients and updates."""
    away = max(abs(to_x - x), abs(to_y - y))
    dx, dy = (to_x - x) / away, (to_y - y) / away
    paint = {"backward": "gradient", "update": "update_line"}.get(kind, "edge")
    head = {"backward": "gradient_head", "update": "update_head"}.get(kind, "head")
    yield Path((("M", x, y), ("L", to_x - 4 * dx, to_y - 4 * dy)), paint, 1.2)
    yield arrow(to_x, to_y, dx, dy, head)


def _shape(node: Node) -> str:
    return "×".join(map(str, node.types[0].shape))


def _columns(box: Box, texts: Sequence[Sequence[str]]) -> Iterator[tuple[float, float]]:
    """Left edge and width of a column for each list of texts, with equal room between them."""
    wide = [max(map(_chip_width, column)) for column in texts]
    gap = min((box.width - 28 - sum(wide)) / (len(wide) - 1), 40)
    x = box.left + 14
    for width in wide:
        yield x, width
        x += width + gap


def _graph(box: Box) -> Iterator[Item]:
    """The nodes of the definition with their types."""
    graph = _model().graph
    nodes = [graph.inputs[0].node, *graph.operations]
    named = [("image" if n is nodes[0] else n.op.name, _shape(n)) for n in nodes]
    y, end = (box.top + box.bottom) / 2 - 21, 0.0
    for (name, shape), (x, wide) in zip(named, _columns(box, named), strict=True):
        yield _chip(x, y, name, _FORWARD if end else "end", wide)
        yield Text(x + wide / 2, y + 33, shape, 9.5, "muted", "middle")
        if end:
            yield from _line(end, y + _CHIP / 2, x, y + _CHIP / 2)
        end = x + wide


def _training(box: Box) -> Iterator[Item]:
    """A column for each layer: the forward node, what makes its gradient, and its updates."""
    graph = _step()
    phase = phases(graph)
    forward = [*_model().graph.operations, _node_of(graph, "cross_entropy")]
    called = [node.name or node.op.name for node in forward]
    made = [
        list(_few([n.op.name for n in graph.operations
                   if phase.get(n) == "backward" and n.origin.forward == name], 3))
        for name in called
    ]  # fmt: skip
    states = [state_of(p).key.rpartition(".") for p in graph.parameters]
    mine = [", ".join(key for layer, _, key in states if layer == name) for name in called]
    columns = [[forward[i].op.name, *made[i], mine[i]] for i in range(len(forward))]
    above, below, bottom = box.top + 14, box.top + 54, box.bottom - 14 - _CHIP
    end = 0.0
    for i, (x, wide) in enumerate(_columns(box, columns)):
        yield _chip(x, above, forward[i].op.name, _FORWARD, wide)
        if end:
            yield from _line(end, above + _CHIP / 2, x, above + _CHIP / 2)
            yield from _line(x, below + _CHIP / 2, end, below + _CHIP / 2, "backward")
        if i == len(forward) - 1:
            yield from _line(x + wide / 2, above + _CHIP, x + wide / 2, below, "backward")
        for j, name in enumerate(made[i]):
            yield _chip(x, below + j * (_CHIP + 4), name, _BACKWARD, wide)
        if mine[i]:
            last = below + len(made[i]) * (_CHIP + 4) - 4
            yield from _line(x + wide / 2, last, x + wide / 2, bottom, "update")
            yield _chip(x, bottom, mine[i], _UPDATE, wide)
        end = x + wide


def _few(names: Sequence[str], most: int) -> Iterator[str]:
    if len(names) <= most:
        yield from names
        return
    yield from names[: most - 1]
    yield f"{len(names) - most + 1} more"


def _node_of(graph: Graph, name: str) -> Node:
    return next(n for n in graph.operations if n.op.name == name)


def _groups(box: Box) -> Iterator[Item]:
    """The steps in their order, operators in one group joined by +."""
    graph = _lowered()
    phase = phases(graph)
    paints = {"forward": _FORWARD, "backward": _BACKWARD, "update": _UPDATE}
    x, y = box.left + 12, box.top + 13
    for node in graph.operations:
        body = getattr(node.op, "body", None)
        text = " + ".join(n.op.name for n in body.operations) if body else node.op.name
        if x + _chip_width(text) > box.right - 10:
            x, y = box.left + 12, y + _CHIP + 5
        yield _chip(x, y, text, paints[phase.get(node, "forward")])
        x += _chip_width(text) + 5


def _memory(box: Box) -> Iterator[Item]:
    """The buffers of the plan: from left to right by step, from bottom to top by offset."""
    plan = _plan()
    inner = Box(box.left + 12, box.top + 12, box.right - 12, box.bottom - 24)
    phase = phases(plan.graph)
    paints = {"forward": _FORWARD, "backward": _BACKWARD, "update": _UPDATE}
    wide, high = inner.width / len(plan.steps), inner.height / plan.arena_bytes
    for buffer in plan.buffers:
        if buffer.role in IN_ARENA:
            first = next(i for i, s in enumerate(plan.steps) if buffer in s.writes)
            last = max(i for i, s in enumerate(plan.steps) if buffer in (*s.reads, *s.writes))
            bottom = inner.bottom - (buffer.offset or 0) * high
            area = Box(inner.left + first * wide, bottom - max(buffer.bytes * high, 1.5),
                       inner.left + (last + 1) * wide, bottom)  # fmt: skip
            yield Rect(area, paints[phase.get(plan.steps[first].node, "forward")])
    yield Path(
        (("M", inner.left, inner.bottom + 0.5), ("L", inner.right, inner.bottom + 0.5)), "axis"
    )
    words = (
        f"{len(plan.steps)} steps →   each rectangle is a buffer: its steps, its place in memory"
    )
    yield Text(inner.left, inner.bottom + 15, words, 9.5, "muted")


def _code(box: Box) -> Iterator[Item]:
    for i, (name, operands, remark) in enumerate(MACHINE_CODE):
        y = box.top + 22 + 18 * i
        yield Text(box.left + 14, y, name, 10.5, "text")
        yield Text(box.left + 100, y, operands, 10.5, "text")
        yield Text(box.right - 14, y, remark, 10, "muted", "end")


def _run(box: Box) -> Iterator[Item]:
    y = box.top + 14
    x = box.left + 12
    yield _chip(x, y, "images, labels", "end", 92)
    yield from _line(x + 92, y + 9, x + 117, y + 9)
    yield _chip(x + 118, y, "one native call: forward, backward, update", _FORWARD, 262)
    yield from _line(x + 380, y + 9, x + 405, y + 9)
    yield _chip(x + 406, y, "loss, accuracy", "loss", 88)
    yield from _line(x + 210, y + 38, x + 210, y + 19, "update")
    yield from _line(x + 290, y + 18, x + 290, y + 37, "update")
    yield _chip(x + 118, y + 38, "weights and optimiser state, changed in place", _UPDATE, 262)


STAGES: Final = (
    Stage(
        "You write",
        "Functions check their arguments and make operators of them; errors name your line.",
        ("graphcnn/language/", "graphcnn/models/"),
        80, _written,
    ),
    Stage(
        "A graph of typed nodes",
        "An operator is a class: its shapes, its definition in NumPy, its gradient. ONNX files "
        "come and go here; pictures and texts are made of it.",
        ("graphcnn/ops/", "graphcnn/ir/node.py", "graphcnn/ir/graph.py",
         "graphcnn/onnx/", "graphcnn/pictures/", "graphcnn/text/"),
        102, _graph,
    ),
    Stage(
        "The gradient is more graph",
        "A loss is added, then a pass walks back from it: each operator says which nodes make "
        "its gradient. The optimiser adds what becomes of the weights. What is needless goes, "
        "what is known is computed.",
        ("graphcnn/learning/objective.py", "passes/training/backward.py",
         "passes/training/apply_optimizer.py", "passes/simplify/"),
        158, _training,
    ),
    Stage(
        "Fused, laid out, in order",
        "Operators join into groups, one loop each. Layouts and algorithms are chosen by their "
        "cost on the processor, then an order that needs little memory.",
        ("passes/lowering/", "passes/layout/", "passes/memory/schedule.py"),
        114, _groups,
    ),
    Stage(
        "A plan of steps and bytes",
        "Every value gets a place in one block of memory, which another takes over when it is "
        "dead. States lie in memory once and are written in place.",
        ("graphcnn/ir/plan.py", "passes/memory/plan_memory.py"),
        118, _memory,
    ),
    Stage(
        "Machine code",
        "A step is lowered to a kernel, which writes itself for these shapes and this "
        "processor. LLVM makes the code; the disk keeps it for the next time.",
        ("runtime/native/code/registry.py", "runtime/native/kernels/",
         "runtime/native/code/emit.py", "runtime/native/code/jit.py"),
        102, _code,
    ),
    Stage(
        "Numbers",
        "Threads run the steps. The reference walks the graph of level 1 with NumPy, and says "
        "what is right.",
        ("runtime/native/executable.py", "runtime/reference.py"),
        82, _run,
    ),
)  # fmt: skip
#: Titles of the frames around rows, by the first and the last row of each.
LEVELS: Final = (
    (1, 3, "Level 1 of the IR, a graph: what is computed. No memory, no machine."),
    (4, 5, "Level 2 of the IR, a plan: in which order, where, by which code."),
)


def draw(folder: FilePath) -> FilePath:
    """Write the picture to `architecture.svg` in a folder."""
    return architecture_picture().save(folder / "architecture.svg")


def architecture_picture() -> Picture:
    items: list[Item] = []
    y = 52.0
    for i, stage in enumerate(STAGES):
        for first, last, title in LEVELS:
            if i == first:
                y += 26
                inside = sum(s.height + _GAP for s in STAGES[first : last + 1]) - _GAP
                frame = Box(10, y - 24, _WIDTH - 10, y + inside + 12)
                items.append(Rect(frame, "frame", 8))
                items.append(Text(_RIGHT.left, y - 8, title, 11, "text", bold=True))
        items += _row(i, stage, y)
        y += stage.height
        if i + 1 < len(STAGES):
            ends = any(i == last for _, last, _ in LEVELS)
            starts = any(i + 1 == first for first, _, _ in LEVELS)
            y += 12 * ends
            items += _line(197, y - 12 * ends, 197, y + _GAP + 26 * starts)
            y += _GAP
    y += 14
    title = "From conv2d to machine code, and back as gradient"
    words = "Left: the step and where it lives. Right: what it makes of the network at the top."
    ground: list[Item] = [
        Rect(Box(0, 0, _WIDTH, y), "ground"),
        Text(24, 26, title, 16, "text", bold=True),
        Text(24, 42, words, 10, "muted"),
    ]
    x = _RIGHT.right
    for text, paint in (("update", _UPDATE), ("gradient", _BACKWARD), ("forward", _FORWARD)):
        x -= _chip_width(text)
        ground.append(_chip(x, 24, text, paint))
        x -= 6
    spoken = "; ".join(f"{i + 1}. {s.title}: {s.words}" for i, s in enumerate(STAGES))
    return Picture(Scene(_WIDTH, y, (*ground, *items), title, spoken))


def _row(number: int, stage: Stage, top: float) -> Iterator[Item]:
    left = Box(_LEFT.left, top, _LEFT.right, top + stage.height)
    right = Box(_RIGHT.left, top, _RIGHT.right, top + stage.height)
    yield Rect(left, "body", 6)
    yield Text(left.left + 12, top + 19, f"{number + 1}  {stage.title}", 12, "text", bold=True)
    y = top + 34
    for line in _wrapped(stage.words, left.width - 24):
        yield Text(left.left + 12, y, line, 10, "text")
        y += 13
    y += 1
    x = left.left + 12
    for file in stage.files:
        wide = text_width(file, 9.5) * 1.06
        if x > left.left + 12 and x + wide > left.right - 8:
            x, y = left.left + 12, y + 13
        yield Text(x, y, file, 9.5, "skip_head")
        x += wide + 12
    yield from _line(left.right, top + stage.height / 2, right.left, top + stage.height / 2)
    yield Rect(right, "body", 6)
    yield from stage.draw(right)


def _wrapped(text: str, most: float) -> Iterator[str]:
    """The text in lines of at most so many pixels."""
    line = ""
    for word in text.split():
        if text_width(f"{line} {word}", 10) * 1.06 > most:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield line


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m graphcnn.tools.architecture_picture FOLDER")
    print(f"drawn: {draw(FilePath(sys.argv[1]))}")
