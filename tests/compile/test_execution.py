"""How a graph is run: one value, made where a user's call comes in."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from graphcnn.errors import GraphCnnError
from graphcnn.models import build
from graphcnn.runtime import execution
from graphcnn.runtime.execution import NATIVE, Execution

ROOT = Path(__file__).parents[2]
#: What users give by word, and so may be arguments of one function where their calls come in.
LOOSE = {"runtime", "threads", "precision", "tune"}
DOORS = {
    "predict", "evaluate", "activations", "runner", "fit", "of", "profile", "Session", "minimise",
    "recalibrate", "lr_find", "diagnose", "overfit_one_batch", "Core",  # of the lens
    "sample", "importance_bound", "plane", "judge",
}  # fmt: skip


def test_the_environment_is_read_where_it_is_made(monkeypatch):
    for name in LOOSE:
        monkeypatch.delenv(f"GRAPHCNN_{name.upper()}", raising=False)
    assert Execution.of() == NATIVE and Execution.of().parts >= 1
    monkeypatch.setenv("GRAPHCNN_RUNTIME", "reference")
    monkeypatch.setenv("GRAPHCNN_THREADS", "3")
    monkeypatch.setenv("GRAPHCNN_PRECISION", "strict")
    monkeypatch.setenv("GRAPHCNN_TUNE", "1")
    assert Execution.of() == Execution("reference", None, "strict", True, processors=3)
    given = Execution.of("native", 2, "fast", False)
    assert given == Execution(threads=2) and hash(given) == hash(Execution(threads=2))
    assert Execution() == NATIVE  # nobody asked


def test_how_many_parts(monkeypatch):
    monkeypatch.setattr(execution, "available_processors", lambda: 6)
    assert NATIVE.parts == 6 and Execution(processors=3).parts == 3
    assert Execution(threads=2, processors=3).parts == 2
    monkeypatch.setattr(execution, "available_processors", lambda: 1000)
    assert NATIVE.parts == 256


@pytest.mark.parametrize(
    ("variable", "field", "wrong", "message"),
    [
        ("RUNTIME", "runtime", "cuda", "unknown runtime 'cuda'; it is one of native, reference"),
        ("PRECISION", "precision", "half", "unknown precision 'half'; it is one of fast, strict"),
        ("THREADS", "threads", "many", "must be a number from 1 to 256, found 'many'"),
        ("THREADS", "threads", "0", "must be a number from 1 to 256, found '?0"),
        ("THREADS", "threads", "257", "must be a number from 1 to 256, found '?257"),
        ("TUNE", None, "often", "GRAPHCNN_TUNE='often' is unknown; it is 1 or 0"),
    ],
)
def test_what_it_cannot_be(monkeypatch, variable, field, wrong, message):
    if field is not None:
        given = int(wrong) if wrong.isdecimal() else wrong
        with pytest.raises(GraphCnnError, match=message):
            Execution.of(**{field: given})
        with pytest.raises(GraphCnnError, match=message):
            replace(NATIVE, **{field: given})
    monkeypatch.setenv(f"GRAPHCNN_{variable}", wrong)
    with pytest.raises(GraphCnnError, match=message):
        Execution.of()


def test_the_same_execution_is_the_same_runner(monkeypatch):
    monkeypatch.delenv("GRAPHCNN_RUNTIME", raising=False)
    model = build("lenet5")
    runner = model.runner()
    assert model.runner("native") is runner is model.runner()
    assert model.runner("native", 1) is not runner
    model.freeze("C1.*")
    assert model.runner() is not runner


def test_below_the_door_it_travels_as_one():
    """A function that takes two of the words is one that users call."""
    found = set()
    folders = ("graphcnn", "runtime", "passes", "tools")
    for path in {f.resolve() for folder in folders for f in (ROOT / folder).rglob("*.py")}:
        if "bench" in path.parts:  # whose processes hand words to each other
            continue
        for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for f in owner.body if isinstance(owner, ast.Module | ast.ClassDef) else ():
                if isinstance(f, ast.FunctionDef):
                    names = {a.arg for a in (*f.args.args, *f.args.kwonlyargs)}
                    if len(names & LOOSE) > 1:
                        found.add(owner.name if f.name == "__init__" else f.name)
    assert found == DOORS
