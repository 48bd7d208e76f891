"""The command `graphcnn ops`: the operators as a table or a page of the docs, one of them whole."""

import difflib
import json
import shutil
import sys
from itertools import groupby
from typing import TYPE_CHECKING

import click

from graphcnn.errors import WrongUseError
from graphcnn.tools.commands.arguments import json_option

if TYPE_CHECKING:
    from graphcnn.tools.operators import Operator

#: How many of ONNX's operators are named in one field of a table.
FEW = 3


@click.command()
@click.argument("op", required=False)
@click.option("--markdown", is_flag=True, help="Print the page docs/operators.md.")
@json_option
def ops(op: str | None, markdown: bool, as_json: bool) -> None:
    """List the operators, or show OP whole.

    Every network, training step and ONNX file is a graph of these. The table says of each how its
    gradient is made (yes: by a rule of its own), how native code computes it (by a kernel of its
    own, or by expansion to smaller operators), what it becomes in an ONNX file, and its definition.
    For one operator it is its whole text: operands, results, attributes with their defaults, the
    function that makes it, the file that defines it. All of it is asked of the program itself.

    \b
    Examples:
      graphcnn ops
      graphcnn ops conv2d
      graphcnn ops softmax --json
      graphcnn ops --markdown > operators.md
    """
    from graphcnn.tools.operators import operators

    found = operators()
    if op is not None:
        if markdown:
            raise WrongUseError("--markdown prints the page of all operators, without OP")
        chosen = _named(op, found)
        click.echo(json.dumps(chosen.to_json(), indent=2) if as_json else _whole(chosen))
    elif markdown:
        click.echo(page(found), nl=False)
    elif as_json:
        click.echo(json.dumps([o.to_json() for o in found], indent=2))
    else:
        click.echo(table(found))


def _named(name: str, found: "tuple[Operator, ...]") -> "Operator":
    """The operator, by its name or by that of the function that makes it."""
    for o in found:
        if o.name == name:
            return o
    for o in found:
        if name in o.functions:
            return o
    near = difflib.get_close_matches(name, [o.name for o in found], 3)
    hint = f"; near are {', '.join(near)}" if near else "; `graphcnn ops` lists all"
    raise WrongUseError(f"there is no operator {name!r}{hint}")


def table(found: "tuple[Operator, ...]") -> str:
    """A line each, which a terminal shows without wrapping it."""
    lines = [f"{'operator':<22}{'gradient':<14}{'native':<14}{'ONNX':<27}definition"]
    for o in found:
        fields = f"{o.name:<22}{o.gradient:<14}{o.native:<14}{_few(o.onnx_written, 1):<27}"
        lines.append(fields + o.definition)
    if sys.stdout.isatty():
        most = max(shutil.get_terminal_size().columns, 90)
        lines = [line if len(line) <= most else line[: most - 1] + "…" for line in lines]
    return "\n".join(lines)


def _few(names: tuple[str, ...], most: int = FEW) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" + {more}" if more > 0 else "") or "-"


def _whole(o: "Operator") -> str:
    """One operator as a text of paragraphs."""
    attributes = [f"{name}: {kind}" for name, kind in o.attributes.items()]
    facts = {
        "function": ", ".join(f"graphcnn.{name}" for name in o.functions),
        "operands": ", ".join(o.operands),
        "results": ", ".join(o.results),
        "attributes": "\n".join(attributes),
        "properties": "\n".join(o.properties),
        "gradient": o.gradient,
        "native code": o.native,
        "written to ONNX as": ", ".join(o.onnx_written) or f"nothing: {o.onnx_note}",
        "read from ONNX's": ", ".join(o.onnx_read),
        "in pictures": o.family,
        "defined in": o.file,
    }
    wide = max(map(len, facts)) + 2
    lines = [
        f"{key if i == 0 else '':<{wide}}{line}"
        for key, value in facts.items()
        for i, line in enumerate(value.splitlines() or ["-"])
    ]
    return "\n".join([o.name, "", o.doc, "", *lines])


def page(found: "tuple[Operator, ...]") -> str:
    """All operators in Markdown, a table for each file that defines some."""
    parts = [_INTRODUCTION]
    for file, members in groupby(found, key=lambda o: o.file):
        parts.append(f"\n## [{file}](../{file})\n\n{_HEAD}")
        parts.extend(_row(o) for o in members)
    return "\n".join(parts) + "\n"


_INTRODUCTION = """# Operators

Made by `graphcnn ops --markdown` from the program itself; `graphcnn ops OP` shows one whole. What a
network, a training step or an ONNX file is made of:

- **Gradient**: *yes* by a rule of its own; *by expansion* as the smaller operators that define it
  are differentiated; *zero* where results change in steps; *none* where nothing asks for one.
- **Native**: a *kernel* of its own, or *by expansion*; sources lie in *memory*; *Python* is called
  for what users define.
- **ONNX out**: what its exporter may write, by attributes and opset. **ONNX in**: the operators
  whose rules make it. Of many the first are named.
- **Picture**: the family that gives it its colour."""

_HEAD = """| Operator | Definition | Gradient | Native | ONNX out | ONNX in | Picture |
|---|---|---|---|---|---|---|"""


def _row(o: "Operator") -> str:
    fields = [
        f"`{o.name}`", _escaped(o.definition), o.gradient, o.native,
        _few(o.onnx_written), _few(o.onnx_read), o.family,
    ]  # fmt: skip
    return f"| {' | '.join(fields)} |"


def _escaped(text: str) -> str:
    """Text whose signs mean themselves in a table of Markdown; in `code` only | divides columns."""
    parts = text.split("`")
    for i, part in enumerate(parts):
        for sign in "|" if i % 2 else "\\|*<[":
            part = part.replace(sign, "\\" + sign)
        parts[i] = part
    return "`".join(parts)
