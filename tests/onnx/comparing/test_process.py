"""ONNX Runtime in a process of its own: it may die, hang or print, and nothing else does."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper, parser
from support.command_line import refused
from support.malformed_models import model, relu

import graphcnn as cnn
from graphcnn.errors import CrashError, ExportError
from graphcnn.exchange.check import check_onnx
from graphcnn.ir.tensor_type import DType
from graphcnn.models import MODELS
from graphcnn.onnx.comparing import ort, process, worker
from graphcnn.onnx.comparing.parity import compare
from graphcnn.ops.activation import Relu

pytest.importorskip("onnxruntime")

RELU = model([relu()], (1, 4)).SerializeToString()

#: An onnxruntime that computes Relu, and does what is written into the places of "pass".
STAND_IN = """
import os, signal, sys, time
import numpy as np
__version__ = "9.9"
class SessionOptions: graph_optimization_level = "on"
class GraphOptimizationLevel: ORT_DISABLE_ALL = "off"
class Argument:
    def __init__(self, name): self.name, self.shape, self.type = name, [1, 4], "tensor(float)"
class InferenceSession:
    def __init__(self, source, options, providers):
        self.mode = options.graph_optimization_level
        {loading}
    def get_inputs(self): return [Argument("x")]
    def get_outputs(self): return [Argument("y")]
    def run(self, names, feeds):
        {running}
        return [np.maximum(feeds["x"], 0)]
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a stand-in before the real package; the process looks for packages where we do."""

    def write(loading="pass", running="pass"):
        (tmp_path / "onnxruntime.py").write_text(STAND_IN.format(loading=loading, running=running))
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return write


@pytest.fixture
def started(monkeypatch):
    """All processes that are started."""
    found = []

    class Spy(process.Process):
        def __init__(self):
            super().__init__()
            found.append(self._child)

    monkeypatch.setattr(process, "Process", Spy)
    return found


KILLED = "os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("at", ["loading", "running"])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        (KILLED, r"died \(SIGSEGV\)"),
        ("print('bad alloc', file=sys.stderr, flush=True); os.abort()",
         r"died \(SIGABRT\) with the words 'bad alloc'"),
        ("os._exit(7)", r"died \(exit code 7\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", r"died \(SIGKILL, perhaps for want of memory\)"),
        ("time.sleep(60)", r"gave no answer in 2 seconds, and was ended"),
    ],
)  # fmt: skip
def test_a_death_is_one_error(stand_in, started, monkeypatch, at, how, told):
    stand_in(**{at: how})
    monkeypatch.setattr(process, "PATIENCE", 2.0 if "sleep" in how else 60.0)
    where = f"when {at} the model 'g' with its optimisations on and off. Nothing was compared"
    with pytest.raises(CrashError, match=f"^ONNX Runtime 9.9 {told} {where}"):
        check_onnx(RELU)
    assert len(started) == 2 and all(child.returncode is not None for child in started)


@pytest.mark.parametrize("at", ["loading", "running"])
@pytest.mark.parametrize("mode", ["on", "off"])
def test_the_other_mode_is_compared(stand_in, at, mode):
    stand_in(**{at: f"os._exit(7 if self.mode == {mode!r} else 8) if self.mode == {mode!r} else 0"})
    found = check_onnx(RELU)
    assert found.passed and {row.optimised for _, row in found.rows} == {mode == "off"}
    assert f"died (exit code 7) when {at} the model 'g' with its optimisations {mode}" in str(found)
    assert json.loads(found.to_json())["notes"] == list(found.notes) != []
    parity = compare(model([relu()], (1, 4)), lambda f: {"y": np.maximum(f["x"], 0)})
    assert parity.passed and f"optimisations {mode}: compared without" in str(parity)


def test_a_death_in_the_search_leaves_the_difference(stand_in, monkeypatch):
    chain = model([relu(to="r2"), relu("r2")], (1, 4)).SerializeToString()
    right = Relu.evaluate
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: right(self, x) + np.float32(1))
    stand_in(loading="if source.count(b'r2') > 2: os._exit(7)")  # where r2 is an output, too
    found = check_onnx(chain, runtime="reference")
    assert not found.passed and isinstance(found.culprits["reference"], CrashError)
    assert "died (exit code 7) when loading" in str(found)
    assert "died (exit code 7)" in json.loads(found.to_json())["culprits"]["reference"]


def test_a_death_where_decisions_are_shown_is_none_of_the_comparison(tmp_path, monkeypatch):
    """Nor of check, nor of an export: the model itself runs."""
    x = cnn.input("x", (4,))
    m = cnn.Model(x, cnn.relu(cnn.round(x, name="rounded")))
    right, died = ort.session, []

    def session(model, optimised, arrays=None):
        if isinstance(model, ModelProto) and model.graph.output[0].name == "rounded":
            died.append(optimised)
            raise CrashError("died where it shows itself")
        return right(model, optimised, arrays)

    monkeypatch.setattr(ort, "session", session)
    assert m.export_onnx(tmp_path / "m.onnx", verify=True).passed
    assert check_onnx(tmp_path / "m.onnx").passed
    assert len(died) > 1


def test_what_it_prints_is_not_seen(stand_in, capfd):
    stand_in(running="print('loud', flush=True); os.write(1, b'loud'); os.write(2, b'loud')")
    assert check_onnx(RELU).passed
    assert capfd.readouterr() == ("", "")


def test_one_process_for_a_comparison_and_none_after_it(started, monkeypatch):
    content = MODELS["lenet5"]().initialize(1)
    right = Relu.evaluate
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: right(self, x) * np.float32(1.1))
    from graphcnn.exchange import first_difference

    monkeypatch.setattr(first_difference, "KEPT_BYTES", 1)  # many sessions
    from graphcnn.onnx.exporting.export import export_graph

    made = export_graph(content.graph, dict(content.states))
    assert not check_onnx(made.SerializeToString(), runtime="reference").passed
    assert len(started) == 1 and started[0].returncode is not None


def test_sessions_of_their_own_end_with_them(started):
    one = ort.session(model([relu()], (1, 4)), True)
    assert ort.run(one, {"x": -np.ones((1, 4), np.float32)})[0].tolist() == [[0, 0, 0, 0]]
    assert started[0].poll() is None
    del one
    gc.collect()
    assert started[0].returncode is not None


def test_sessions_outlive_the_death_of_another(stand_in):
    stand_in(running="if feeds['x'][0, 0] > 5: os._exit(7)")
    x = np.ones((1, 4), np.float32)
    with ort.kept():
        one, other = (ort.session(model([relu()], (1, 4)), on) for on in (True, False))
        for _ in range(2):
            with pytest.raises(CrashError, match="exit code 7"):
                ort.run(one, {"x": 9 * x})
            assert ort.run(other, {"x": x})[0].tolist() == x.tolist()
        assert ort.version() == "onnxruntime 9.9"


def test_threads(started):
    passed = []
    threads = [
        threading.Thread(target=lambda: passed.append(check_onnx(RELU).passed)) for _ in range(3)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert passed == [True] * 3 and len(started) == 3


@pytest.mark.parametrize("why", ["frozen", "executable", "refused"])
def test_where_no_process_can_be_started(monkeypatch, why):
    def refuse(*_, **__):
        raise PermissionError("no processes here")

    if why == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    elif why == "executable":
        monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert isinstance(process.start(), process.Here)
    assert check_onnx(RELU).passed


@pytest.mark.skipif(os.name != "posix", reason="scripts")
@pytest.mark.parametrize("does", ["exit 3", "echo some other program; exec sleep 60"])
def test_an_interpreter_that_is_another_program(tmp_path, monkeypatch, started, does):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert check_onnx(RELU).passed
    assert len(started) == 1 and started[0].returncode is not None


def test_an_onnx_runtime_that_cannot_be_loaded(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('a library is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExportError, match="cannot be loaded: a library is missing"):
        check_onnx(RELU)
    (tmp_path / "onnxruntime.py").write_text("import os; os._exit(7)")
    with pytest.raises(ExportError, match=r"died \(exit code 7\) at its start"):
        check_onnx(RELU)


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3),
        np.zeros((0, 3), np.int64),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::2, ::-1],
        np.array([True, False]),
        np.arange(3, dtype=np.float16),
        np.array([1.5, -2]).astype(DType.BFLOAT16.numpy),
        np.array([1, -2], ">f8"),
    ],
)
def test_arrays_arrive_as_they_are(array):
    pipe = io.BytesIO()
    worker.send(pipe, {"do": "x"}, {"a": array, "é": array})
    pipe.seek(0)
    head, found = worker.receive(pipe)
    assert head == {"do": "x"} and list(found) == ["a", "é"]
    for each in found.values():
        assert (each.dtype, each.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(each, array)
    with pytest.raises(EOFError):
        worker.receive(pipe)


def test_objects_are_not_sent(monkeypatch):
    with pytest.raises(TypeError, match="Python objects"):
        worker.send(io.BytesIO(), {}, {"a": np.array([None])})
    text = '<ir_version: 8, opset_import: ["" : 17]> g (string[2] x) => (string[2] y)'
    strings = ort.session(parser.parse_model(f"{text} {{ y = Identity(x) }}"), True)
    with pytest.raises(ExportError, match="cannot be fed"):
        ort.run(strings, {"x": np.array(["a", "b"], object)})


# Files of which ONNX Runtime dies; a later release may not.


def bn9():
    """BatchNormalization whose four optional outputs are there and have no names."""
    names = ["x", "s", "b", "m", "v"]
    bn = helper.make_node("BatchNormalization", names, ["y", "", "", "", ""])
    found = [numpy_helper.from_array(np.ones(2, np.float32), name) for name in names[1:]]
    return model([bn], ("N", 2, 3), found, opset=9)


BRANCH = """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4] x) => (float[N, 4] y) {
    c = Constant<value = bool {0}>()
    y = If(c) <
        then_branch = t () => (float[N, 4] u) {
            a = Constant<value = int32[1] {-2147483648}>()
            b = Constant<value = int32[1] {-1}>()
            d = Div(a, b)
            f = Cast<to = 1>(d)
            u = Add(x, f)
        },
        else_branch = e () => (float[N, 4] w) { w = Neg(x) }
    >
}"""


def test_a_file_that_kills_it(tmp_path):
    path = tmp_path / "bn9.onnx"
    path.write_bytes(bn9().SerializeToString())
    try:
        assert check_onnx(path).passed
    except CrashError as error:
        assert "SIGSEGV" in str(error) and "optimisations on and off. Nothing was compared" in str(
            error
        )
        assert f"{path}: ONNX Runtime " in refused(3, "check", path)
    else:
        pytest.skip("this release of ONNX Runtime survives")


def test_a_file_that_kills_it_when_optimised():
    """The quotient that is out of range lies in a branch that is not taken, but folded."""
    found = check_onnx(parser.parse_model(BRANCH).SerializeToString())
    assert found.passed
    if not found.notes:
        pytest.skip("this release of ONNX Runtime survives")
    assert "when loading the model 'g' with its optimisations on" in found.notes[0]


# The program around it

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
print("once", flush=True)
{first}
from graphcnn.exchange.check import check_onnx
assert check_onnx(bytes.fromhex({content!r})).passed
open({done!r}, "w").close()
"""


def script(tmp_path, folder, first="", **options):
    """A program without a guard for `__main__`, which compares a model."""
    text = SCRIPT.format(
        folder=str(folder), first=first, content=RELU.hex(), done=str(tmp_path / "done")
    )
    (tmp_path / "script.py").write_text(text)
    return subprocess.Popen([sys.executable, tmp_path / "script.py"], **options)


@pytest.mark.parametrize("closed", [(), (0,), (0, 1, 2)])
def test_programs_without_a_guard_and_with_closed_streams(tmp_path, closed):
    first = "\n".join(["import os", *(f"os.close({fd})" for fd in closed)])
    child = script(tmp_path, tmp_path, first, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert child.communicate()[0].split() == [b"once"]
    assert (tmp_path / "done").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_killed_programs_leave_no_process(stand_in, tmp_path, how):
    import fcntl

    held = tmp_path / "held"  # locked by the process as long as it lives
    text = f"import fcntl; self.file = open({str(held)!r}, 'w'); fcntl.flock(self.file, 2); "
    folder = stand_in(running=f"{text}self.file.write('x'); self.file.flush(); time.sleep(60)")
    # Programs that are started in the background ignore Ctrl-C, and so would this one.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    child = script(tmp_path, folder, heeds, stderr=subprocess.PIPE, start_new_session=True)
    until = time.monotonic() + 60
    while not held.exists() or not held.stat().st_size:
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.01)
    if how == signal.SIGINT:
        os.killpg(child.pid, how)  # Ctrl-C reaches both
    else:
        child.kill()
    said = child.communicate(timeout=60)[1]
    assert child.returncode == -how
    assert b"KeyboardInterrupt" in said if how == signal.SIGINT else said == b""
    with held.open() as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < until
                time.sleep(0.01)
