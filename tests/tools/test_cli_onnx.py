"""Commands on ONNX files: all of them, and names that are meant to do harm."""

import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from support.command_line import XO, done, refused, run
from support.hostile_model import SCRIPT, hostile_model

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="session")
def exported(trained: Path) -> Path:
    path = trained.with_name("tiny.onnx")
    done("export", trained, "-o", path)
    return path


def test_an_onnx_file_is_evaluated_and_predicts_like_the_saved_model(
    here: Path, trained: Path, exported: Path
) -> None:
    common = ("--data", XO, "--json")
    ours, theirs = (json.loads(done("evaluate", m, *common)) for m in (trained, exported))
    assert ours["accuracy"] == theirs["accuracy"]
    np.save("two.npy", np.zeros((2, 1, 12, 12), np.float32))
    ours, theirs = (
        json.loads(done("predict", m, "two.npy", "--json")) for m in (trained, exported)
    )
    assert ours == theirs and ours[0]["classes"][0]["class"] in ("X", "O")


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary",),
        ("summary", "--dense", "--json"),
        ("passes", "--graph"),
        ("passes", "--training", "--batch", 2),
        ("passes", "--native", "--batch", 2),
        ("profile",),
        ("draw", "-o", "m.svg"),
        ("draw", "-o", "m.dot", "--backward"),
        ("volume", "-o", "v.svg"),
        ("diff", "-o", "d.svg"),
        ("plan", "-o", "p.svg"),
        ("import",),
        ("check",),
        ("export", "-o", "again.onnx"),
        ("export", "-o", "half.onnx", "--float16"),
    ],
    ids=lambda a: "-".join(map(str, a[:2])),
)
def test_every_command_takes_an_onnx_file(
    here: Path, exported: Path, arguments: tuple[object, ...]
) -> None:
    done(arguments[0], exported, *arguments[1:])


def test_an_onnx_file_is_trained_further(here: Path, exported: Path) -> None:
    """Fine-tuning lowers the loss; what comes out is exported and imported again."""
    before = json.loads(done("evaluate", exported, "--data", XO, "--json"))["loss"]
    done("train", exported, "--data", XO, "--epochs", 3, "-o", "tuned.safetensors")
    after = json.loads(done("evaluate", "tuned.safetensors", "--data", XO, "--json"))["loss"]
    assert after < before
    done("export", "tuned.safetensors", "-o", "tuned.onnx")
    assert json.loads(done("evaluate", "tuned.onnx", "--data", XO, "--json"))["loss"] == (
        pytest.approx(after, rel=1e-5)
    )


def test_a_float16_file_is_exported_again(here: Path, exported: Path) -> None:
    done("export", exported, "-o", "half.onnx", "--float16")
    assert "within float16" in done("export", "half.onnx", "-o", "again.onnx")
    assert Path("half.onnx").read_bytes() == Path("again.onnx").read_bytes()


def test_settings_and_damaged_files_are_refused(here: Path, exported: Path) -> None:
    assert "no input 'classes'" in refused(1, "summary", exported, "--set", "classes=3")
    Path("bad.onnx").write_bytes(exported.read_bytes()[:-5])
    assert "not an ONNX model" in refused(1, "summary", "bad.onnx")


# Names that are meant to do harm


@pytest.fixture
def hostile(here: Path) -> str:
    Path("hostile.onnx").write_bytes(hostile_model().SerializeToString())
    return "hostile.onnx"


PICTURES = [
    (command, suffix)
    for command, suffixes in {
        "draw": ("svg", "html", "dot", "json", "txt", "tex", "pdf"),
        "volume": ("svg", "html", "tex", "pdf"),
        "diff": ("svg", "html"),
        "plan": ("svg", "html", "tex"),
    }.items()
    for suffix in suffixes
]


@pytest.mark.parametrize(("command", "suffix"), PICTURES)
def test_names_are_escaped_in_every_picture(hostile: str, command: str, suffix: str) -> None:
    target = Path(f"picture.{suffix}")
    done(command, hostile, "-o", target)
    content = target.read_bytes()
    text = content.decode("latin-1" if suffix == "pdf" else "utf-8")
    assert suffix in ("pdf", "json") or not re.search("[\x00-\x08\x0b-\x1f\u202e\u2066]", text)
    if suffix == "svg":
        for element in ET.parse(io.BytesIO(content)).iter():
            assert element.tag.rpartition("}")[2] not in ("b", "foreignObject"), element.tag
            assert not [key for key in element.attrib if key.startswith("on")]
            if element.tag.endswith("script"):
                assert "alert" not in (element.text or "")
    if suffix in ("svg", "html"):
        assert SCRIPT not in text and "<b onload" not in text and "--><!--" not in text
        assert "</style></title>" not in text
    if suffix == "dot":
        assert not re.search(r"^\s*<", text, re.M) and SCRIPT not in re.sub(
            r'"(\\.|[^"\\])*"', "", text
        )
    if suffix == "json":
        json.loads(text)
    if suffix == "tex":
        assert r"\input{" not in re.sub(r"^%.*", "", text, flags=re.MULTILINE)
    if suffix == "pdf":
        assert (
            b"/URI" not in content
            and b"/JavaScript" not in content
            and b"/OpenAction" not in content
        )


@pytest.mark.parametrize(
    "arguments",
    [("summary",), ("passes", "--graph"), ("passes", "--native", "--batch", "1"), ("profile",),
     ("import",), ("check",), ("summary", "--set", "a=1"), ("train", "--data", XO)],
    ids=lambda a: "-".join(a[:2]),
)  # fmt: skip
def test_names_do_not_steer_the_terminal(hostile: str, arguments: tuple[str, ...]) -> None:
    call = [arguments[0], hostile, *arguments[1:]]
    result = run(*call, color=True)
    assert result.exit_code in (0, 1, 2)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\u2066\u2028]", result.stdout + result.stderr)
