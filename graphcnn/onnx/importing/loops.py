"""Loop and Scan of ONNX as one operator, `scan`: the body is read once.

This needs a body that is the same graph at every turn. Where it is not (sizes that grow, a number
of the turn that decides a shape, sequences), what fails here is written out turn by turn instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import GraphError, ImportModelError
from graphcnn.ir.node import Value
from graphcnn.language.loops.scan import scan
from graphcnn.onnx.importing.context import Call, Known, Operand, Store
from graphcnn.onnx.importing.rules.parts import take
from graphcnn.onnx.importing.rules.scatter import moved

#: Turns times nodes of a body that are written out at once: so few are no loop's worth.
CHEAP = 64

#: A function that writes the body out once.
Turn = Callable[..., list[Operand]]


def is_computed(operands: Sequence[Operand]) -> bool:
    """Whether nothing of the operands is left to a run: then turns are computed while importing."""
    return all(isinstance(x, Known) and not x.learned for x in operands)


def looped(
    call: Call,
    turn: Turn,
    carried: Sequence[Operand],
    xs: Sequence[Value],
    length: int,
    back: bool = False,
) -> list[Value] | None:
    """The last carries and, stacked along axis 0, what the turns give: by one `scan`. None where
    the body is not the same graph at every turn.

    `xs` have their steps along axis 0; with `back` the loop begins at the last one, and each
    result lies at the place of its step.
    """
    store = call.store
    if not all(x.is_tensor for x in carried if isinstance(x, Known)):
        return None

    def body(carry: tuple[Value, ...], x: tuple[Value, ...]) -> Any:
        found = [store.value(v) for v in turn(*carry, *x)]
        return tuple(found[: len(carry)]), tuple(found[len(carry) :])

    try:
        init = tuple(store.value(x) for x in carried)
        last, ys = scan(body, init, tuple(xs), axis=0, reverse=back, length=length, name=call.name)
    except (GraphError, ImportModelError):
        return None
    results = [*last, *ys]
    for v in results:
        store.edge_bytes += call.limits.check_shape(v.shape, "its result") * v.dtype.bytes
    if store.edge_bytes > call.limits.edge_bytes:
        raise ImportModelError(
            f"the results of {length:,} turns take more than {call.limits.edge_bytes:,} bytes "
            "(limits.edge_bytes)"
        )
    return results


def numbered(turn: Turn) -> Turn:
    """The turn of a Loop as one of a scan over the numbers of the turns: it goes on for certain.

    Raises `ImportModelError` where that does not follow from the body alone.
    """

    def numbered_turn(*inputs: Operand) -> list[Operand]:
        *carry, number = inputs
        going, *found = turn(number, Known(np.array(True)), *carry)
        if not isinstance(going, Known) or not going.array.all():
            raise ImportModelError("whether the loop goes on is computed by its turns")
        return found

    return numbered_turn


def along(store: Store, x: Operand, axis: int) -> Value:
    """x with the axis of its steps in front."""
    value = store.value(x)
    return moved(value, axis % value.type.rank, 0)


def turned(call: Call, x: Value) -> Value:
    """x from its last step to its first, along axis 0."""
    size = int(x.shape[0])  # type: ignore[arg-type]
    return take(call, x, 0, np.arange(size)[::-1])
