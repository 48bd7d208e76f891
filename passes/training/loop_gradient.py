"""The gradient of a loop is a loop: from its last step to its first, what arrives at a carry goes
on to the carry before.

With (c', y) = body(c, x, w) and sensitivities of the loop's results:

    forward    the loop once more, which also gives the values of each step that are read below
    backward   (dc, dx) = vjp(body)(dc', dy), the other way around
    outside    dw = Σ_t dw_t: what is summed leaves the loop, so that the gradient of a weight is
               one product over the rows of all steps

The forward loop and that of the graph have equal bodies but for results: `merge_loops` makes them
one. The result is a loop like any other, which can be differentiated again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from graphcnn.ir.graph import Graph, rebuilt, topological_order
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import Dim, Shape, TensorType, merged_size
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2dWeightGrad
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Add
from graphcnn.ops.gather import filled
from graphcnn.ops.loops import Scan
from graphcnn.ops.shape import Reshape, Transpose

Cotangents = Sequence[Value | None]
#: `vjp(outputs, cotangents, wrt)`, by the rules that the whole graph goes by.
Differentiate = Callable[[Sequence[Value], Cotangents, Sequence[Value]], list[Value | None]]
#: The sum over all steps of what a node makes of operands, from the stacks of these.
OverSteps = Callable[[Node, Callable[[Value], Value]], Value]

#: By operator, its results added up over the steps of a loop as one operator outside.
OVER_STEPS: dict[type[Op], OverSteps] = {}


def over_steps(*ops: type[Op]) -> Callable[[OverSteps], OverSteps]:
    """Register how the sum over the steps is computed outside of the loop."""

    def register(function: OverSteps) -> OverSteps:
        OVER_STEPS.update(dict.fromkeys(ops, function))
        return function

    return register


def loop_gradient(node: Node, cotangents: Cotangents, vjp: Differentiate) -> Cotangents:
    """The cotangents of the inputs of a scan, from those of its results."""
    op = node.op
    assert isinstance(op, Scan)
    return _Backward(node, op, cotangents, vjp).gradients()


@dataclass
class _Backward:
    """One loop on its way back.

    Attributes:
        arriving: for each carry that is reached, what stands in the body for its sensitivity.
        feeding: the same for each y that is reached.
        stacks: for values of the body, those of all steps outside of it.
        wanted: values of the backward body that are read outside, and what stands for their stacks.
    """

    node: Node
    op: Scan
    cotangents: Cotangents
    vjp: Differentiate
    arriving: dict[int, Value] = field(default_factory=dict)
    feeding: dict[int, Value] = field(default_factory=dict)
    stacks: dict[Value, Value] = field(default_factory=dict)
    wanted: dict[Value, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names([v.node.name for v in self.op.body.inputs])
        self.outer = self.op.parts(self.node.inputs)
        self.inner = self.op.parts(self.op.body.inputs)
        self.results = tuple(self.op.body.outputs.values())
        self.wrt = [v for v in self.op.body.inputs if v.dtype.is_float]

    def gradients(self) -> list[Value | None]:
        found = self._through_body()
        saved = self._saved(v for v in found.values() if v is not None)
        slices = self._slices(saved)
        # From here on values of the forward body are what the backward body reads of them.
        reads = {v: self._input(v.node.name or v.node.op.name, v.type) for v in saved}
        known = [v for v in found if found[v] is not None]
        made = dict(zip(known, rebuilt([found[v] for v in known], reads), strict=True))  # type: ignore[misc]
        self.stacks.update({reads[v]: slices[v] for v in saved})
        self.stacks.update({self.feeding[i]: self.cotangents[i] for i in self.feeding})  # type: ignore[misc]
        self.stacks.update(zip(self.inner.scanned, self.outer.scanned, strict=True))
        sums = {w: self._summed(made[w]) for w in self.inner.given if w in made}
        rows = {x: self._stack(made[x]) for x in self.inner.scanned if x in made}
        last, new = self._run(made)
        outside = [*sums.values(), *rows.values()]
        results = dict(zip([*sums, *rows], rebuilt(outside, new), strict=True))
        return [last.get(v, results.get(v)) for v in self.op.body.inputs]

    def _through_body(self) -> dict[Value, Value | None]:
        """Cotangents of the inputs of the body, of all carries that any way leads to."""
        reached = {i for i, c in enumerate(self.cotangents[: self.op.carries]) if c is not None}
        for i, c in enumerate(self.cotangents[self.op.carries :], self.op.carries):
            if c is not None:
                self.feeding[i] = self._input("dy", self.results[i].type)
        while True:
            for i in sorted(reached - self.arriving.keys()):
                self.arriving[i] = self._input("dcarry", self.results[i].type)
            given = {**self.arriving, **self.feeding}
            outputs = [self.results[i] for i in sorted(given)]
            found = self.vjp(outputs, [given[i] for i in sorted(given)], self.wrt)
            by_input = dict(zip(self.wrt, found, strict=True))
            more = {i for i, c in enumerate(self.inner.carries) if by_input.get(c) is not None}
            if more <= reached:
                return by_input
            reached |= more

    def _input(self, hint: str, t: TensorType) -> Value:
        name = self.names.fresh(hint)
        return Input(name, t)(name=name)

    def _saved(self, found: Iterable[Value]) -> list[Value]:
        """The values of the forward body that the backward one reads, and cannot compute of given
        ones alone. Slices are not among them: they are there."""
        roots = list(found)
        forward = set(self.op.body.nodes)
        order = topological_order(v.node for v in roots)
        read = [v for n in order if n not in forward for v in n.inputs] + roots
        moving = {v: None for v in read if v.node in forward and v in self.op.moving}
        return [v for v in moving if v not in self.inner.scanned]

    def _slices(self, saved: Sequence[Value]) -> dict[Value, Value]:
        """For each value the stack of all steps, by a forward loop that gives them as well."""
        body, ys = self.op.body, self.results[self.op.carries :]
        more = [v for v in saved if v not in ys]
        node = self.node
        if more:
            keys = Names(list(body.outputs))
            outputs = {**body.outputs, **{keys.fresh("saved"): v for v in more}}
            op = replace(self.op, body=body.with_outputs(outputs))
            node = build(op, node.inputs, node.name)
        stacks = node.outputs[self.op.carries :]
        return dict(zip((*ys, *more), stacks, strict=True))

    def _summed(self, value: Value) -> Value:
        """Σ_t of a value of the backward body: outside of it."""
        node = value.node
        if isinstance(node.op, Add) and all(v.type == value.type for v in node.inputs):
            one, two = (self._summed(v) for v in node.inputs)
            return one + two
        if isinstance(node.op, Reshape | Transpose):
            return node.op(self._summed(node.inputs[0]))
        rule = OVER_STEPS.get(type(node.op))
        found = rule(node, self._stack) if rule is not None and _applies(node) else None
        return Sum((0,))(self._stack(value)) if found is None else found

    def _stack(self, value: Value) -> Value:
        """What stands for a value of all steps: known, or a y of the backward loop."""
        if value in self.stacks:
            return self.stacks[value]
        if value not in self.wanted:
            t = value.type.with_shape((self.op.length, *value.shape))
            self.wanted[value] = Input(f"stack{len(self.wanted)}", t)()
        return self.wanted[value]

    def _run(self, made: dict[Value, Value]) -> tuple[dict[Value, Value], dict[Value, Value]]:
        """The backward loop: last carries, by the carry; stacks, by what stands for them."""
        if not self.arriving and not self.wanted:
            return {}, {}
        carries = [self.inner.carries[i] for i in self.arriving]
        new = [made[c] if c in made else filled(c.shape, 0.0, c.dtype) for c in carries]
        outputs = [*new, *self.wanted]
        order = topological_order(v.node for v in outputs)
        arriving = [*self.arriving.values()]
        read = [n.output for n in order if isinstance(n.op, Input) and n.output not in arriving]
        slices = [v for v in read if v in self.stacks]
        given = [v for v in read if v not in self.stacks]
        body = Graph.of(
            (*arriving, *slices, *given),
            {f"{'dcarry' if i < len(new) else 'dy'}{i}": v for i, v in enumerate(outputs)},
            name="backward",
        )
        op = replace(
            self.op, body=body, carries=len(new), scanned=len(slices), reverse=not self.op.reverse
        )
        outside = dict(zip(self.inner.given, self.outer.given, strict=True))
        starts = [
            filled(c.shape, 0.0, c.dtype) if (known := self.cotangents[i]) is None else known
            for i, c in zip(self.arriving, carries, strict=True)
        ]
        inputs = (*starts, *(self.stacks[v] for v in slices), *(outside[v] for v in given))
        results = build(op, inputs, f"{self.node.name}.backward" if self.node.name else "").outputs
        last = dict(zip(carries, results, strict=False))
        stacks = dict(zip(self.wanted.values(), results[len(carries) :], strict=True))
        return last, stacks


def _applies(node: Node) -> bool:
    """Whether a product is one of rows, which those of all steps lie below each other."""
    op = node.op
    if isinstance(op, MatMul):
        rows = all(v.type.rank == 2 for v in node.inputs)
        return rows and op.transpose_a and not op.transpose_b
    return True


@over_steps(MatMul)
def _rows(node: Node, stack: Callable[[Value], Value]) -> Value:
    """Σ_t aᵀ b = Aᵀ B, with the rows of all steps below each other."""
    return node.op(*(_merged(stack(v)) for v in node.inputs))


@over_steps(Conv2dWeightGrad)
def _images(node: Node, stack: Callable[[Value], Value]) -> Value:
    """The images of all steps as one batch."""
    return node.op(*(_merged(stack(v)) for v in node.inputs))


@over_steps(Sum)
def _totals(node: Node, stack: Callable[[Value], Value]) -> Value:
    """Σ_t Σ_axes x: over the steps, too."""
    op = node.op
    assert isinstance(op, Sum)
    total = Sum((0, *(a + 1 for a in op.axes)), op.keepdims)(stack(node.inputs[0]))
    return total if not op.keepdims else Reshape(node.output.shape)(total)


def _merged(x: Value) -> Value:
    """(T, N, ...) as (T·N, ...)."""
    shape: Shape = x.shape
    rows: Dim = merged_size(shape[:2])
    return Reshape((rows, *shape[2:]))(x)
