"""The network of an estimator, made of what its data tell."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from graphcnn.ir.tensor_type import N
from graphcnn.language.arguments import choose
from graphcnn.model import Model
from graphcnn.models import MODELS


def made(
    model_fn: Any, what: str, count: int, shape: tuple[int, ...], options: Mapping[str, Any]
) -> Model:
    """The network of a function, or of a built-in name, for so many "classes" or "outputs".

    The function is told the count and the shape of an item where it has arguments of the names
    `classes` or `outputs`, and `shape`; one that needs a single argument of another name is given
    the count. `options` are arguments of its own.

    Raises `TypeError` for what is no such function, `ValueError` for a network that is not of one
    input and one output of the right size.
    """
    function = choose(MODELS, model_fn, "model") if isinstance(model_fn, str) else model_fn
    if not callable(function) or isinstance(function, Model):  # which is called with tensors
        raise TypeError(
            "model_fn must be a function that makes a Model, or the name of a built-in network, "
            f"found {model_fn!r:.80}"
        )
    known = {"classes": count, "shape": shape, what: count}
    model = _called(function, known, options)
    if not isinstance(model, Model):
        raise TypeError(f"model_fn must return a graphcnn.Model, found {model!r:.80}")
    if len(model.graph.inputs) != 1 or len(model.graph.outputs) != 1:
        raise ValueError(
            "the network of an estimator has one input and one output, but "
            f"{model.name!r} has {len(model.graph.inputs)} and {len(model.graph.outputs)}"
        )
    (output,) = model.graph.outputs.values()
    if output.type.shape != (N, count) and (output.type.shape, count) != ((N,), 1):
        raise ValueError(
            f"{model.name!r} has an output {output.type}, but the data have {count} {what}: "
            f"expected (N, {count})"
        )
    return model


def _called(
    function: Callable[..., Any], known: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    parameters = inspect.signature(function).parameters
    told = {name: value for name, value in known.items() if name in parameters} | {**options}
    needed = [
        p for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.name not in told
    ]  # fmt: skip
    return function(*[known["classes"]] * (len(needed) == 1), **told)
