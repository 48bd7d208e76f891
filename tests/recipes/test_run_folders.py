"""The folder of a run: it says how to repeat the run, and a kill at any moment is made good."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.command_line import XO, done, refused, run

from graphcnn import recipes
from graphcnn.base import files
from graphcnn.base.folders import locked_folder
from graphcnn.errors import RecipeError
from graphcnn.recipes import training
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.runs import runs_in
from graphcnn.training.history import History

COMMON = ("--data", XO, "--batch-size", 30, "--no-progress", "--validation-fraction", 0.2)
#: What a run of two epochs leaves behind, whenever it was killed and resumed.
SAME = ("recipe.toml", "log.csv", "model.safetensors", "best.safetensors")


def test_a_run_folder_says_how_to_repeat_the_run(here: Path) -> None:
    text = done("train", "nets.py:tiny", *COMMON, "--epochs", 2, "--seed", 3, "--run", "runs/one")
    assert "saved: runs/one/model.safetensors" in text
    made = {path.name for path in Path("runs/one").iterdir()}
    assert made == {*SAME, "run.json", "last.safetensors", "curves.svg"}
    record = json.loads(Path("runs/one/run.json").read_text())
    assert record["command"] == "graphcnn train runs/one/recipe.toml"
    assert record["state"] == "finished" and record["epochs"] == 2 and record["seed"] == 3
    assert {*record["versions"]} == {"graphcnn", "python", "numpy", "llvmlite"}
    assert {*record["data"]} == {"train", "validation", "test"}
    told = recipes.load("runs/one/recipe.toml")  # nothing is left open
    assert told.run.batch_size == 30 and told.optimizer["learning_rate"] == 0.002
    assert told.network.name == f"{here}/nets.py:tiny"
    model = Path("runs/one/model.safetensors").read_bytes()
    again = run("train", "runs/one/recipe.toml", "--no-progress", "--threads", 2)
    assert "repeated: the results are those of runs/one\n" in again.stdout
    assert not again.stderr and Path("tiny.safetensors").read_bytes() == model


def test_what_decides_the_bits_is_compared(here: Path) -> None:
    done("train", "nets.py:tiny", *COMMON, "--run", "one")
    record = json.loads(Path("one/run.json").read_text())
    record["versions"]["numpy"] = "2.0.0"
    record["data"]["test"] = "others"
    record["results"]["loss"] = 0.0
    Path("one/run.json").write_text(json.dumps(record))
    told = run("train", "one/recipe.toml", "--no-progress")
    assert "one/recipe.toml was trained with other settings, and the bits may differ" in told.stderr
    assert "versions, numpy: 2.0.0 there" in told.stderr and "data, test: others" in told.stderr
    assert "NOT repeated" in told.stdout
    assert "has a run already" in refused(2, "train", "nets.py:tiny", *COMMON, "--run", "one")


class Killed(BaseException):
    """In the place of a signal that nobody can catch."""


def test_a_run_killed_at_any_write_goes_on_to_the_same_bits(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = {
        "network.name": "nets.py:tiny", "data.source": XO, "data.augment": "flip",
        "data.validation_fraction": 0.2, "run.epochs": 2, "run.batch_size": 30,
        "run.checkpoint_every": 2, "output.progress": False, "ema.decay": 0.9,
    }  # fmt: skip
    recipe, replace = Recipe.of(tree), files._replace

    def trained(folder: str, writes: int | None, **more: Any) -> bool:
        left = [writes]

        def counted(content: Any) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            replace(content)

        monkeypatch.setattr(files, "_replace", counted)
        try:
            recipes.train(recipe.with_({"output.run": folder, **more}))
        except Killed:
            return False
        finally:
            monkeypatch.setattr(files, "_replace", replace)
        return True

    assert trained("whole", None)
    for writes in range(100):
        folder = f"killed{writes}"
        if trained(folder, writes):
            break
        begun = (here / folder).exists()
        assert trained(folder, None, **({"run.resume": folder} if begun else {}))
        for name in SAME:
            assert (here / folder / name).read_bytes() == (here / "whole" / name).read_bytes()
        found, whole = (json.loads((here / f / "run.json").read_text()) for f in (folder, "whole"))
        assert found["results"] == whole["results"] and found["model"] == whole["model"]
    assert writes > 8


def test_two_processes_never_train_in_one_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ("train", "nets.py:tiny", *COMMON)
    done(*train, "--run", "one")
    with locked_folder(Path("one")):  # as another process that trains has it
        assert "another process trains in one" in refused(2, "train", "--resume", "one")
    before = Path("one/run.json").read_bytes()
    # It began while this one read its data: the folder was free when that was asked.
    monkeypatch.setattr(training, "placed_in_folder", lambda recipe: recipe)
    assert "one has a run already" in refused(2, *train, "--epochs", 2, "--run", "one")
    assert Path("one/run.json").read_bytes() == before


def test_a_killed_run_has_the_seconds_of_its_epochs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    clock = itertools.count(step=10)
    monkeypatch.setattr("graphcnn.recipes.folder.time", SimpleNamespace(monotonic=clock.__next__))
    recipe = Recipe.of({"network": "nets.py:tiny", "data": XO, "run.epochs": 2,
                        "output.progress": False, "output.run": "one"})  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(History, "draw", killed)
        with pytest.raises(Killed):
            recipes.train(recipe)
    record = json.loads(Path("one/run.json").read_text())
    assert (record["state"], record["epochs"], record["seconds"]) == ("running", 2, 20)
    recipes.train(recipe.with_({"run.resume": "one"}))
    assert json.loads(Path("one/run.json").read_text())["seconds"] == 20 + 10


def test_a_run_that_is_refused_changes_nothing(here: Path) -> None:
    train = ("train", "nets.py:tiny", *COMMON, "--run")
    done(*train, "one")
    before = {path: path.read_bytes() for path in Path("one").iterdir()}
    assert "--changing seed" in refused(1, "train", "--resume", "one", "--set", "run.seed=5")
    assert before == {path: path.read_bytes() for path in Path("one").iterdir()}
    assert "batch_size must be" in refused(1, *train, "two", "--set", "run.batch_size=1000")
    assert not Path("two").exists()
    assert "there is no recipe.toml" in refused(2, "train", "--resume", "two")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", '{"form": 1, "seconds": "x"}', "seconds: expected int, found 'x'"),
        ("run.json", "null", "expected an object whose form is 1"),
        ("log.csv", "epoch,loss\n1,2\n2,much\n", "log.csv:3: expected numbers by epoch"),
        ("log.csv", "epoch,loss\n1,2,3\n", "log.csv:2: expected numbers by epoch"),
    ],
)
def test_what_is_damaged_is_named(here: Path, name: str, content: str, message: str) -> None:
    done("train", "nets.py:tiny", *COMMON, "--run", "one")
    Path("one", name).write_text(content)
    assert message in refused(2, "runs")


def test_a_folder_alone_is_resumed_and_may_go_on_for_longer(here: Path) -> None:
    done("train", "nets.py:tiny", *COMMON, "--epochs", 3, "--run", "whole")
    done("train", "nets.py:tiny", *COMMON, "--epochs", 1, "--run", "part")
    done("train", "--resume", "part", "--epochs", 3, "--no-progress")
    for name in SAME:
        assert Path("whole", name).read_bytes() == Path("part", name).read_bytes()


def test_runs_are_listed_sorted_filtered_and_drawn(here: Path) -> None:
    for seed, optimizer in ((0, "adam"), (1, "sgd"), (2, "lion")):
        done("train", "nets.py:tiny", *COMMON, "--optimizer", optimizer, "--seed", seed,
             "--epochs", seed + 1, "--run", f"runs/{optimizer}")  # fmt: skip
    (here / "runs/killed").mkdir()
    (here / "runs/killed/log.csv").write_text("no run: it has no record")
    lines = done("runs", "runs", "--column", "optimizer.learning_rate").splitlines()
    assert [line.split()[0] for line in lines] == ["run", "adam", "lion", "sgd"]
    assert "optimizer.learning_rate" in lines[0] and "accuracy" in lines[0]
    names = [line.split()[0] for line in done("runs", "--sort", "-epochs").splitlines()[1:]]
    assert names == ["runs/lion", "runs/sgd", "runs/adam"]
    few = done("runs", "runs", "--where", "optimizer.name=sgd", "--json")
    assert [each["seed"] for each in json.loads(few)] == [1]
    done("runs", "runs", "-o", "curves.svg", "--measure", "val_loss")
    assert all(name in Path("curves.svg").read_text() for name in ("adam", "sgd", "lion"))
    assert "did you mean accuracy?" in refused(2, "runs", "runs", "--sort", "acuracy")
    assert "no run in runs/killed" in refused(2, "runs", "runs/killed")
    (here / "runs/adam/run.json").write_text("{}")
    with pytest.raises(RecipeError, match=r"adam/run.json is no record of a run"):
        runs_in([here / "runs"])
