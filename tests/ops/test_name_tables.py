"""No file keeps a table of names of operators: what an operator is stands on its class, and what is
done with it is registered by a decorator."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, get_origin

import pytest
from test_imports import LIBRARY, ROOT

from graphcnn.ir.node import OPS, Op

#: So many names of operators make a table.
TABLE = 3
#: Where names that operators have too stand for something else, or for all there is.
REASONS = {
    "graphcnn/__init__.py": "the public names",
    "graphcnn/onnx/exporting/registry.py": "who has no mapping and why: the registry's other half",
    "graphcnn/ops/gather.py": "what `scatter` does at a place",
    "runtime/native/kernels/tensor/scatter.py": "the same as machine code",
    "graphcnn/pictures/lessons/conv_steps.py": "the lessons that there are, by their names",
    "graphcnn/pictures/scene/colors.py": "paints of families and states",
}


def words(node: ast.AST) -> set[str]:
    """The string constants of a literal, of the keys of a dict, of a text that is split."""
    parts: list[ast.AST | None] = []
    if isinstance(node, ast.Set | ast.List | ast.Tuple):
        parts = list(node.elts)
    elif isinstance(node, ast.Dict):
        parts = list(node.keys)
    elif isinstance(node, ast.Match):
        parts = [p.value for p in ast.walk(node) if isinstance(p, ast.MatchValue)]
    elif isinstance(node, ast.FunctionDef):  # `name == "a" or name == "b"`, also in several steps
        equal = [c for c in ast.walk(node) if isinstance(c, ast.Compare)]
        by_side: dict[str, set[str]] = {}
        for compare in equal:
            for side in compare.comparators:
                if isinstance(side, ast.Constant) and isinstance(side.value, str):
                    by_side.setdefault(ast.dump(compare.left), set()).add(side.value)
        return max(by_side.values(), key=lambda found: len(found & OPS.keys()), default=set())
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = node.func.value
        if node.func.attr == "split" and isinstance(text, ast.Constant):
            return set(str(text.value).split())
    return {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}


def registering(tree: ast.Module) -> Iterator[ast.AST]:
    """What goes into decorators: their arguments, tables that they unpack, and module-level loops
    that call them."""
    unpacked = set()
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            yield from ast.walk(decorator)
            starred = [n.value for n in ast.walk(decorator) if isinstance(n, ast.Starred)]
            unpacked |= {n.id for n in starred if isinstance(n, ast.Name)}
    for loop in [s for s in tree.body if isinstance(s, ast.For)]:
        yield from ast.walk(loop.iter)
        unpacked |= {n.id for n in ast.walk(loop.iter) if isinstance(n, ast.Name)}
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = getattr(statement, "targets", None) or [statement.target]  # type: ignore[union-attr]
            if any(isinstance(t, ast.Name) and t.id in unpacked for t in targets):
                yield from ast.walk(statement.value)


def tables(path: Path) -> list[tuple[int, set[str]]]:
    """Lines and names of the tables in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = set(registering(tree))
    found = [(node, words(node) & OPS.keys()) for node in ast.walk(tree) if node not in allowed]
    return [(getattr(n, "lineno", 0), names) for n, names in found if len(names) >= TABLE]


def test_names_of_operators_stand_in_no_table() -> None:
    found = {str(path.relative_to(ROOT)): tables(path) for path in LIBRARY}
    wrong = {file: found[file] for file in found if found[file] and file not in REASONS}
    assert not wrong, f"make them traits of the operators, or register them: {wrong}"
    assert {file for file in REASONS if not found[file]} == set(), "these need no reason"


@pytest.mark.parametrize(
    "text",
    [
        'A = frozenset(("relu", "add", "mul"))',
        'A = {"relu": 1, "add": 2, "mul": 3}',
        'A = "relu add mul".split()',
        'def f(n): return 1 if n.op.name == "relu" or n.op.name == "add" else n.op.name != "mul"',
        'match name:\n  case "relu" | "add": pass\n  case "mul": pass',
    ],
)
def test_tables_are_found(text: str, tmp_path: Path) -> None:
    file = tmp_path / "table.py"
    file.write_text(text)
    assert tables(file)
    file.write_text('@lowers("relu", "add", "mul")\ndef f(): pass')
    assert not tables(file)


def test_every_trait_is_asked_for() -> None:
    traits = {
        name
        for name, kind in Op.__annotations__.items()
        if kind is ClassVar or get_origin(kind) is ClassVar
    }
    assert "commutative" in traits and len(traits) > 10
    asked = {
        node.attr
        for path in LIBRARY
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert traits <= asked, f"nobody asks for {traits - asked}"


def test_every_family_is_said() -> None:
    """By the operator or a base of it: what says nothing would be drawn as arithmetic."""
    for op in OPS.values():
        bases = op.__mro__[: op.__mro__.index(Op)]
        if op.__module__.startswith("graphcnn."):
            assert any("family" in base.__dict__ for base in bases), op.name
