"""`scan`: a function of tensors, called once, and computed for every step of a sequence."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, rebuilt, topological_order
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Node, Value, build
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import check_function, positive, scoped
from graphcnn.language.axes import one_axis
from graphcnn.language.errors import located
from graphcnn.language.sources import IN_BODY
from graphcnn.ops.loops import Scan
from graphcnn.ops.parts.body import depending
from graphcnn.ops.shape import Transpose

#: One tensor, or a row of them.
Tensors = Value | Sequence[Value]


@located
def scan(
    body: Callable[[Any, Any], Any],
    init: Tensors,
    xs: Tensors = (),
    *,
    axis: int = 1,
    reverse: bool = False,
    length: int | None = None,
    name: str = "",
) -> tuple[Any, Any]:
    """A loop: carry, y[t] = body(carry, x[t]) for each step t of a sequence, one after the other.

    `body` is called once, with tensors that stand for the carry and for one step of xs, whose
    `axis` is gone: of x (N, T, F) it sees (N, F). It may use any tensor from outside, and layers
    with weights of their own: these are the same at every step. Its results are computed T times.

        def step(h, x):                       # h (N, 64), x (N, 16)
            h = cnn.tanh(cnn.dense(x, 64) + cnn.dense(h, 64, bias=False))
            return h, h

        last, all_of_them = cnn.scan(step, start, sequence)

    Args:
        body: a function of (carry, x) that gives (new carry, y). Where `init` or `xs` is a tuple,
            carry or x is one, too; y may be a tensor, a tuple, or () for nothing. The new carry
            has the types of the old one.
        init: the carry of the first step: a tensor, or a tuple of them.
        xs: what the loop goes through: a tensor, a tuple of some with one number of steps, or ()
            for a loop over `length` steps that reads nothing new.
        axis: of the steps, in xs and in ys. By default 1: axis 0 is the batch.
        reverse: begin at the last step. Each y stands at the place of its x.
        length: the number of steps, where there are no xs.

    Returns:
        The last carry, and ys, stacked along `axis`: each as `body` gives it.

    Raises:
        GraphError: the carry changes its type, the xs have other numbers of steps, `body` uses a
            dropout or the running statistics of a batch norm, which are of no single step.
    """
    check_function(body, "body must be a function of (carry, x)")
    carries, sequences = _tensors(init, "init"), _tensors(xs, "xs")
    steps = _steps(sequences, axis, length)
    stacks = [_moved(x, one_axis(x, axis), 0) for x in sequences]
    traced = _traced(body, carries, stacks, (isinstance(init, Value), isinstance(xs, Value)))
    op = Scan(
        traced.body, carries=len(carries), scanned=len(stacks), length=steps, reverse=bool(reverse)
    )
    inputs = (*carries, *stacks, *traced.given)
    results = build(op, inputs, scoped(name, Scan.name)).outputs
    last, ys = results[: len(carries)], results[len(carries) :]
    back = tuple(_moved(y, 0, _axis_of(y, axis)) for y in ys)
    return (
        last[0] if isinstance(init, Value) else tuple(last),
        back[0] if traced.single else back,
    )


class _Traced(NamedTuple):
    """What one call of a function made: a body, what it reads of outside, whether y is one."""

    body: Graph
    given: tuple[Value, ...]
    single: bool


def _traced(
    function: Callable[[Any, Any], Any],
    carries: Sequence[Value],
    stacks: Sequence[Value],
    alone: tuple[bool, bool],
) -> _Traced:
    names = Names()
    cs = [_input(names, "carry", c.type) for c in carries]
    rows = [_input(names, "x", x.type.with_shape(x.shape[1:])) for x in stacks]
    carry, x = cs[0] if alone[0] else tuple(cs), rows[0] if alone[1] else tuple(rows)
    before = IN_BODY.set(True)
    try:
        made = function(carry, x)
    finally:
        IN_BODY.reset(before)
    if not isinstance(made, tuple) or len(made) != 2:
        raise GraphError(f"body must give (carry, y), found {made!r}")
    new, y = _tensors(made[0], "the new carry"), _tensors(made[1], "y")
    if len(new) != len(cs) or isinstance(made[0], Value) != alone[0]:
        raise GraphError(
            f"body must give a carry like the one that it gets, {_listed(carries, alone[0])}, "
            f"found {_listed(new, isinstance(made[0], Value))}"
        )
    outside = _outside((*new, *y), (*cs, *rows))
    keys = _keys(outside)
    stand_ins = {v: _input(names, keys[v], v.type) for v in outside}
    results = rebuilt((*new, *y), stand_ins)
    outputs = {
        f"carry{i}" if i < len(new) else f"y{i - len(new)}": v for i, v in enumerate(results)
    }
    body = Graph.of((*cs, *rows, *stand_ins.values()), outputs, name="body")
    return _Traced(body, tuple(outside), isinstance(made[1], Value))


def _input(names: Names, hint: str, t: TensorType) -> Value:
    name = names.fresh(hint)
    return Input(name, t)(name=name)


def _outside(results: Sequence[Value], read: Sequence[Value]) -> dict[Value, str]:
    """The values that the results of a body are made of and that no step changes: a value that
    does not depend on what is read, and is used by one that does or is a result.

    With each the node and operand that uses it first, as a name. Constants stay in the body.
    """
    order = topological_order(v.node for v in results)
    inside = depending(order, read)
    found: dict[Value, str] = {}
    for node in order:
        if node.outputs[0] not in inside:
            continue
        for i, v in enumerate(node.inputs):
            if v not in inside and not isinstance(v.node.op, Constant):
                _check_outside(node, v)
                found.setdefault(v, f"{node.name or node.op.name}.{node.op.operand_name(i)}")
    for v in results:
        if v not in inside and not isinstance(v.node.op, Constant):
            found.setdefault(v, "given")
    return found


def _keys(outside: dict[Value, str]) -> dict[Value, str]:
    return {v: getattr(v.node.op, "key", "") or hint for v, hint in outside.items()}


def _check_outside(user: Node, v: Value) -> None:
    op = v.node.op
    if isinstance(op, State) and op.role is Role.STATISTIC:
        raise GraphError(
            f"{user.op.name} {user.name!r} keeps statistics of what it sees, and in a loop that "
            "would be of another thing at every step: use layer_norm or group_norm"
        )


def _tensors(found: Any, what: str) -> tuple[Value, ...]:
    values = (found,) if isinstance(found, Value) else () if found is None else found
    if not isinstance(values, tuple | list) or not all(isinstance(v, Value) for v in values):
        raise GraphError(f"{what} must be a tensor or a tuple of tensors, found {found!r}")
    return tuple(values)


def _listed(values: Sequence[Value], alone: bool) -> str:
    types = ", ".join(str(v.type) for v in values)
    return types if alone else f"a tuple of {len(values)} ({types})"


def _steps(xs: Sequence[Value], axis: int, length: int | None) -> int:
    """The number of steps: the size of the axis of all xs, or what was said."""
    if not xs:
        if length is None:
            raise GraphError("without xs, give the number of steps: length=...")
        return positive(length, "length")
    sizes = [x.shape[one_axis(x, axis)] for x in xs]
    (first, *others) = sizes
    if not isinstance(first, int):
        raise GraphError(
            f"the number of steps must be known, found {first}, the size of axis {axis} of "
            f"{xs[0].type}: items of a batch are computed beside each other, not in turn"
        )
    if any(size != first for size in others) or (length is not None and length != first):
        also = "" if length is None else f", length {length}"
        raise GraphError(f"xs must have one number of steps along axis {axis}, found {sizes}{also}")
    return first


def _axis_of(y: Value, axis: int) -> int:
    """Where the steps of a stack of results are to lie."""
    rank = y.type.rank
    if not -rank <= axis < rank:
        raise GraphError(
            f"y of one step is {y.type.with_shape(y.shape[1:])}: it has no axis {axis} for steps"
        )
    return axis % rank


def _moved(x: Value, source: int, target: int) -> Value:
    """x with one axis at another place, the others in order."""
    if source == target:
        return x
    others = [a for a in range(x.type.rank) if a != source]
    return Transpose((*others[:target], source, *others[target:]))(x)
