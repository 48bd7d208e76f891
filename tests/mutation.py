"""How many faults the tests find: a sample of planted ones, each against the tests that reach it.

    pip install -e ".[test,mutation]"
    python tests/mutation.py --minutes 60 --seed 0 --report mutation.txt

The faults are made in a clone of the last commit, never in the working tree. First the quick
tests (of each function at most `--each`) run once under `coverage`, which says for every line the
tests that reach it. Then faults are drawn by seed, in turn from each folder; Cosmic Ray's operators
make them. A fault survives where the tests that reach its line pass: the quickest first, as many as
fit `--budget` seconds.
"""

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

FOLDERS = ("passes", "graphcnn/ops", "graphcnn/training", "runtime/native/kernels")
#: What runs under coverage: what is about these folders and takes minutes in all.
QUICK = """
    tests/passes tests/native/test_kernels_*.py tests/native/test_winograd_schedule.py
    tests/native/test_training_native.py tests/native/test_decisions.py
    tests/native/test_conv_taps.py tests/native/test_random_networks.py
    tests/native/test_weight_grad_tiles.py tests/native/test_choices.py tests/ops/test_*.py
    tests/ops/test_fused.py tests/learning/test_optimizers.py tests/learning/test_schedules.py
    tests/training/test_training.py tests/training/test_training_progress.py
    tests/network/test_segmentation.py tests/ir/test_graph.py tests/ir/test_plan.py
    tests/ir/test_layout.py tests/text/test_text.py tests/ir/test_element_types.py
    tests/exchange/test_training*.py tests/models/test_random_models.py
    tests/network/test_batches.py tests/analysis/test_batch_axis.py tests/test_signatures.py
""".split()
#: What is not ours: imported once, then forked with.
OTHERS = """
    hypothesis llvmlite.binding llvmlite.ir matplotlib ml_dtypes networkx numpy
    onnx.shape_inference onnxruntime PIL.Image rich.progress safetensors.numpy
""".split()
#: Operators of Cosmic Ray whose faults are none here: `X | None` in a type, `not` before every
#: condition (found at once), operators that no number has.
LEFT_OUT = ("Bit", "Shift", "Pow", "MatMul", "Invert", "Decorator", "AddNot", "NoOp", "Variable")

PLUGIN = '''
import collections, json, os, time
import coverage, pytest

times = {}

def pytest_collection_modifyitems(items):
    """Of each function a few of its parameters, evenly."""
    if coverage.Coverage.current():
        functions, each = collections.defaultdict(list), int(os.environ["TESTS_OF_EACH"])
        for item in items:
            functions[item.nodeid.split("[")[0]].append(item)
        items[:] = [i for f in functions.values() for i in f[:: -(-len(f) // each)]]

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Coverage keeps the lines by test, we how long it takes."""
    if now := coverage.Coverage.current():
        now.switch_context(item.nodeid)
    began = time.perf_counter()
    yield
    times[item.nodeid] = time.perf_counter() - began

def pytest_sessionfinish():
    if coverage.Coverage.current():
        with open(os.environ["TEST_TIMES"], "w") as out:
            json.dump(times, out)
'''


class Clone:
    """A commit in a folder of its own, and what its tests reach."""

    def __init__(self, at: Path, budget: float, each: int):
        self.at, self.budget = at, budget
        if not (at / ".git").exists():
            root = Path(__file__).resolve().parents[1]
            subprocess.run(["git", "clone", "-q", str(root), str(at)], check=True)
        (at / "tests" / "keep_contexts.py").write_text(PLUGIN)
        self.times_file, self.data_file = at / "times.json", at / ".coverage"
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(at), str(at / "tests")]),
            "PYTHONDONTWRITEBYTECODE": "1",  # a fault may be as old and as long as what it replaces
            "GRAPHCNN_CACHE": str(at / "cache"),
            "TEST_TIMES": str(self.times_file),
            "TESTS_OF_EACH": str(each),
        }

    def map(self) -> None:
        """Run the quick tests once, under coverage."""
        if not self.times_file.exists():
            files = [p for w in QUICK for p in sorted(map(str, self.at.glob(w)))]
            command = [sys.executable, "-m", "coverage", "run",
                       f"--data-file={self.data_file}", "--source=" + ",".join(FOLDERS),
                       "-m", "pytest", "-q", "-p", "keep_contexts", *files]  # fmt: skip
            subprocess.run(command, cwd=self.at, env=self.environment, check=True)
        self.times: dict[str, float] = json.loads(self.times_file.read_text())
        self.data = coverage.CoverageData(str(self.data_file))
        self.data.read()

    def reaching(self, path: Path, lines: range) -> list[str]:
        """The tests that reach one of the lines, the quickest first, as many as fit the budget.

        What runs when a module is imported, no test reaches on its own: there all of the file's.
        """
        by_line = self.data.contexts_by_lineno(str(path.resolve()))
        tests = {t for line in lines for t in by_line.get(line, []) if t}
        if not tests and any(line in by_line for line in lines):
            tests = {t for found in by_line.values() for t in found if t}
            tests |= {t for t in self.times if "test_signatures" in t}  # which reads the defaults
        chosen, seconds = [], 0.0
        for test in sorted(tests, key=lambda t: (self.times[t], t)):
            seconds += self.times[test]
            if chosen and seconds > self.budget:
                break
            chosen.append(test)
        return spread(chosen)

    def outcome(self, tests: list[str]) -> str:
        """`killed` where one of the tests fails or they do not end, else `survived`.

        In a fork of this process, which has imported all that is not ours.
        """
        sys.stdout.flush()
        if child := os.fork():
            return "killed" if os.waitpid(child, 0)[1] else "survived"
        signal.alarm(60 + int(10 * sum(self.times[t] for t in tests)))
        os.chdir(self.at)
        os.environ.update(self.environment)
        sys.path[:0] = [str(self.at), str(self.at / "tests")]
        sys.dont_write_bytecode = True
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        code: int = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])
        os._exit(bool(code))


