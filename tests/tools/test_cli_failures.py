"""A graph that cannot be built is drawn as far as it got; the command fails all the same."""

from pathlib import Path

import pytest
from support.command_line import refused, run

import graphcnn as cnn
from graphcnn.recipes.optimizing import optimizer_of
from graphcnn.recipes.recipe import Recipe
from graphcnn.tools.commands.training import optimizing

BAD = """
import graphcnn as cnn

def f(size=9):
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, name="C1")
    return cnn.Model(image, cnn.conv2d(x, 4, size, name="C2"))

def no_gradient():
    x = cnn.input("image", (1, 8, 8))
    return cnn.Model(x, cnn.flatten(cnn.floor(x)))

def crash():
    return undefined
"""
WORSE = BAD + "\nmodel = f()\n"


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text(BAD)
    Path("worse.py").write_text(WORSE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["draw", "volume", "diff", "plan"])
@pytest.mark.parametrize("model", ["bad.py:f", "bad:f", "worse.py:f", "worse:model"])
def test_the_failure_is_drawn(bad: Path, command: str, model: str) -> None:
    text = refused(1, command, model, "-o", "x.svg")
    assert "a kernel of 9 does not fit an input of 6" in text
    svg = (bad / "x.svg").read_text()
    assert "the graph cannot be built" in svg and "a kernel of 9 does not" in svg and "C1" in svg


@pytest.mark.parametrize("suffix", [".html", ".pdf", ".tex", ".json", ".txt"])
def test_every_format(bad: Path, suffix: str) -> None:
    result = run("draw", "bad.py:f", "-o", f"x{suffix}")
    assert result.exit_code == 1 and result.stdout == f"drawn: x{suffix}\n"
    assert (bad / f"x{suffix}").stat().st_size


def test_to_standard_output(bad: Path) -> None:
    result = run("draw", "bad.py:f", "-o", "-")
    assert result.exit_code == 1
    assert result.stdout.startswith("<svg") and "a kernel of 9 does not fit" in result.stderr


def test_settings_decide(bad: Path) -> None:
    assert run("draw", "bad.py:f", "-o", "x.svg", "--set", "size=3").exit_code == 0
    assert "a kernel of 8 does" in refused(1, "draw", "bad.py:f", "-o", "y.svg", "--set", "size=8")
    assert "a kernel of 9" in refused(1, "draw", "worse.py:f", "-o", "z.svg", "--set", "size=3")


def test_what_is_not_drawn(bad: Path) -> None:
    assert "a kernel of 9" in refused(1, "draw", "bad.py:f", "-o", "x.dot")
    assert "a kernel of 9" in refused(1, "draw", "bad.py:f", "-o", "none/x.svg")
    assert "NameError" in refused(1, "draw", "bad.py:crash", "-o", "x.svg")
    assert "a kernel of 9" in refused(1, "summary", "worse.py:f")
    assert sorted(p.name for p in bad.iterdir() if p.suffix not in (".py", "")) == []


def test_training_steps(bad: Path) -> None:
    text = refused(1, "draw", "bad.py:no_gradient", "-o", "x.svg", "--backward")
    assert "no parameter is used by the loss" in text
    assert "no parameter is used" in Path("x.svg").read_text()


def test_optimisers_say_what_suits_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(cnn.SGD):
        suggested_rate = None
        suggested_momentum = None

    monkeypatch.setitem(optimizing.OPTIMIZERS, "plain", Plain)
    known = {"sgd": (0.05, 0.9), "rmsprop": (0.001, 0.0), "adam": (0.002, None),
             "adamw": (0.002, None), "plain": (0.01, 0.0)}  # fmt: skip
    for name, (rate, momentum) in known.items():
        made = optimizing.make_optimizer(name)
        assert (made.learning_rate, getattr(made, "momentum", None)) == (rate, momentum)
        assert f"{rate:g} for {name}" in optimizing.defaults("learning_rate")
    assert optimizing.make_optimizer("sgd", 0.5) == cnn.SGD(0.5, momentum=0.9)
    plain = {"optimizer": {"name": "sgd", "learning_rate": 0.5, "momentum": 0.0}}
    assert optimizer_of(Recipe.of(plain)) == cnn.SGD(0.5)
    assert cnn.SGD.suggested(nesterov=True) == cnn.SGD(0.05, momentum=0.9, nesterov=True)
    assert optimizing.defaults("weight_decay", 0) == "0.01 for adamw, 0.01 for lamb"
    told = {"optimizer": {"name": "lion", "learning_rate": 0.001}, "schedule.name": "cosine"}
    warmed = optimizer_of(Recipe.of({**told, "schedule.warmup": 2})).over(10, 6)
    assert [warmed.rate(t) for t in (10, 20, 21, 61)] == pytest.approx([0.0005, 0.001, 0.001, 0])
