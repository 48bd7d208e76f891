"""Whole training steps in machine code: the same bits for any number of threads, the same numbers
as the reference, on any processor, between guard pages."""

import numpy as np
import pytest
from native.networks import NETS, batches, mixed, network, relative, trained

import graphcnn as cnn
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import training_graph
from graphcnn.ir.plan import is_step
from graphcnn.models import MODELS
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native import work_division as turns
from graphcnn.runtime.native.code.jit import compile_object
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import can_run, host, named


@pytest.fixture
def processor(monkeypatch):
    """Sets the processor that code is generated for."""

    def choose(name):
        if not can_run(named(name)):
            pytest.skip(f"this machine does not run {name}")
        monkeypatch.setenv("GRAPHCNN_TARGET", name)
        host.cache_clear()

    yield choose
    monkeypatch.undo()
    host.cache_clear()


@pytest.mark.whole_runs
@pytest.mark.parametrize("divided_from", [0, turns.DIVIDED_FROM])
@pytest.mark.parametrize(("name", "n"), [("lenet5", 5), ("vgg_cifar", 2), ("mixed", 7)])
def test_any_number_of_threads_gives_the_same_bits(name, n, divided_from, monkeypatch):
    monkeypatch.setattr(turns, "DIVIDED_FROM", divided_from)
    steps = 50
    losses, states = trained(name, n, steps, threads=1)
    for threads in (2, 3, 4):
        others, other_states = trained(name, n, steps, threads=threads)
        assert losses == others
        for key, array in states.items():
            assert array.tobytes() == other_states[key].tobytes(), (key, threads)


@pytest.mark.whole_runs
def test_predictions_of_any_number_of_threads_have_the_same_bits():
    model, loss = network("vgg_cifar")
    images, _ = next(batches(model, loss, 5, 1))
    first, *others = (model.predict(images, threads=t).tobytes() for t in (1, 2, 3, 4))
    assert all(other == first for other in others)


def test_a_hundred_steps_stay_with_the_reference():
    train, _ = cnn.data.load("xo:n=1700,size=28,seed=0")

    def losses(runtime):
        model = MODELS["lenet5"](classes=2).initialize(3)
        session = cnn.Session(model, optimizer=cnn.SGD(0.003, momentum=0.9), runtime=runtime)
        order = train.shuffled_order(0, 0)[:1600]
        return [session.step(*batch)["loss"] for batch in train.batches(16, order)]

    native, reference = losses("native"), losses("reference")
    assert len(reference) == 100 and reference[-1] < 0.01 * reference[0]
    assert native == pytest.approx(reference, rel=1e-4)


@pytest.mark.parametrize("name", [*NETS, "mixed"])
def test_between_guard_pages_with_nan_wherever_nothing_was_written(name, monkeypatch):
    monkeypatch.delenv("GRAPHCNN_ARENA")
    expected, _ = trained(name, 2, 2, runtime="reference")
    losses, states = trained(name, 2, 2, threads=2)
    assert losses == pytest.approx(expected, rel=5e-3)
    model, loss = network(name)
    images, _ = next(batches(model, loss, 2, 1))
    predicted = model.predict(images, threads=2)
    assert relative(model.predict(images, runtime="reference"), predicted) < 1e-4
    monkeypatch.setenv("GRAPHCNN_ARENA", "guard")
    guarded, guarded_states = trained(name, 2, 2, threads=2)
    assert losses == guarded
    for key, array in states.items():
        assert array.tobytes() == guarded_states[key].tobytes(), key
    model, _ = network(name)
    assert model.predict(images, threads=2).tobytes() == predicted.tobytes()


def test_float64_trains_as_the_reference_does():
    states = []
    for runtime in ("native", "reference"):
        model = mixed("float64").initialize(3)
        session = cnn.Session(model, optimizer=cnn.SGD(0.01, momentum=0.9), runtime=runtime)
        for images, targets in batches(model, "cross_entropy", 4, 3):
            session.step(images, targets)
        states.append(session.states)
    assert states[0]["first.weight"].dtype == np.float64
    for key, array in states[1].items():
        assert relative(array, states[0][key], least=1.0) < 1e-12, key


@pytest.mark.parametrize("name", ["sse2", "avx2"])
@pytest.mark.parametrize("net", ["lenet5", "vgg_cifar"])
def test_steps_on_other_processors(name, net, processor):
    expected, _ = trained(net, 2, 2, runtime="reference")
    processor(name)
    found, _ = trained(net, 2, 2, threads=1)
    assert found == pytest.approx(expected, rel=1e-3)


def test_kernels_of_a_step_compile_for_neon():
    target = named("neon")
    model, loss = network("lenet5")
    graph = training_graph(model.graph, loss, cnn.SGD(0.01, momentum=0.9)).bind(N=2)
    kernels = {}
    for node in filter(is_step, native_pipeline(Execution(target=target)).run(graph).nodes):
        kernel = lower(node, target)
        kernels[kernel.key] = kernel
    assert len(kernels) > 15
    for kernel in kernels.values():
        assert compile_object(kernel, target)


@pytest.mark.parametrize("name", ["mnist_cnn", "vgg_cifar", "resnet18"])
def test_strict_is_as_exact_as_a_plain_sum(name):
    model, loss = network(name)
    images, _ = next(batches(model, loss, 2, 1))
    expected = model.predict(images, runtime="reference")
    assert relative(expected, model.predict(images, precision="strict")) < 1e-5


def test_strict_has_no_winograd(monkeypatch):
    def algorithms(precision=None):
        runner = network("vgg_cifar")[0].runner("native", 1, precision)
        return " ".join(runner.prepared(2).executable.algorithms)

    assert "winograd" in algorithms()
    assert "winograd" not in algorithms("strict")
    monkeypatch.setenv("GRAPHCNN_PRECISION", "strict")
    assert "winograd" not in algorithms()
    model, loss = network("vgg_cifar")
    session = cnn.Session(model, loss, precision="strict", threads=1)
    for batch in batches(model, loss, 2, 1):
        session.step(*batch)
    assert "winograd" not in " ".join(session._engine._active.algorithms)


def test_unknown_precisions_are_refused():
    with pytest.raises(cnn.GraphCnnError, match="unknown precision 'exact'; it is one of fast"):
        network("lenet5")[0].runner(precision="exact")
