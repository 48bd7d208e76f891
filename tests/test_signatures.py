"""Every public name with its arguments and their defaults, in a file that a review can read.

A default that changes changes what the programs of others do, and no other test would see it. After
a change that is meant, write the file anew and read its difference:

    python tests/test_signatures.py
"""

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import graphcnn as cnn
from graphcnn.exchange.check import check_onnx
from graphcnn.exchange.export import export_onnx
from graphcnn.exchange.export_training import export_onnx_training
from graphcnn.pictures import graph_picture, volume_picture
from graphcnn.tools.cli import cli
from graphcnn.training.fit import BATCH_SIZE, fit

SIGNATURES = Path(__file__).with_suffix(".txt")
WIDTH = 100
#: Where `**options` go, if to one function.
BEHIND: dict[str, Callable[..., Any]] = {
    "cnn.Model.fit": fit,
    "cnn.Model.draw": graph_picture,
    "cnn.Model.draw_volume": volume_picture,
    "cnn.Model.export_onnx": export_onnx,
    "cnn.Model.export_onnx_training": export_onnx_training,
    "cnn.check_onnx": check_onnx,
}


def public() -> Iterator[str]:
    """All of `cnn.*`, of its modules and of the models, each class with its methods."""
    modules: list[tuple[str, ModuleType]] = [("cnn", cnn)]
    for prefix, module in modules:
        for name in sorted(getattr(module, "__all__", own_names(module))):
            thing, path = getattr(module, name), f"{prefix}.{name}"
            if isinstance(thing, ModuleType):
                modules.append((path, thing))
            elif isinstance(thing, type):
                yield from of_class(path, thing)
            elif inspect.isroutine(thing):
                yield written(path, parameters(thing, path))
            else:
                yield path


def own_names(module: ModuleType) -> list[str]:
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
    ]


def of_class(path: str, kind: type) -> Iterator[str]:
    if issubclass(kind, Exception):
        yield f"{path}: {kind.__base__.__name__}"
        return
    if issubclass(kind, enum.Enum):
        yield from (f"{path}.{member.name}" for member in kind)
        return
    arguments = parameters(kind)
    yield written(path, arguments)
    bases = {getattr(cnn, base.__name__, object) for base in kind.__mro__[1:]}
    inherited = {name for base in bases for name in dir(base)}
    ours = {n for base in kind.__mro__ if "graphcnn" in base.__module__ for n in vars(base)}
    for name in sorted(ours):
        thing = inspect.getattr_static(kind, name)
        if name.startswith("_") or name in {a.split("=")[0] for a in arguments}:
            continue
        if name in inherited and name not in vars(kind):
            continue
        if isinstance(thing, (staticmethod, classmethod)) or inspect.isfunction(thing):
            found = parameters(getattr(kind, name), f"{path}.{name}")
            yield written(f"{path}.{name}", [p for p in found if p != "self"])
        elif isinstance(thing, (int, float, str)):
            yield f"{path}.{name} = {thing!r}"
        else:
            yield f"{path}.{name}"


def parameters(thing: Callable[..., Any], path: str = "") -> list[str]:
    """The parameters as a caller sees them: with `/` and `*`, without their types."""
    bare = inspect.signature(thing)
    readable = [
        p.replace(
            annotation=p.empty, default=p.empty if p.default is p.empty else Readable(p.default)
        )
        for p in bare.parameters.values()
    ]
    found = split(str(bare.replace(parameters=readable, return_annotation=bare.empty))[1:-1])
    if "**options" in found and path in BEHIND:
        last = parameters(BEHIND[path])
        return [*found[:-1], *last[last.index("*") + ("*" in found) :]]
    return found


class Readable:
    """A default whose text is the same in every release of Python."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        if isinstance(self.value, enum.Enum):
            return f"{type(self.value).__name__}.{self.value.name}"
        if callable(self.value) and hasattr(self.value, "__qualname__"):
            return str(self.value.__qualname__)
        if type(self.value).__module__.startswith("graphcnn") or not hasattr(
            self.value, "__dict__"
        ):
            return repr(self.value)
        return f"<{type(self.value).__name__}>"


def split(text: str) -> list[str]:
    """Divided at the commas that no bracket holds."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p.strip() for p in parts if p.strip()]


def written(name: str, arguments: list[str]) -> str:
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {a}," for a in arguments), ")"])


def commands(command: click.Command, path: str) -> Iterator[str]:
    """The command line: every command with its arguments, options and their defaults."""
    yield path
    context = click.Context(command)
    for p in command.params:
        names = p.human_readable_name if isinstance(p, click.Argument) else ", ".join(p.opts)
        parts = [names, *p.secondary_opts, kind(p)]
        default = p.get_default(context, call=False)
        if type(default) in (int, float, str) or default is True:
            parts.append(f"= {default!r}")
        parts += ["required"] * p.required + ["several"] * (p.multiple or p.nargs != 1)
        yield "    " + "  ".join(filter(None, parts))
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from commands(command.commands[name], f"{path} {name}")


def kind(parameter: click.Parameter) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    t = parameter.type
    if isinstance(t, (click.IntRange, click.FloatRange)):
        low = "" if t.min is None else f" {'>' if t.min_open else '>='} {t.min}"
        high = "" if t.max is None else f" {'<' if t.max_open else '<='} {t.max}"
        return f"{t.name}{low}{high}"
    return t.name


def everything() -> str:
    size = f"a batch of `fit` by default = {BATCH_SIZE}"
    return "\n".join([*public(), "", size, "", *commands(cli, "graphcnn")]) + "\n"


def test_no_argument_and_no_default_changes_unseen() -> None:
    before, now = SIGNATURES.read_text("utf-8"), everything()
    changed = unified_diff(before.splitlines(), now.splitlines(), "written down", "now", "", "", 1)
    difference = "\n".join(changed)
    assert not difference, f"{difference}\nif that is meant: python tests/test_signatures.py"


def test_names_that_are_loaded_later_are_found_by_tab() -> None:
    for module in (cnn, cnn.optimizers, cnn.schedules, cnn.metrics):
        assert {*module.__all__} <= {*dir(module)}


def test_help_of_fit_explains_every_argument() -> None:
    told = cnn.Model.fit.__doc__ or ""
    names = list(inspect.signature(fit).parameters)[1:]
    assert [n for n in names if not re.search(rf"^ +(\w+, )*{n}(, \w+)*: ", told, re.M)] == []


if __name__ == "__main__":
    SIGNATURES.write_text(everything(), "utf-8")
