"""The quickstart: what it reaches, what it leaves, and that its next steps work."""

import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run

import graphcnn as cnn
from graphcnn.tools import quickstart as module

# Looked for, not imported: whoever runs other tests need not wait for scikit-learn.
pytestmark = [
    pytest.mark.skipif(find_spec(needed) is None, reason=f"needs {needed}")
    for needed in ("sklearn", "PIL", "onnxruntime")
]

DIGITS = {f"digit-{digit}.png" for digit in range(10)}
FILES = {"NEXT-STEPS.txt", "architecture.svg", "curves.svg", "digits.onnx", "digits.safetensors"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that it filled, and what it printed."""
    folder = tmp_path_factory.mktemp("quick") / "start"
    result = run("quickstart", "--folder", folder)
    assert result.exit_code == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_it_leaves_everything(done: tuple[Path, str]) -> None:
    folder, text = done
    assert {p.name for p in folder.iterdir()} == FILES | DIGITS
    for name in FILES:
        assert str(folder / name) in text
    for name in ("architecture.svg", "curves.svg"):
        assert b"<svg" in (folder / name).read_bytes()


def test_the_sample_digits_are_what_their_names_say(done: tuple[Path, str]) -> None:
    from PIL import Image

    folder, _ = done
    _, test = cnn.data.digits()
    for digit in range(10):
        pixels = np.asarray(Image.open(folder / f"digit-{digit}.png"))
        same = [np.array_equal(np.rint(255 * image[0]), pixels) for image in test.images]
        assert digit in test.labels[same]


def test_it_reads_97_percent_of_the_held_out_digits(done: tuple[Path, str]) -> None:
    folder, text = done
    _, test = cnn.data.digits()
    accuracy = cnn.load(folder / "digits.safetensors").evaluate(test)["accuracy"]
    assert accuracy >= 0.97
    assert f"{100 * accuracy:.2f} % of {len(test)} digits" in text


def test_onnx_runtime_agrees_on_all_held_out_digits(done: tuple[Path, str]) -> None:
    """Measured here once more, without our own comparison."""
    import onnxruntime

    folder, text = done
    _, test = cnn.data.digits()
    model = cnn.load(folder / "digits.safetensors")
    session = onnxruntime.InferenceSession(str(folder / "digits.onnx"))
    theirs = session.run(None, {"image": model.prepare(test.images)})[0]
    ours = model.predict(test.images, raw=True, runtime="reference")
    difference = np.abs(theirs - ours).max()
    printed = float(re.search(r"largest difference (\S+),", text)[1])  # type: ignore[index]
    assert printed < 2e-5  # on logits of about 20
    assert 0.5 * printed <= difference <= 2 * printed  # other batches, other order of sums
    assert "same digit in 100 %" in text
    native = model.predict(test.images, raw=True, runtime="native")
    assert np.abs(native - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_the_same_seed_leaves_the_same_files(done: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = done
    assert run("quickstart", "--folder", tmp_path, "--no-progress").exit_code == 0
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def next_steps(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("  graphcnn ")]


def test_the_next_steps_work(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(done[0], tmp_path / "copy"))
    text = Path("NEXT-STEPS.txt").read_text()
    commands = next_steps(text)
    assert len(commands) >= 8
    for command in commands:
        if "FOLDER" not in command:
            result = run(*shlex.split(command)[1:])
            assert result.exit_code == 0, f"{command}\n{result.stdout + result.stderr}"
    block = re.search(r"(?m)(^  import graphcnn.*?)^\S", text, re.DOTALL)
    assert block is not None
    exec(re.sub("(?m)^  ", "", block[1]), {})
    for name in re.findall(r"^  ([\w-]+\.\w+)  ", text, re.MULTILINE):
        assert Path(name).exists(), name


def test_a_missing_extra_is_named_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = run("quickstart", "--folder", tmp_path / "start")
    assert result.exit_code == 1
    assert "packages 'scikit-learn', 'onnxruntime', which are not" in result.stderr
    assert 'pip install "graphcnn[demo]"' in result.stderr
    assert not (tmp_path / "start").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("quickstart", "--folder", tmp_path / "file" / "start")
    assert result.exit_code == 1
    assert "cannot make the folder" in result.stderr


def test_ctrl_c_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> cnn.Model:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "build", interrupted)
    result = run("quickstart", "--folder", tmp_path)
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"
    assert not list(tmp_path.iterdir())
