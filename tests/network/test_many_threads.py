"""Models in many threads: every result is, to the bit, that of some moment in one thread."""

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile import native
from graphcnn.compile.runner import Runner
from graphcnn.runtime.execution import Execution

RNG = np.random.default_rng(2)
SIZES = (1, 8, 40)  # none is filled up to another
IMAGES = {n: RNG.random((n, 1, 6, 6), dtype=np.float32) for n in SIZES}
TRAIN = cnn.data.arrays(RNG.random((48, 1, 6, 6), dtype=np.float32), np.arange(48) % 3)
RUNTIMES = pytest.mark.parametrize("runtime", ["native", "reference"])


@pytest.fixture(params=[None, 1e-6], ids=["as usual", "switching all the time"])
def switching(request: pytest.FixtureRequest) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param or before)
    yield
    sys.setswitchinterval(before)


def net() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.batch_norm(cnn.conv2d(image, 5, 3, name="C1"), name="norm"))
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits"), name="net")


def weights(seed: int) -> dict[str, np.ndarray]:
    return {key: array.copy() for key, array in net().initialize(seed).states.items()}


def answers(states: dict[str, np.ndarray], runtime: str) -> dict[int, bytes]:
    """What a model with these states says to the images of each size."""
    model = net()
    model.replace_states({key: array.copy() for key, array in states.items()})
    return {
        n: model.predict(x, raw=True, runtime=runtime, threads=1).tobytes()
        for n, x in IMAGES.items()
    }


def together(work: list[Callable[[], None]]) -> None:
    """Run functions in threads that begin at once; an error in any of them is raised."""
    barrier, errors = threading.Barrier(len(work)), []

    def run(function: Callable[[], None]) -> None:
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
    if errors:
        raise errors[0]


@RUNTIMES
@pytest.mark.usefixtures("switching")
def test_first_calls_at_once(runtime: str) -> None:
    expected = answers(weights(0), runtime)
    for _ in range(4):
        model, found = net(), []

        def ask(model: cnn.Model = model, found: list = found) -> None:
            for n, x in IMAGES.items():
                y = model.predict(x, raw=True, runtime=runtime, threads=1)
                found.append((n, y.tobytes()))

        together([ask] * 16)
        assert len(found) == 48 and all(expected[n] == y for n, y in found)
        if runtime == "native":
            (runner,) = {*model._runners.values()}
            assert sorted(runner._prepared) == sorted(SIZES)


@RUNTIMES
@pytest.mark.usefixtures("switching")
def test_weights_are_written_beside_predictions(runtime: str, tmp_path) -> None:
    states = [weights(seed) for seed in (1, 2)]
    expected = [answers(each, runtime) for each in states]
    model = net()
    model.replace_states({k: v.copy() for k, v in states[0].items()})
    sharing = cnn.Model(model.graph.inputs, model.graph.outputs, name="sharing")
    model.save(tmp_path / "first.safetensors")
    seen, ended = set(), threading.Event()

    def write() -> None:
        for i in range(60):
            if i % 4 == 3:
                sharing.load(tmp_path / "first.safetensors")
            else:
                model.set_parameters(states[i % 2])
        ended.set()

    def ask(of: cnn.Model) -> Callable[[], None]:
        def asking() -> None:
            for i in range(1000):
                n = SIZES[i % 3]
                y = of.predict(IMAGES[n], raw=True, runtime=runtime, threads=1).tobytes()
                number = [each[n] for each in expected].index(y)  # not found: an error
                seen.add(number)
                if ended.is_set():
                    return

        return asking

    together([write, *(ask(each) for each in (model, sharing) * 7)])
    assert seen <= {0, 1}