def spread(tests: list[str]) -> list[str]:
    """One test of each file first: what is alike finds alike."""
    seen: Counter[str] = Counter()
    rank = []
    for test in tests:
        name = test.split("[")[0]
        rank.append((seen[name], test))
        seen[name] += 1
    return [test for _, test in sorted(rank, key=lambda r: r[0])]


def faults(clone: Path, folder: str, seed: int) -> Iterator[object]:
    """Everything that Cosmic Ray would change in a folder, in an order drawn by the seed."""
    from cosmic_ray.commands.init import _all_work_items

    paths = sorted(p for p in (clone / folder).rglob("*.py") if not p.is_symlink())
    found = [item.mutations[0] for item in _all_work_items(paths, {})]
    kept = [m for m in found if not any(word in m.operator_name for word in LEFT_OUT)]
    return iter(random.Random(f"{seed} {folder}").sample(kept, len(kept)))


def plant(clone: Clone, fault) -> tuple[str, str]:
    """What became of one fault, and the change as a diff."""
    from cosmic_ray.mutating import _make_diff, use_mutation
    from cosmic_ray.plugins import get_operator

    path = Path(fault.module_path)
    operator = get_operator(fault.operator_name)(**fault.operator_args)
    tests = clone.reaching(path, range(fault.start_pos[0], fault.end_pos[0] + 1))
    with use_mutation(path, operator, fault.occurrence) as (before, after):
        if after is None or equal(before, after):
            return "none", ""
        outcome = clone.outcome(tests) if tests else "not reached"
        name = path.relative_to(clone.at)
        diff = [d for d in _make_diff(before, after, name)[3:] if d[:1] in "+-@"]
    return outcome, f"{name}: {outcome} ({len(tests)} tests)\n" + "\n".join(diff)


def equal(before: str, after: str) -> bool:
    """Whether the two differ in texts and annotations at most, which no test should hold."""
    import ast

    def bare(source: str) -> str:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.arg | ast.AnnAssign):
                node.annotation = ast.Name("object")
            if isinstance(node, ast.FunctionDef):
                node.returns = None
            if isinstance(node, ast.JoinedStr):
                node.values = []
        return ast.dump(tree)

    try:
        return bare(before) == bare(after)
    except SyntaxError:
        return True


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--minutes", type=float, default=60, help="for the faults in all")
    options.add_argument("--budget", type=float, default=20, help="seconds of tests for a fault")
    options.add_argument("--each", type=int, default=8, help="most parameters of a test function")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--clone", type=Path, help="a folder that is kept; by default none is")
    options.add_argument("--report", type=Path, default=Path("mutation.txt"))
    options.add_argument("--folder", action="append", choices=FOLDERS)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone((given.clone or Path(folder) / "clone").resolve(), given.budget, given.each)
        clone.map()
        for name in OTHERS:
            importlib.import_module(name)
        quickest = sorted(clone.times, key=clone.times.__getitem__)[:200]
        if clone.outcome(quickest) != "survived":
            sys.exit("tests fail without a fault")
        queues = {f: faults(clone.at, f, given.seed) for f in given.folder or FOLDERS}
        counts: dict[str, Counter[str]] = {f: Counter() for f in queues}
        end = time.monotonic() + 60 * given.minutes
        with given.report.open("w") as report:
            while time.monotonic() < end and queues:
                for name in list(queues):
                    if (fault := next(queues[name], None)) is None:
                        del queues[name]
                        continue
                    outcome, text = plant(clone, fault)
                    counts[name][outcome] += 1
                    if outcome not in ("none", "killed"):
                        print(text, "", sep="\n", file=report, flush=True)
                    else:
                        print(text.split("\n")[0], file=sys.stderr)
            for name, count in counts.items():
                tried = sum(count.values()) - count["none"]
                line = f"{name}: {count['killed']} of {tried} found, {count['survived']} survived, "
                print(line + f"{count['not reached']} reached by no quick test", file=report)
    print(given.report.read_text())


if __name__ == "__main__":
    main()
