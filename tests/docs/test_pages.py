"""The pages of docs/: their examples run and print what stands there, what they name exists."""

import json
import os
import re
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from test_imports import LAYERS

from graphcnn.tools.architecture_picture import STAGES, architecture_picture
from graphcnn.tools.readme_pictures import WITHOUT_DATA

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
TOLD = (
    "building.md", "page.md", "own-operators.md", "training.md", "doctor.md", "recipes.md",
    "recurrence.md", "several_losses.md", "drawing.md", "pixels.md",
    "codes.md", "adversarial.md",
)  # fmt: skip
EXAMPLES = [*sorted(DOCS.glob("adding-*.md")), *(DOCS / name for name in TOLD)]
PAGES = [*DOCS.glob("*.md"), ROOT / "CONTRIBUTING.md"]


@cache
def ran(folder: Path) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("run_pages.py")), *map(str, EXAMPLES)]
    path = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda p: p.stem)
def test_worked_examples_are_carried_out(page: Path, folder: Path) -> None:
    told = ran(folder)[str(page)]
    assert told
    for expected, found in told:
        assert found == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_what_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r'(?:\]\(|src=")([^)":#]+)[)"]', text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:graphcnn|passes|runtime|tools|tests|\.ci)/[\w./*]+)`", text):
        assert (ROOT / path).exists(), path


def test_pictures_that_need_no_data_are_up_to_date() -> None:
    """But for numbers of lines and of paints, and for ids, which the whole file decides."""
    free = r'<style>.*?</style>|class="[^"]*"|\bg[0-9a-f]{4}\b|<title>[^<]*\.py:\d+</title>\s*'
    bare = partial(re.sub, free, "", flags=re.DOTALL)
    old = [
        name
        for name, make in WITHOUT_DATA.items()
        if bare((DOCS / name).read_text(encoding="utf-8")) != bare(make().svg())
    ]
    assert not old, f"draw {old} again: python -m graphcnn.tools.readme_pictures MNIST docs"


def test_the_picture_of_the_architecture_is_up_to_date() -> None:
    for stage in STAGES:
        assert all((ROOT / file).exists() for file in stage.files), stage
    drawn = (DOCS / "architecture.svg").read_text(encoding="utf-8")
    assert drawn == architecture_picture().svg(), (
        "draw it again: python -m graphcnn.tools.architecture_picture docs"
    )


def test_the_layers_are_those_of_the_page() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    told = [{w.replace("__init__", "") for w in line.split(", ")} for line in block.splitlines()]
    assert told == LAYERS
