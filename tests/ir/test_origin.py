"""The line that a node, and so a message, names is the user's own, however it was reached."""

import contextlib
import functools
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator

import pytest

import graphcnn as cnn


def built() -> cnn.Value:
    return cnn.relu(cnn.input("x", (3,)))


def line_of(function: Callable[..., object]) -> int:
    return function.__code__.co_firstlineno + 1  # type: ignore[attr-defined, no-any-return]


BUILT = line_of(built)


@contextlib.contextmanager
def noted() -> Iterator[None]:
    yield


def passed_on(function: Callable[..., cnn.Value]) -> Callable[..., cnn.Value]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> cnn.Value:
        return function(*args, **kwargs)

    return wrapper


def in_thread() -> cnn.Value:
    found: list[cnn.Value] = []
    thread = threading.Thread(target=lambda: found.append(built()))
    thread.start()
    thread.join()
    return found[0]


class Lazy:
    @functools.cached_property
    def value(self) -> cnn.Value:
        return built()


@pytest.mark.parametrize(
    "make",
    [
        built,
        noted()(built),
        passed_on(built),
        functools.partial(built),
        functools.lru_cache(built),
        lambda: built(),
        in_thread,
        lambda: [built() for _ in range(2)][1],
        lambda: next(built() for _ in range(2)),
        lambda: Lazy().value,
        lambda: contextlib.ExitStack().__enter__().callback(built) and built(),
    ],
)
def test_the_line_of_the_user_s_function(make: Callable[[], cnn.Value]) -> None:
    assert make().node.origin.location == f"test_origin.py:{BUILT}"


def test_a_function_of_ours_that_the_library_calls_is_where_the_user_calls_that() -> None:
    x = cnn.input("x", (3,))
    here = sys._getframe().f_lineno
    for value in (
        functools.partial(cnn.relu, x)(),
        functools.reduce(cnn.add, [x, x]),
        noted()(cnn.relu)(x),
        *map(cnn.relu, [x]),
    ):
        assert value.node.origin.file == __file__
        assert here < value.node.origin.line <= here + 6


def test_a_wrong_loss_is_blamed_on_the_line_that_wrote_it() -> None:
    x = cnn.input("x", (3,))
    model = cnn.Model(x, cnn.dense(x, 2))

    def loss(z: cnn.Value, t: cnn.Value) -> cnn.Value:
        return cnn.mean(cnn.matmul(z, t))

    for use in (model.training_graph, lambda f: cnn.Session(model, f).graph):
        with pytest.raises(cnn.GraphError, match=rf"\(test_origin.py:{line_of(loss)}\)"):
            use(loss)
    # Ours from end to end: the line is that of the call.
    with pytest.raises(cnn.GraphError, match=r"\(test_origin.py:\d+\)"):
        model.training_graph(cnn.matmul)


def test_frozen_modules_and_installed_packages_are_passed_over() -> None:
    code = "def decorated(f):\n    return f()\n"
    for file in ("/x/site-packages/tool/wrap.py", "/usr/lib/python3/dist-packages/t.py",
                 contextlib.__file__, "<frozen runpy>"):  # fmt: skip
        module = types.ModuleType("tool")
        exec(compile(code, file, "exec"), module.__dict__)
        here = sys._getframe().f_lineno
        value = module.decorated(functools.partial(cnn.input, "x", (3,)))
        assert value.node.origin.location == f"test_origin.py:{here + 1}"


@pytest.mark.parametrize(
    ("start", "name"),
    [(["-c"], "<string>:3"), (["-"], "<stdin>:3")],
)
def test_programs_without_a_file(start: list[str], name: str) -> None:
    program = "import graphcnn as cnn\nx = cnn.input('x', (3,))\ny = cnn.relu(x)\n"
    program += "print(y.node.origin.location)"
    argument = [program] if start == ["-c"] else []
    done = subprocess.run(
        [sys.executable, *start, *argument], input=program, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == name


def test_text_that_is_run() -> None:
    scope: dict[str, cnn.Value] = {}
    exec("import graphcnn as cnn\n\ny = cnn.relu(cnn.input('x', (3,)))", scope)
    assert scope["y"].node.origin.location == "<string>:3"


def test_a_network_in_an_installed_package_names_its_own_line_where_nothing_else_is_known() -> None:
    module = types.ModuleType("nets")
    code = "import graphcnn as cnn\ndef net():\n    return cnn.input('x', (3,))\n"
    exec(compile(code, "/x/site-packages/nets.py", "exec"), module.__dict__)
    command = types.ModuleType("graphcnn.tools.pretend")
    exec("def run(f):\n    return f()\n", command.__dict__)
    assert command.run(module.net).node.origin.location == "nets.py:3"
