"""The programs of the pages that compare: ours run and learn, the pages show them as they are."""

import importlib.util
import itertools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from graphcnn.tools.side_by_side import PAGES, filled

DOCS = Path(__file__).parent.parent.parent / "docs"
PROGRAMS = DOCS / "programs"
OURS = sorted(p for p in (PROGRAMS / "with_graphcnn").glob("*.py") if p.stem != "network")
#: What has to be there for the programs of others, which run where it is.
NEEDED = {
    "keras": ("keras", "torch"),
    "pytorch": ("torch", "lightning", "torchvision", "onnxscript"),
}
THEIRS = sorted(
    p for library, _ in PAGES.values() for p in (PROGRAMS / f"with_{library}").glob("*")
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("program", OURS, ids=lambda p: p.stem)
def test_our_programs_run_and_learn(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(PROGRAMS))
    monkeypatch.syspath_prepend(str(program.parent))
    for shared in ("network", "digits"):
        monkeypatch.delitem(sys.modules, shared, raising=False)
    runpy.run_path(str(program), run_name="__main__")
    printed = capsys.readouterr().out
    words = printed.split()
    accuracy = max(float(b) for a, b in itertools.pairwise(words) if a == "accuracy")
    assert accuracy > 0.9
    assert all(len(line) <= 62 for line in program.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("program", THEIRS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_programs_of_others_run_where_these_are_installed(program: Path) -> None:
    """Only on request, GRAPHCNN_PEERS=1: they take minutes."""
    library = program.parent.name.removeprefix("with_")
    if not os.environ.get("GRAPHCNN_PEERS"):
        pytest.skip("GRAPHCNN_PEERS=1 runs the programs of other libraries")
    for module in NEEDED.get(library, ()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    environment = {"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": str(PROGRAMS)}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_show_the_programs_as_they_are(name: str) -> None:
    page = DOCS / name
    assert page.read_text(encoding="utf-8") == filled(page)
    for program in OURS:
        assert f"<!-- {program.stem} -->" in filled(page)
