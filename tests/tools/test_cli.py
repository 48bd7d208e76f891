"""The command line: help, MODEL, and the commands that show one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import done, refused, run

import graphcnn as cnn
from graphcnn.models import MODELS
from graphcnn.tools.cli import cli

COMMANDS = (
    "quickstart train runs lr-find doctor evaluate predict sample judge summary draw volume lens "
    "page lesson export build import convert check passes diff plan profile models ops bench cache"
).split()


# Help and the entry points


def test_help_lists_the_commands_in_the_order_of_use() -> None:
    text = done("--help")
    listed = [line.split()[0] for line in text.split("Commands:")[1].splitlines() if line.strip()]
    assert listed == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    text = done(command, "--help")
    assert "Example" in text or command == "models"
    assert done(command, "-h") == text
    for parameter in cli.commands[command].params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{command} {parameter.name} has no help"  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [("--version",), ("models", "--json")])
def test_python_m(arguments: tuple[str, ...]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "graphcnn", *arguments], capture_output=True, text=True, check=True
    )
    assert cnn.__version__ in found.stdout or next(iter(MODELS)) in found.stdout
    assert not found.stderr


def test_version() -> None:
    assert done("--version") == f"graphcnn, version {cnn.__version__}\n"


# MODEL


def test_models_lists_all_that_are_built_in() -> None:
    rows = json.loads(done("models", "--json"))
    assert [row["name"] for row in rows] == list(MODELS)
    assert rows[0] == {
        "name": "lenet5", "parameters": 61706, "input": "(N, 1, 28, 28)",
        "settings": {"classes": 10}, "about": rows[0]["about"],
    }  # fmt: skip
    text = done("models")
    assert all(name in text for name in MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_summary_of_every_built_in_model(name: str) -> None:
    count = sum(p.type.size for p in MODELS[name]().graph.parameters)
    assert f"{count:,}" in done("summary", name)
    told = json.loads(done("summary", name, "--json"))
    assert told["trainable"] + told["frozen"] == count


def test_a_model_is_a_function_of_a_module_here_or_of_a_file(here: Path) -> None:
    assert "tiny" in done("summary", "nets:tiny")
    assert done("summary", "nets.py:tiny") == done("summary", "nets:tiny")
    assert str(here) not in sys.path


def test_settings_reach_the_function(here: Path) -> None:
    assert '"N",\n        7' in done("summary", "nets:tiny", "--set", "channels=7", "--json")
    assert "(N, 5)" in done("summary", "lenet5", "--set", "classes=5")
    text = refused(2, "summary", "lenet5", "--set", "clases=5")
    assert "lenet5 has no setting 'clases'; it has classes" in text
    assert "NAME=VALUE" in refused(2, "summary", "lenet5", "--set", "classes")


def test_a_model_is_a_saved_file(trained: Path) -> None:
    assert "tiny" in done("summary", trained)
    assert "has no settings" in refused(2, "summary", trained, "--set", "channels=3")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lenet", "did you mean 'lenet5'?"),
        ("none.safetensors", "no such file"),
        ("nowhere:net", "no module 'nowhere'"),
        ("nets:tinny", "did you mean 'tiny'?"),
        ("none.py:net", "none.py: no such file"),
        ("nets.py", "write nets.py:FUNCTION"),
    ],
)
def test_unknown_models_are_wrong_use(here: Path, name: str, message: str) -> None:
    assert message in refused(2, "summary", name)


def test_links_that_lead_nowhere_are_said_to(here: Path) -> None:
    for target in ("none", "link.safetensors"):
        Path("link.safetensors").symlink_to(target)
        assert "link.safetensors: it is a link that leads to no file" in refused(
            2, "summary", "link.safetensors"
        )
        Path("link.safetensors").unlink()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nets:broken", "does not fit"),
        ("nets:crash", "NameError: name 'undefined_name' is not defined"),
        ("nets:number", "must return a graphcnn.Model, found int"),
    ],
)
def test_failing_functions_are_failed_work(here: Path, name: str, message: str) -> None:
    text = refused(1, "summary", name)
    assert message in text
    assert "number" in name or "nets.py:" in text  # the place


def test_files_that_cannot_be_read_as_a_module_are_named_with_the_line(here: Path) -> None:
    Path("typo.py").write_text("x = 1\ndef f(:\n")
    for name in ("typo:f", "typo.py:f"):
        text = refused(1, "summary", name)
        assert "SyntaxError: invalid syntax (" in text and "typo.py:2)" in text
    assert "needs.py:f takes size, which has no value: give it with --set" in refused(
        2, "summary", write("needs.py", "def f(size): pass") + ":f"
    )
    assert "a function is spelled module:function" in refused(2, "summary", ":f")


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def test_a_model_that_a_module_holds(here: Path) -> None:
    write("held.py", "import nets\nmodel = nets.tiny()\n")
    assert done("summary", "held.py:model") == done("summary", "nets:tiny")


def test_a_damaged_file_is_failed_work(here: Path, trained: Path) -> None:
    Path("cut.safetensors").write_bytes(trained.read_bytes()[:-100])
    assert "not a whole safetensors file" in refused(1, "summary", "cut.safetensors")


def test_debug_shows_the_traceback(here: Path) -> None:
    for arguments in (("--debug", "summary", "nets:crash"), ("summary", "nets:crash", "--debug")):
        result = run(*arguments)
        assert result.exit_code == 1
        assert isinstance(result.exception, cnn.GraphCnnError)


# Looking


def test_passes() -> None:
    text = done("passes", "resnet18", "--set", "size=32")
    assert "fold_batch_norm" in text and "total" in text
    report = json.loads(done("passes", "digits_cnn", "--training", "--batch", 8, "--json"))
    assert "backward" in [each["pass"] for each in report["passes"]]
    graph = done("passes", "digits_cnn", "--batch", 8, "--graph")
    assert "f32[8,1,8,8]" in graph
    assert "update" in done("passes", "digits_cnn", "--training", "--graph")
    text = done("passes", "digits_cnn", "--training", "--native", "--batch", 8, "--shards", 4)
    assert "share_gradients" in text and "summed over 4 shards" in text
    assert "a batch of 2 cannot be cut" in refused(
        2, "passes", "digits_cnn", "--training", "--batch", 2, "--shards", 3
    )
