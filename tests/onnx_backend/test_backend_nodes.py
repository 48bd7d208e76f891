"""The `onnx` package's own conformance suite, run by our backend, with the counts printed.

Nothing of `names.txt` is left out, the tests of onnx 1.23 that this list was made for; other
releases have some of them less, or more whose operators nobody here has seen: those are counted
only. What fails is listed by pattern in `unsupported.py`, and only that may fail.
`relevant.py` lists what matters to convolutional networks; all of that passes, but for two tests
that every runtime contradicts. The reference runs
every test; the native runtime every sixth one, and all of them in the full run.
"""

import importlib.util
import os
import re
import unittest
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphcnn.exchange.backend import GraphCnnBackend

#: The kinds of tests, and how many of each pass at least.
PASSING = {"Node": 1797, "Simple": 14, "PyTorchConverted": 82, "PyTorchOperator": 35}
#: The native runtime runs one of so many tests of a kind, unless the run is full.
SHARE = {"Node": 6, "Simple": 1, "PyTorchConverted": 4, "PyTorchOperator": 4}


def beside(name):
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def matcher(*texts):
    """Words as one expression: a word with $ is a whole name, any other the beginning of names,
    up to an underscore."""
    words = " ".join(texts).split()
    parts = [w if w.endswith("$") else f"{w}(?:_|$)" for w in words]
    return re.compile("|".join(f"(?:{p})" for p in parts) or r"(?!)")


def listed(kind):
    """What may fail."""
    unsupported = beside("unsupported").UNSUPPORTED.get(kind, {})
    return matcher(*unsupported.values(), *contradicted(kind))


def wrong_in_this_release():
    """What may fail or pass, since onnx or NumPy expect wrong numbers."""
    release = tuple(int(part) for part in onnx.__version__.split(".")[:2])
    lists = beside("unsupported")
    older = (words for before, words in lists.WRONG_BEFORE.items() if release < before)
    return matcher(lists.ROUNDED, *older)


@cache
def names(kind):
    """The tests that this folder knows."""
    lines = (Path(__file__).parent / "names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(name for k, name in map(str.split, lines) if k == kind)


def contradicted(kind):
    """What must fail, by pattern."""
    return beside("unsupported").CONTRADICTED.get(kind, {}).values()


@pytest.fixture(autouse=True)
def single_numbers(monkeypatch):
    """The suite asks for the length of all that it compares; a number in a sequence has none."""
    from onnx.backend.test.runner import Runner

    compare = Runner.assert_similar_outputs.__func__

    def assert_similar_outputs(cls, ref_outputs, outputs, *args, **options):
        if isinstance(ref_outputs, np.ndarray) and not ref_outputs.ndim:
            assert isinstance(outputs, np.ndarray)
            ref_outputs, outputs = [ref_outputs], [outputs]
        compare(cls, ref_outputs, outputs, *args, **options)

    monkeypatch.setattr(Runner, "assert_similar_outputs", classmethod(assert_similar_outputs))


@cache
def cases(runtime):
    """All tests for the CPU by kind and name, without those of real models."""
    backend = type("Backend", (GraphCnnBackend,), {"runtime": runtime})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test import BackendTest

        suite = BackendTest(backend, __name__).test_cases
    return {
        name.removeprefix("OnnxBackend").removesuffix("ModelTest"): {
            method.removeprefix("test_").removesuffix("_cpu"): case(method)
            for method in dir(case)
            if method.startswith("test_") and method.endswith("_cpu")
        }
        for name, case in suite.items()
        if "RealModel" not in name
    }


def outcome(name, case):
    """Empty where the test passes, else what is wrong."""
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(result)
    assert not result.skipped, f"{name} was skipped"
    problems = result.errors + result.failures
    return problems[0][1].strip().splitlines()[-1] or "fails" if problems else ""


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("runtime", ["reference", "native"])
def test_the_suite(runtime, kind, full, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "ONNX_HOME", str(tmp_path))
    monkeypatch.setenv("GRAPHCNN_VERIFY", "off")  # what other tests are about
    everything = cases(runtime)[kind]
    found = {name: case for name, case in everything.items() if name in names(kind)}
    step = SHARE[kind] if runtime == "native" and not full else 1
    chosen = sorted(found)[::step]
    outcomes = {name: outcome(name, found[name]) for name in chosen}
    may_fail, either = listed(kind), wrong_in_this_release()
    wrong = [
        f"{name}: {what or 'passes, but is listed'}"
        for name, what in outcomes.items()
        if bool(what) != bool(may_fail.match(name)) and not either.match(name)
    ]
    passed = sum(not what for what in outcomes.values())
    with capsys.disabled():
        print(f"\n{kind}, {runtime}: {passed} of {len(chosen)} pass, the others are listed"
              + (f" ({len(found)} in the full run)" if step > 1 else "")
              + (f"; {len(everything) - len(found)} are newer" * (len(everything) > len(found))),
              end="")  # fmt: skip
        if kind == "Node":
            ours = {n: what for n, what in outcomes.items() if relevant().match(n)}
            print(f"; of networks of images {sum(not w for w in ours.values())} of {len(ours)}")
    assert not wrong, "\n".join(wrong)
    if step == 1 and set(found) == names(kind):
        assert passed >= PASSING[kind]


def relevant():
    return matcher(*beside("relevant").RELEVANT.values())


def test_all_that_matters_to_networks_of_images_is_supported() -> None:
    chosen = [name for name in sorted(names("Node")) if relevant().match(name)]
    expanded = sum("_expanded" in name for name in chosen)
    counts = beside("relevant")
    assert (len(chosen) - expanded, expanded) == (counts.PLAIN, counts.EXPANDED)
    may_fail, must_fail = listed("Node"), matcher(*contradicted("Node"))
    assert [n for n in chosen if may_fail.match(n) and not must_fail.match(n)] == []


def test_no_pattern_is_idle() -> None:
    """Every word of both lists matches a test."""
    lists = beside("unsupported")
    for kinds in (lists.UNSUPPORTED, lists.CONTRADICTED):
        for kind, reasons in kinds.items():
            for word in " ".join(reasons.values()).split():
                assert any(matcher(word).match(n) for n in names(kind)), word
    for texts in (beside("relevant").RELEVANT, lists.WRONG_BEFORE, {"": lists.ROUNDED}):
        for word in " ".join(texts.values()).split():
            assert any(matcher(word).match(n) for n in names("Node")), word
