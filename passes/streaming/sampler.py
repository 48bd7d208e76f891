"""The loop that draws with a network which gives each pixel its distribution.

A forward pass for every pixel computes all pixels each time. But what is behind a pixel changes
nothing before it, so each value of the network need be computed once at each place, as soon as what
it reads is drawn: as many products as one forward pass has, for the whole image (P. Ramachandran
et al., "Fast generation for convolutional autoregressive models", arXiv:1704.06001).

    for each row:
        what depends on the rows above alone: once, for the whole row
        for each pixel of it:
            what depends on the pixels before it in its row
            draw it

Each loop carries, of a value that is read later, so many of its last rows, or pixels, as are read.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, topological_order
from graphcnn.ir.node import Node, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.loops.scan import scan
from graphcnn.language.sources import zeros
from graphcnn.learning.samplers import Pixels
from graphcnn.ops.comparison import Greater, GreaterEqual, Where
from graphcnn.ops.shape import Concat, Reshape
from graphcnn.passes.streaming.colours import check_colours
from graphcnn.passes.streaming.lines import CannotStreamError, Lines, lines, present, told
from graphcnn.passes.streaming.reading import cut

UNIFORM, TEMPERATURE, GIVEN, KNOWN, IMAGE = "uniform", "temperature", "given", "known", "image"
_ROW, _COLUMN = 2, 3


def streamed(graph: Graph, sampler: Pixels) -> Graph:
    """The graph that draws images with a network, in two loops.

    Its inputs are `uniform` (N, C, H, W) in [0, 1), a number for each that is drawn; `temperature`;
    `given` (N, C, H, W), of which those stay where `known` is above 0.5; and those of the network
    but the image. Its output is `image`. It draws what a forward pass for every number draws, but
    for rounding.

    Raises:
        CannotStreamError: an operator of which it is not known how it goes along rows or columns;
            its node is named.
        GraphError: a number depends on one that is drawn later; the node that reads it is named.
    """
    image = next(v for v in graph.inputs if v.node.name == sampler.image)
    others = [v for v in graph.inputs if v is not image]
    names = [v.node.name for v in others]
    for name in (UNIFORM, TEMPERATURE, GIVEN, KNOWN):
        if name in names:
            raise CannotStreamError(f"the input {name!r} of {graph.name} has the name of another")
    uniform, given, known = (Input(n, image.type)(name=n) for n in (UNIFORM, GIVEN, KNOWN))
    heat = Input(TEMPERATURE, TensorType((), DType.FLOAT32))(name=TEMPERATURE)
    logits = graph.outputs[sampler.logits]

    def draw(scores: Value, u: Value, told: Value, stays: Value) -> Value:
        drawn = sampler.distribution.draw(scores, u, heat)
        return Where()(Greater()(stays, constant_of(0.5, stays.dtype)), told, drawn)

    try:
        drawn = _rows(image, logits, (uniform, given, known), draw)
    except _Refusal as refusal:  # what is wrong is wrong with a node, not with the loops
        raise refusal.error from None
    if image.shape[1] != 1:
        check_colours(image, logits)
    fed = (uniform, heat, given, known, *others)
    return Graph.of(fed, {IMAGE: drawn}, name=f"{graph.name}.sampler")


Draw = Callable[[Value, Value, Value, Value], Value]


class _Refusal(Exception):
    """Takes an error out of the loop whose body is being made."""

    def __init__(self, error: GraphError) -> None:
        self.error = error


def _rows(image: Value, logits: Value, fed: Sequence[Value], draw: Draw) -> Value:
    nodes = topological_order([logits.node])
    line = lines(nodes, image, [logits], _ROW, {})
    now = present(line, nodes)
    carried, beside = line.carried, _beside(line)

    def step(carry: Any, xs: Any) -> Any:
        t, *rows = (_with_axis(x, _ROW) for x in xs)
        own, others = rows[: len(fed)], dict(zip(beside, rows[len(fed) :], strict=True))
        row = _Step(line, dict(zip(carried, carry, strict=True)), others, t, {})
        # What depends on this row stands on a row that the inner loop takes the place of.
        start = Input("row", image.type.with_shape(row.shape(image)))(name="row")
        row.put(image, start)
        scores = row.at(logits)
        kept = {v: row.at(v) for v in carried}
        below = [kept[v] for v in carried if v in now]
        try:
            drawn, found = _columns(start, scores, below, own, draw, row.named)
        except GraphError as error:
            raise _Refusal(error) from None
        news = iter(found)
        lasts = {v: next(news) if v in now else kept[v] for v in carried}
        new = tuple(_pushed(line, v, c, lasts[v]) for v, c in zip(carried, carry, strict=True))
        return new, _without_axis(drawn, _ROW)

    drawn: Value
    _, drawn = scan(
        step,
        _first(line),
        (_numbers(image, _ROW), *fed, *(_shifted(v, at, _ROW) for v, at in beside)),
        axis=_ROW,
        name="rows",
    )
    return drawn


def _columns(
    row: Value,
    logits: Value,
    kept: Sequence[Value],
    fed: Sequence[Value],
    draw: Draw,
    named: dict[Node, str],
) -> tuple[Value, list[Value]]:
    """The row that is drawn, and what is kept of it for those below: of values that are made of the
    row, as they are when it is drawn."""
    nodes = topological_order([logits.node, *(v.node for v in kept)])
    line = lines(nodes, row, [logits, *kept], _COLUMN, named)
    wanted = [v for v in dict.fromkeys(kept) if v in line.moving]
    carried, beside = line.carried, _beside(line)

    def step(carry: Any, xs: Any) -> Any:
        t, *places = (_with_axis(x, _COLUMN) for x in xs)
        u, told, stays = places[: len(fed)]
        others = dict(zip(beside, places[len(fed) :], strict=True))

        def pixel(drawn: Value | None) -> _Step:
            made = _Step(line, dict(zip(carried, carry, strict=True)), others, t, named)
            if drawn is not None:
                made.put(row, drawn)
            return made

        whole = _drawn(pixel, line, logits, (u, told, stays), draw)
        done = pixel(whole)
        new = tuple(_pushed(line, v, c, done.at(v)) for v, c in zip(carried, carry, strict=True))
        ys = (whole, *(done.at(v) for v in wanted))
        return new, tuple(_without_axis(y, _COLUMN) for y in ys)

    _, ys = scan(
        step,
        _first(line),
        (_numbers(row, _COLUMN), *fed, *(_shifted(v, at, _COLUMN) for v, at in beside)),
        axis=_COLUMN,
        name="columns",
    )
    found = dict(zip(wanted, ys[1:], strict=True))
    return ys[0], [found.get(v, v) for v in kept]


def _drawn(
    pixel: Callable[[Value | None], "_Step"],
    line: Lines,
    logits: Value,
    fed: tuple[Value, Value, Value],
    draw: Draw,
) -> Value:
    """The pixel: of colours one after the other, each seeing those that are drawn."""
    channels = int(line.source.shape[1])  # type: ignore[arg-type]
    if channels == 1:
        return draw(pixel(None).at(logits), *fed)
    done: list[Value] = []
    for c in range(channels):
        rest = (line.source.shape[0], channels - c, 1, 1)
        undrawn = zeros(rest, dtype=line.source.dtype)
        scores = pixel(Concat(1)(*done, undrawn)).at(logits)
        each = int(scores.shape[1]) // channels  # type: ignore[arg-type]
        own = (cut(x, 1, c, 1) for x in fed)
        done.append(draw(cut(scores, 1, c * each, each), *own))
    return Concat(1)(*done)


class _Step:
    """What is computed at one step of a loop."""

    def __init__(
        self,
        line: Lines,
        histories: dict[Value, Value],
        beside: dict[tuple[Value, int], Value],
        t: Value,
        named: dict[Node, str],
    ) -> None:
        self.line, self.histories, self.beside, self.t = line, histories, beside, t
        self.named = named
        self._known: dict[Value, Value] = {}

    def put(self, v: Value, newest: Value) -> None:
        self._known[v] = newest

    def shape(self, v: Value) -> tuple[Any, ...]:
        """Of one place."""
        axis = self.line.axis
        return tuple(1 if a == axis else size for a, size in enumerate(v.shape))

    def at(self, v: Value) -> Value:
        """The newest place of a value."""
        if v not in self.line.moving:
            return v
        if v not in self._known:
            if v is self.line.source:
                raise _NotDrawnError
            name = told(v.node, self.named)
            try:
                self._known[v] = self._made(v.node)
            except _NotDrawnError:
                message = (
                    f"{name} reads the pixel that is to be drawn: its distribution may depend on "
                    'those before it only; the first convolution of the image takes mask="A"'
                )
                raise _Refusal(GraphError(message)) from None
            self._name(self._known[v], v.node, name)
        return self._known[v]

    def _name(self, made: Value, node: Node, name: str) -> None:
        """What was made of a node is called as it was."""
        before = {self._known[v].node for v in node.inputs if v in self._known}
        before.update(v.node for v in (*node.inputs, *self.histories.values()))
        new = [made.node]
        while new:
            each = new.pop()
            if each not in before and each not in self.named:
                self.named[each] = name
                new += [v.node for v in each.inputs]

    def _made(self, node: Node) -> Value:
        line, found = self.line, self.line.readings[node]
        operands: list[Value] = []
        split: tuple[Value, Value] | None = None
        for i, (v, span) in enumerate(line.operands(node)):
            if span is None:
                operands.append(v)
            elif v not in line.moving:
                operands.append(self.beside[v, span.last])
            else:
                old, new = self._pieces(v, span.first, span.last)
                if old is not None and new is not None:
                    if i == 0 and found.part is not None and self._is_split(v):
                        split = old, new
                        operands.append(old)
                        continue
                    new, old = Concat(line.axis)(old, new), None
                piece = old if new is None else new
                assert piece is not None
                operands.append(piece)
        rest = operands[1:]
        if split is not None:
            assert found.part is not None
            old, new = split
            count = int(old.shape[line.axis])  # type: ignore[arg-type]
            y = found.part([old, *rest], 0, True) + found.part([new, *rest], count, False)
        elif found.part is not None and self._is_split(node.inputs[0]):
            y = found.part(operands, 0, True)
        else:
            y = found.make(operands)
        return self._valid(node.outputs[0], y)

    def _is_split(self, v: Value) -> bool:
        """Whether what is new of a value stands on a row that is not drawn yet."""
        return self.line.axis == _ROW and v in self.line.moving

    def _pieces(self, v: Value, first: int, last: int) -> tuple[Value | None, Value | None]:
        """Places of a value: of those that are kept, and the newest one."""
        line = self.line
        begin, newest = line.oldest[v], line.newest[v]
        before = min(last, newest - 1) - first + 1
        old = cut(self.histories[v], line.axis, first - begin, before) if before > 0 else None
        return old, self.at(v) if last == newest else None

    def _valid(self, v: Value, y: Value) -> Value:
        """Zeros at the first steps, where a value that lags behind has no place yet."""
        late = -self.line.newest[v]
        if late <= 0:
            return y
        begun = GreaterEqual()(self.t, constant_of(np.asarray(late), self.t.dtype))
        return Where()(begun, y, constant_of(0.0, y.dtype))


class _NotDrawnError(Exception):
    pass


def _beside(line: Lines) -> list[tuple[Value, int]]:
    """Values that do not depend on the source and have the axis, with the place that is read."""
    found: dict[tuple[Value, int], None] = {}
    for node in line.readings:
        for v, span in line.operands(node):
            if span is not None and v not in line.moving:
                if span.first != span.last:
                    raise CannotStreamError(
                        f"{node.op.name} {node.name!r} reads several places of {v.node.name!r}, "
                        "which does not depend on the image, beside one that does"
                    )
                found[v, span.last] = None
    return list(found)


def _first(line: Lines) -> tuple[Value, ...]:
    """Nothing is kept before the first step: zeros, as around an image."""
    found = []
    for v in line.carried:
        shape = [line.kept(v) if a == line.axis else s for a, s in enumerate(v.shape)]
        found.append(zeros(tuple(shape), dtype=v.dtype))
    return tuple(found)


def _pushed(line: Lines, v: Value, old: Value, newest: Value) -> Value:
    """What is kept, without its first place and with the newest one."""
    count = line.kept(v)
    if count == 1:
        return newest
    return Concat(line.axis)(cut(old, line.axis, 1, count - 1), newest)


def _numbers(source: Value, axis: int) -> Value:
    """The numbers of the steps, along the axis."""
    size = int(source.shape[axis])  # type: ignore[arg-type]
    shape = [size if a == axis else 1 for a in range(4)]
    return constant_of(np.arange(size).reshape(shape), DType.INT64)


def _shifted(v: Value, at: int, axis: int) -> Value:
    """A value whose place t + `at` stands at place t."""
    if at == 0:
        return v
    size = int(v.shape[axis])  # type: ignore[arg-type]
    shape = tuple(-at if a == axis else s for a, s in enumerate(v.shape))
    return Concat(axis)(zeros(shape, dtype=v.dtype), cut(v, axis, 0, size + at))


def _with_axis(x: Value, axis: int) -> Value:
    """A step of a sequence, with an axis of one place."""
    return Reshape((*x.shape[:axis], 1, *x.shape[axis:]))(x)


def _without_axis(x: Value, axis: int) -> Value:
    return Reshape((*x.shape[:axis], *x.shape[axis + 1 :]))(x)
