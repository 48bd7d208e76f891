"""The shape of the code base: who may import whom, and what every file has."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"graphcnn": "graphcnn", "passes": "graphcnn.passes", "runtime": "graphcnn.runtime",
           "tools": "graphcnn.tools"}  # fmt: skip

#: From the ground up. A module imports from its own layer and from those below. The last word of
#: the installed name (`ir`, `ops`) or of the package stands for all inside it.
LAYERS = [
    {"errors"},
    {"tensor_type", "geometry", "origin"},
    {"batch", "batch_moves", "stored_types"},
    {"ir"},
    {"casting", "philox", "initializers", "cells", "sources", "graph", "layout", "batch_walk"},
    {"ops"},
    {"*"},  # language, verify, text, draw, onnx, optimizers: all that is not named
    {"passes", "runtime"},
    {"compile", "data"},
    {"native", "profiling"},
    {"runner", "first_difference", "trial", "first_fault", "check"},
    {
        "network",
        "model",
        "models",
        "feeding",
        "pieces",
        "evaluation",
        "exporting",
        "export_judge",
        "training",
    },
    {"", "__main__", "tools"},  # "" is the package itself, which gathers what users see
]
#: Imports against the direction, each inside a function and for a reason.
EXCUSED = {
    ("graphcnn.graph", "graphcnn.text.write"): "print(graph) shows the text form",
    ("graphcnn.onnx.importing.importer", "graphcnn.model"): "import_onnx gives a Model",
    ("graphcnn.onnx.backend", "graphcnn.runner"): "the backend of onnx runs models",
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


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports anywhere, with the line; relative ones start with a dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in MODULES else base), node.lineno


def layer(module: str) -> int:
    word = [*module.split("."), ""][1]
    found = [i for i, names in enumerate(LAYERS) if word in names]
    return found[0] if found else next(i for i, names in enumerate(LAYERS) if "*" in names)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    module = module_name(path)
    for target, line in imports(path):
        if target.split(".")[0] != "graphcnn" or (module, target) in EXCUSED:
            continue
        place = f"{path.relative_to(ROOT)}:{line}: {module} imports {target}"
        gathers = module.startswith(("graphcnn.models.", "graphcnn.tools"))
        if target == "graphcnn" and gathers:
            continue  # written as users write
        assert layer(target) <= layer(module), f"{place}, which lies above it"
        sides = {module.split(".")[1:2][0] if "." in module else "", target.split(".")[1]}
        assert sides != {"passes", "runtime"}, f"{place}: passes and runtime never meet"


@pytest.mark.parametrize("path", sources(*FOLDERS, "tests"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_use_installed_names(path: Path) -> None:
    for target, line in imports(path):
        top = target.split(".")[0]
        assert top not in ("", "passes", "runtime", "tools"), (
            f"{path.relative_to(ROOT)}:{line} imports {target}, write graphcnn.{target.strip('.')}"
        )


@pytest.mark.parametrize("path", sources(*FOLDERS, "tests"), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{lines} lines, at most 400: divide the file"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module begins with a docstring"


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
