"""Follows the items of a batch through nodes, each by the rule of its operator."""

from collections.abc import Iterable, Mapping

from graphcnn.ir.batch import FIXED, Batch, Batches, Types, checked, mixed
from graphcnn.ir.node import Node, Op, Value


def follow(nodes: Iterable[Node], known: Mapping[Value, Batch] | None = None) -> dict[Value, Batch]:
    """How each value of `nodes` (in topological order) depends on the batch.

    Args:
        known: of values for which it is given, whatever their node would make of it.
    """
    found = dict(known or {})
    for node in nodes:
        inputs = tuple([found[v] for v in node.inputs])
        results = follow_op(node.op, inputs, tuple([v.type for v in node.inputs]), node.types)
        for value, batch in zip(node.outputs, results, strict=True):
            found.setdefault(value, batch)
    return found


def follow_op(op: Op, inputs: Batches, types: Types, results: Types) -> Batches:
    """How the results of one operator depend on the batch: one for each."""
    for x in inputs:
        if x.is_mixed:
            return (x,) * len(results)
    if all(x.is_fixed for x in inputs) and op.bind(1) is op:
        return (FIXED,) * len(results)
    found = op.follow_batch(inputs, types, results)
    each = found if isinstance(found, tuple) else (found,) * len(results)
    if len(each) != len(results):
        return (mixed("has a rule for another number of results"),) * len(results)
    return tuple(map(checked, each, results))
