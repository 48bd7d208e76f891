"""Errors of a language function name the function, the layer and the user's line."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from graphcnn.errors import GraphError
from graphcnn.origin import current_origin

F = TypeVar("F", bound=Callable[..., Any])


def located(function: F) -> F:
    """Put `conv2d "C3" (lenet.py:12): ` before the errors that `function` itself finds.

    Errors of a node that could not be built carry their place already and pass unchanged.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except GraphError as error:
            origin = current_origin()
            text = str(error)
            if origin.location and f"({origin.location})" in text:
                raise
            name = kwargs.get("name", "")
            label = f' "{name}"' if name else ""
            where = f" ({origin.location})" if origin.location else ""
            raise type(error)(f"{function.__name__}{label}{where}: {text}") from None

    return cast(F, wrapper)