@RUNTIMES
@pytest.mark.usefixtures("switching")
def test_fit_beside_predictions(runtime: str) -> None:
    session = cnn.Session(net().initialize(3), seed=3, runtime=runtime, threads=1)
    moments = [answers(weights(3), runtime)]
    for epoch in range(2):
        for batch in TRAIN.batches(8, TRAIN.shuffled_order(3, epoch)):
            session.step(*batch)
            moments.append(answers({k: session.states[k] for k in session.model.states}, runtime))
    model = net().initialize(3)
    sharing = cnn.Model(model.graph.inputs, model.graph.outputs, name="sharing")
    other = net().initialize(1)
    apart = answers(weights(1), runtime)
    ended, order = threading.Event(), {}

    def train() -> None:
        model.fit(TRAIN, epochs=2, batch_size=8, seed=3, runtime=runtime, threads=1, progress=False)
        ended.set()

    def ask(of: cnn.Model, name: int) -> Callable[[], None]:
        def asking() -> None:
            for i in range(3000):
                n = SIZES[(i + name) % 3]
                last = ended.is_set()
                y = of.predict(IMAGES[n], raw=True, runtime=runtime, threads=1).tobytes()
                if of is other:
                    assert y == apart[n]
                else:
                    order.setdefault(name, []).append([each[n] for each in moments].index(y))
                if last:
                    return

        return asking

    models = (model, sharing, other)
    together([train, *(ask(models[i % 3], i) for i in range(15))])
    for found in order.values():
        assert found == sorted(found)  # nobody sees an older moment after a newer one
        assert found[-1] == len(moments) - 1
    assert {k: v.tobytes() for k, v in model.states.items()} == {
        k: session.states[k].tobytes() for k in model.states
    }


@pytest.mark.usefixtures("switching")
def test_two_fits_on_one_trunk_and_writes_beside_them() -> None:
    trunk = net().initialize(1)
    trunk.freeze("*")
    flat = trunk["logits"]
    heads = [
        cnn.Model(trunk.graph.inputs, cnn.dense(flat, 3, name=f"head{i}"), name=f"head{i}")
        for i in range(2)
    ]
    refused: list[str] = []

    def train(model: cnn.Model) -> Callable[[], None]:
        def training() -> None:
            for _ in range(4):
                try:
                    model.fit(TRAIN, batch_size=8, threads=1, progress=False)
                except cnn.TrainingError as error:  # both measure the statistics of the norm
                    refused.append(str(error))

        return training

    def write() -> None:
        for i in range(40):
            trunk.set_parameters({"C1.bias": np.full(5, i, np.float32)})

    together([*map(train, heads), write])
    assert all("fit" in words for words in refused)
    assert (heads[0].states["C1.bias"] == 39).all()
    assert heads[0].states["norm.mean"] is heads[1].states["norm.mean"]


@pytest.mark.usefixtures("switching")
def test_sessions_in_threads_take_turns() -> None:
    model = net().initialize(1)
    model.freeze("*")
    model.unfreeze("logits.bias")
    steps = 10

    def train(session: cnn.Session) -> Callable[[], None]:
        def training() -> None:
            for _ in range(steps):
                session.step(IMAGES[8], np.arange(8) % 3)

        return training

    count = 4
    sessions = [cnn.Session(model, optimizer=cnn.SGD(0.1), threads=1) for _ in range(count)]
    together([train(session) for session in sessions])
    alone = net().initialize(1)
    alone.freeze("*")
    alone.unfreeze("logits.bias")
    single = cnn.Session(alone, optimizer=cnn.SGD(0.1), threads=1)
    for _ in range(steps * count):
        single.step(IMAGES[8], np.arange(8) % 3)
    for key, array in alone.states.items():
        assert array.tobytes() == model.states[key].tobytes(), key


@pytest.mark.usefixtures("switching")
def test_each_call_runs_with_the_states_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Executables of one size are shared by calls with different states, and made once."""
    made: list[int] = []
    real = native.Prepared.__init__

    def counted(self: native.Prepared, graph: object, *options: object) -> None:
        made.append(1)
        real(self, graph, *options)  # type: ignore[arg-type]

    monkeypatch.setattr(native.Prepared, "__init__", counted)
    states = [weights(seed) for seed in range(8)]
    expected = [answers(each, "native")[8] for each in states]
    made.clear()
    runner = Runner(net().graph, Execution(threads=1))

    def ask(number: int) -> Callable[[], None]:
        def asking() -> None:
            for _ in range(30):
                (y,) = runner.run({"image": IMAGES[8]}, states[number])[0].values()
                assert y.tobytes() == expected[number]

        return asking

    together([ask(i % 8) for i in range(16)])
    assert len(made) == 1
