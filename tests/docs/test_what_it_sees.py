"""The page on the lens: its examples print what stands there, its figures are the command's."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from docs.run_pages import BLOCK, outputs
from support.command_line import run

from graphcnn.tools import lens_pictures

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "what-it-sees.md"
TEXT = PAGE.read_text(encoding="utf-8")
#: Bytes of the network, the digits and the figures together.
LARGEST = 1_500_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where docs/lens is where the page says, and nothing else can be overwritten."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_print_what_stands_there(here: Path) -> None:
    told = outputs(PAGE)
    assert told
    for expected, found in told:
        assert found == expected


def test_the_commands_work(here: Path) -> None:
    """Those about data with a handful of images."""
    digits = np.load("docs/lens/digits.npy")
    labels = np.arange(16) % 10
    np.savez("few.npz", x_train=digits, y_train=labels, x_test=digits, y_test=labels)
    code = "".join(code for kind, code in BLOCK.findall(TEXT) if kind == "sh")
    for line in code.replace("mnist:DIR", "npz:few.npz").splitlines():
        result = run(*shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, f"{line}\n{result.stdout}{result.stderr}"


def test_the_figures_are_those_of_the_command() -> None:
    folder = ROOT / "docs" / "lens"
    drawn = {f"lens/{path.name}" for path in folder.glob("*.svg")}
    assert drawn == set(re.findall(r'src="(lens/\w+\.svg)"', TEXT))
    assert drawn == {f"lens/{name}.svg" for name in lens_pictures.PICTURES}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST
