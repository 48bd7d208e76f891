"""The README: its Python runs, its outputs are what is printed, its commands work."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from support.command_line import run

import graphcnn as cnn
from graphcnn.models import MODELS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MNIST = ROOT.parent / "shared" / "data" / "mnist"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [code for name, code in BLOCK.findall(README) if name == kind]


def examples() -> Iterator[tuple[str, str | None]]:
    """Each Python block, and the text block right behind it: its output, or its error."""
    found = BLOCK.findall(README)
    for (kind, code), (after, text) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "python":
            yield code, text if after == "text" else None


def write_idx(folder: Path, name: str, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    (folder / name).write_bytes(header + array.tobytes())


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of MNIST with few digits, real ones where they are at hand."""
    folder = tmp_path_factory.mktemp("mnist")
    rng = np.random.default_rng(0)
    real = cnn.data.mnist(str(MNIST)) if MNIST.is_dir() else None
    for part, (name, count) in enumerate((("train", 1000), ("t10k", 300))):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        if real:
            images, labels = real[part].images[:count, 0], real[part].labels[:count]
        write_idx(folder, f"{name}-images-idx3-ubyte", images)
        write_idx(folder, f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


def test_the_python_examples_run_in_order(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    names = {"images": cnn.data.mnist(mnist)[1].images[:5]}
    for code, expected in examples():
        code = code.replace("path/to/idx", mnist.as_posix())
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            try:
                exec(compile(code, "README.md", "exec"), names)
            except cnn.GraphCnnError as error:
                print(error)
        if expected is not None:
            assert output.getvalue() == expected, code
    assert names["probabilities"].shape == (5, 10)
    assert np.allclose(names["probabilities"].sum(axis=1), 1)
    assert {"lenet5.safetensors", "lenet5.onnx", "lenet5.svg"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_the_commands_work(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    image.fromarray(pixels).save("picture.png")
    lines = [line for code in blocks("sh") for line in code.splitlines()]
    commands = [line for line in lines if line.startswith("graphcnn ")]
    assert len(commands) >= 9
    for command in commands:
        words = [
            word.replace("mnist:DIR", f"mnist:{mnist.as_posix()}")
            for word in shlex.split(command, comments=True)
        ]
        result = run(*words[1:])
        assert result.exit_code == 0, f"{command}\n{result.stdout}{result.stderr}"


def test_the_set_up_lines_name_what_exists() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [code.strip() for code in blocks("sh") if "venv" in code]
    assert len(lines) == 2
    for line, program in zip(lines, ("graphcnn quickstart", "pytest"), strict=True):
        assert line.endswith(f".venv/bin/{program}") and "\n" not in line
        extra = re.search(r'-e "\.\[(\w+)\]"', line)
        assert extra is not None and extra[1] in settings["optional-dependencies"]
    assert settings["scripts"]["graphcnn"] == "graphcnn.tools.cli:main"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == '"$venv/bin/pytest" "$@"'
    for name in ("run", "lock"):
        assert (ROOT / ".ci" / name).stat().st_mode & 0o111
        assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / name)]).returncode == 0


#: Extras for what is done by hand, which CI does not install.
ALONE = ("browser", "mutation")


def test_the_lock_has_what_the_project_asks_for() -> None:
    """`.ci/lock` renews it after a change of a bound."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *settings["build-system"]["requires"]]
    asked += [r for name in extras if name not in ALONE for r in extras[name]]
    text = (ROOT / ".ci" / "requirements.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    for requirement in map(Requirement, asked):
        if requirement.name != project["name"]:
            version = pinned[requirement.name.lower().replace("_", "-")]
            assert requirement.specifier.contains(version), requirement
    assert "://" not in text
    blocks = re.split(r"\n(?=\w)", text.strip())
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)


def test_the_table_has_every_model_with_its_size() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) \| (\d\.\de-\d\d) \|$", README, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(MODELS)
    for name, count, difference in rows:
        model = MODELS[name]()
        assert f"{sum(p.type.size for p in model.graph.parameters):,}" == count
        # What an untrained critic says of drawn images is near 0, a difference of larger numbers.
        assert float(difference) <= (3e-6 if name in ("dcgan", "wgan_gp") else 2e-6)


def test_what_it_links_to_exists() -> None:
    for path in re.findall(r'(?:\]\(|src=")([^)":]+)[)"]', README):
        assert (ROOT / path).exists(), path


def test_the_functions_it_lists_exist() -> None:
    start = README.index("Functions take tensors first")
    listed = re.findall(r"`(\w+)`", README[start : README.index("`+ - ")])
    assert len(listed) >= 17
    assert all(hasattr(cnn, name) for name in listed)


def test_the_picture_is_our_own(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "lenet5.svg").read_text(encoding="utf-8")
    assert all(name in text for name in ("C1", "S2", "C3", "S4", "C5", "F6", "logits"))


def test_importing_is_quick() -> None:
    """No module that only some commands need is loaded by `import graphcnn`."""
    code = "import sys, graphcnn.tools.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = "onnx onnxruntime matplotlib sklearn PIL networkx rich wasmtime llvmlite scipy".split()
    assert not set(heavy) & set(loaded)
