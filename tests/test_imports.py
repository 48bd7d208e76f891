"""The shape of the code base: who may import whom, and what every file has."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parent.parent
#: Of a folder, besides `__init__.py`.
MOST_FILES = 22
FOLDERS = {"graphcnn": "graphcnn", "passes": "graphcnn.passes", "runtime": "graphcnn.runtime",
           "tools": "graphcnn.tools"}  # fmt: skip

#: From the ground up. A file imports from its own room (the folder in `graphcnn/` in which it is,
#: or the file itself where it lies loose) and from rooms of lower layers. Rooms of one layer never
#: meet.
LAYERS = [
    {"errors"},
    {"base"},
    {"ir"},
    {"ops"},
    {"text"},
    {"language"},
    {"analysis", "data"},
    {"pictures"},
    {"learning"},
    {"passes", "runtime"},
    {"compile"},
    {"network"},
    {"generative"},
    {"onnx", "training"},
    {"exchange", "lens"},
    {"doctor", "page"},
    {"model"},
    {"testing"},
    {""},  # the package itself, which gathers what users see
    {"models"},
    {"recipes", "sklearn"},
    {"tools"},
    {"__main__"},
]
#: Imports against the direction, each inside a function and for a reason.
EXCUSED = {
    ("graphcnn.data.augment.preview", "graphcnn.pictures.results.augmented"): "it draws a picture",
    ("graphcnn.data.augment.preview", "graphcnn.pictures.picture"): "the type of what it draws",
    ("graphcnn.ir.graph", "graphcnn.text.write"): "print(graph) shows the text form",
}
#: Circles of files, lazy imports included, each for a reason. By the name of its first file.
CIRCLES = {
    "graphcnn.text.literals": "an attribute of an operator can be a graph, which is written in it"
}


def sources(*folders: str) -> list[Path]:
    """All Python files of these folders, links not followed."""
    files = [f for folder in folders for f in (ROOT / folder).rglob("*.py")]
    links = [ROOT / "graphcnn" / name for name in FOLDERS if name != "graphcnn"]
    return sorted(f for f in files if not any(link in f.parents for link in links))


def module_name(path: Path) -> str:
    """The installed name of a file."""
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(p for p in parts if p != "__init__")])


LIBRARY = sources(*FOLDERS)
MODULES = {module_name(path) for path in LIBRARY}


@dataclass(frozen=True)
class File:
    docstring: str | None
    lines: int
    #: Every module that it imports anywhere, with the line; relative ones start with a dot.
    imports: list[tuple[str, int]]


@cache
def read(path: Path) -> File:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    return File(ast.get_docstring(tree), len(text.splitlines()), list(_imports(tree)))


def imports(path: Path) -> list[tuple[str, int]]:
    return read(path).imports


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in MODULES else base), node.lineno


def none(complaints: Iterable[str]) -> None:
    """Fails with all of them, if there are any."""
    lines = list(complaints)
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def room(module: str) -> str:
    """The word after `graphcnn`: a folder, a loose file, or nothing for the package itself."""
    return [*module.split("."), ""][1]


def layer(module: str) -> int:
    return next(i for i, rooms in enumerate(LAYERS) if room(module) in rooms)


def test_imports_point_downwards() -> None:
    none(
        f"{path.relative_to(ROOT)}:{line}: {module} imports {target}, which does not lie below it"
        for path, module in zip(LIBRARY, map(module_name, LIBRARY), strict=True)
        for target, line in imports(path)
        if target.split(".")[0] == "graphcnn"
        and (module, target) not in EXCUSED
        and room(target) != room(module)
        and layer(target) >= layer(module)
    )


def test_no_files_import_each_other() -> None:
    graph = networkx.DiGraph()
    for path in LIBRARY:
        ours = {
            t for t, _ in imports(path) if t in MODULES and (module_name(path), t) not in EXCUSED
        }
        graph.add_edges_from((module_name(path), target) for target in ours)
    circles = [sorted(c) for c in networkx.strongly_connected_components(graph) if len(c) > 1]
    assert {c[0] for c in circles} == set(CIRCLES), "\n".join(map(" <-> ".join, circles))


def test_rooms_are_few_and_not_crowded() -> None:
    loose = {p.name for p in (ROOT / "graphcnn").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "errors.py", "model.py"}
    folders = Counter(p.parent for p in LIBRARY if p.name != "__init__.py")
    crowded = {str(f.relative_to(ROOT)): n for f, n in folders.items() if n > MOST_FILES}
    assert not crowded, f"divide these folders by what their files are about: {crowded}"


def test_imports_use_installed_names() -> None:
    none(
        f"{path.relative_to(ROOT)}:{line} imports {target}, write graphcnn.{target.strip('.')}"
        for path in sources(*FOLDERS, "tests")
        for target, line in imports(path)
        if target.split(".")[0] in ("", "passes", "runtime", "tools")
    )


def test_files_are_short() -> None:
    none(
        f"{path.relative_to(ROOT)} has {read(path).lines} lines, at most 400: divide it"
        for path in sources(*FOLDERS, "tests")
        if read(path).lines > 400
    )


def test_modules_say_what_they_are() -> None:
    none(
        f"{path.relative_to(ROOT)} does not begin with a docstring"
        for path in LIBRARY
        if not read(path).docstring
    )


def test_excuses_are_needed() -> None:
    for module, target in EXCUSED:
        path = next(p for p in LIBRARY if module_name(p) == module)
        assert target in {t for t, _ in imports(path)}, f"{module} no longer imports {target}"


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {module_name(p) for p in LIBRARY if p.name == "__init__.py"}
    assert set(settings["packages"]) == packages
    folder_of = {module_name(p): p.parent for p in LIBRARY if p.name == "__init__.py"}
    assert {"graphcnn", "graphcnn.passes"} < set(settings["package-dir"])
    for name, folder in settings["package-dir"].items():
        assert folder_of[name] == ROOT / folder
    folders = {p.parent for p in LIBRARY}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_links_lead_to_the_folders() -> None:
    for folder in FOLDERS:
        if folder != "graphcnn":
            assert (ROOT / "graphcnn" / folder).resolve() == ROOT / folder
