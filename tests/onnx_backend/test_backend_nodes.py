"""The `onnx` package's own conformance suite, run by our backend, with the counts printed.

Nothing is left out: what fails is listed by pattern in `unsupported.py`, and only that may fail.
"""

import importlib.util
import os
import re
import unittest
import warnings
from functools import cache
from pathlib import Path

import pytest

from graphcnn.onnx.backend import GraphCnnBackend

#: How many tests there are of each kind in the onnx package, and how many of them pass at least.
PASSING = {"Node": 1150, "Simple": 7, "PyTorchConverted": 69, "PyTorchOperator": 35}


def patterns(kind):
    """The listed names of a kind as one expression: a word with $ is a whole name, any other the
    beginning of names, up to an underscore."""
    place = Path(__file__).parent / "unsupported.py"
    spec = importlib.util.spec_from_file_location("unsupported", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = " ".join(module.UNSUPPORTED.get(kind, {}).values()).split()
    parts = [w if w.endswith("$") else f"{w}(?:_|$)" for w in words]
    return re.compile("|".join(f"(?:{p})" for p in parts) or r"(?!)")


@cache
def cases():
    """All tests for the CPU by kind and name, without those of real models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test import BackendTest

        suite = BackendTest(GraphCnnBackend, __name__).test_cases
    return {
        name.removeprefix("OnnxBackend").removesuffix("ModelTest"): {
            method.removeprefix("test_").removesuffix("_cpu"): case(method)
            for method in dir(case)
            if method.startswith("test_") and method.endswith("_cpu")
        }
        for name, case in suite.items()
        if "RealModel" not in name
    }


@pytest.mark.parametrize("kind", PASSING)
def test_the_suite(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "ONNX_HOME", str(tmp_path))
    listed, wrong, passed = patterns(kind), [], 0
    for name, case in cases()[kind].items():
        result = unittest.TestResult()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.run(result)
        assert not result.skipped, f"{name} was skipped"
        problems = result.errors + result.failures
        passed += not problems
        if bool(problems) != bool(listed.match(name)):
            what = problems[0][1].strip().splitlines()[-1] if problems else "passes, but is listed"
            wrong.append(f"{name}: {what}")
    total = len(cases()[kind])
    with capsys.disabled():
        print(f"\n{kind}: {passed} of {total} pass, {total - passed} are listed as unsupported")
    assert not wrong, "\n".join(wrong)
    assert passed >= PASSING[kind]
