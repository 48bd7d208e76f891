"""Errors of a language function name the function, the layer and the user's line."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.origin import current_origin

F = TypeVar("F", bound=Callable[..., Any])


def located(function: F) -> F:
    """Put `conv2d "C3" (lenet.py:12): ` before the errors that `function` itself finds.

    Errors of a node that could not be built carry their place already and pass unchanged.
    """

    names = tuple(inspect.signature(function).parameters)
    tensors = {name for name, t in function.__annotations__.items() if t is Value}

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            for name, x in (*zip(names, args, strict=False), *kwargs.items()):
                if name in tensors and not isinstance(x, Value):
                    raise GraphError(
                        f"{name} must be a tensor of the graph, found {type(x).__name__}; "
                        "make inputs with input(...), wrap arrays in constant(...)"
                    )
                if name == "name" and not isinstance(x, str):
                    raise GraphError(f"name must be a string, found {x!r}")
            return function(*args, **kwargs)
        except GraphError as error:
            origin = current_origin()
            text = str(error)
            if origin.location and f"({origin.location})" in text:
                raise
            named = kwargs.get("name", args[0] if args and names[0] == "name" else "")
            name = named if isinstance(named, str) else ""
            label = f' "{name}"' if name else ""
            where = f" ({origin.location})" if origin.location else ""
            raise type(error)(f"{function.__name__}{label}{where}: {text}") from None

    return cast(F, wrapper)
