"""Augmentation as a text, "flip, crop(4)": calls of `cnn.augment` with literal arguments.

The text is read as Python and never run: names are looked up in a table, arguments are literals.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from graphcnn.data import augment
from graphcnn.data.augment.transform import Transform
from graphcnn.errors import GraphCnnError, RecipeError
from graphcnn.language.arguments import choose

#: What is no transform by itself, takes a function, or is done to these data already.
_OTHERS = {"function", "preview", "normalise"}
TRANSFORMS: dict[str, Callable[..., Transform]] = {
    name: getattr(augment, name)
    for name in augment.__all__
    if name.islower() and name not in _OTHERS
}
_UNREADABLE = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


def transforms(text: str) -> tuple[Transform, ...]:
    """The transforms of a text such as `flip, crop(4), cutout(8)`.

    Raises:
        RecipeError: it is no such list, a transform is unknown (with the nearest name), or
            its arguments are not right (with what it takes).
    """
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except _UNREADABLE:
        raise RecipeError(
            f"{text!r} cannot be read: transforms are separated by commas, as in "
            '"flip, crop(4), cutout(8)"'
        ) from None
    return tuple(map(_transform, body.elts if isinstance(body, ast.Tuple) else [body]))


def _transform(node: ast.expr) -> Transform:
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Name):
        raise RecipeError(
            f"{ast.unparse(node)!r} is no transform: one is a name, with its arguments in "
            "parentheses if it has some, as in crop(4)"
        )
    try:
        make = choose(TRANSFORMS, called.id, "transform")
        arguments, named = _arguments(node) if isinstance(node, ast.Call) else ([], {})
        inspect.signature(make).bind(*arguments, **named)
        return make(*arguments, **named)
    except (GraphCnnError, *_UNREADABLE) as error:
        about = _described(called.id) if called.id in TRANSFORMS else ""
        raise RecipeError(f"{error}{about}") from None


def _arguments(call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    if any(keyword.arg is None for keyword in call.keywords):
        raise ValueError("** has no meaning here")
    named = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
    return [_literal(value) for value in call.args], named


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except _UNREADABLE:
        quoted = f"; a word is in quotes, '{node.id}'" if isinstance(node, ast.Name) else ""
        raise ValueError(f"{ast.unparse(node)} is no number and no text{quoted}") from None


def _described(name: str) -> str:
    """How it is called, and what its parameters mean."""
    make = TRANSFORMS[name]
    taken = [p.replace(annotation=p.empty) for p in inspect.signature(make).parameters.values()]
    call = inspect.Signature(taken)
    return f"\n\n  {name}{call}\n" + textwrap.indent(inspect.getdoc(make) or "", "    ")
