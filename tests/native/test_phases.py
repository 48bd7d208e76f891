"""A training step has phases, and gradients that are kept may be changed when they are ready."""

from dataclasses import replace

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile import native
from graphcnn.compile.engine import Asked, make_engine
from graphcnn.compile.native import planned
from graphcnn.compile.pipelines import training_graph
from graphcnn.errors import GraphError, VerifyError
from graphcnn.ir.graph import state_of
from graphcnn.ir.plan import Phase, after_gradients, root
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.passes.driver.base import Pass, Pipeline
from graphcnn.passes.memory.read_gradients import ReadGradients
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.executable import NativeExecutable

CLIPPED = cnn.Adam(0.05, clip_norm=0.5)


def network(batch_norm=True):
    """Wide enough for packed weights; one of them is used twice, so that its gradient is a sum."""
    image = cnn.input("image", (16, 8, 8))
    x = cnn.conv2d(image, 32, 3, padding="same", bias=False, name="first")
    x = cnn.relu(cnn.batch_norm(x) if batch_norm else x)
    shared = cnn.Model(
        y := cnn.input("y", (32, 8, 8)), cnn.conv2d(y, 32, 3, padding="same", name="twice")
    )
    x = cnn.relu(shared(cnn.relu(shared(x))))
    return cnn.Model(image, cnn.dense(cnn.flatten(cnn.max_pool2d(x, 4)), 3, name="last"), "phases")


def made(optimizer, execution, *, keep=True, batch_norm=True):
    """An engine of a training step, and the states that it begins with."""
    model = network(batch_norm).initialize(1)
    graph = training_graph(model.graph, "cross_entropy", optimizer, keep_gradients=keep)
    states = {
        state_of(v).key: model.states.get(
            state_of(v).key, state_of(v).initial(v.type, 0, state_of(v).key)
        )
        for v in graph.states
    }
    return make_engine(graph, states, execution), states


def batches(count=3, n=4):
    rng = np.random.default_rng(0)
    for _ in range(count):
        image = rng.normal(size=(n, 16, 8, 8)).astype(np.float32)
        yield {"image": image, "target": rng.integers(0, 3, n)}


def run(engine, ready=None):
    """The bits of some steps: outputs and states."""
    outputs = [engine.step(Asked(feeds, {}, lambda _: True, ready)) for feeds in batches()]
    return [{k: a.tobytes() for k, a in found.items()} for found in (*outputs, engine.states())]


EXECUTIONS = [Execution("native", 1), Execution("native", 2), Execution("reference")]
each_execution = pytest.mark.parametrize(
    "execution", EXECUTIONS, ids=lambda e: f"{e.runtime}-{e.threads}"
)


@pytest.mark.whole_runs
@each_execution
@pytest.mark.parametrize("optimizer", [cnn.SGD(0.1, momentum=0.9), CLIPPED], ids=["sgd", "clip"])
def test_a_step_in_pieces_has_the_bits_of_one_call(optimizer, execution):
    looks = []

    def look(gradients):
        looks.append({name: array.copy() for name, array in gradients.items()})

    engine, states = made(optimizer, execution)
    found = run(engine, look)
    *outputs, after = run(made(optimizer, execution)[0])
    assert after == found[-1] and len(after) > 10
    for whole, pieces, seen in zip(outputs, found, looks, strict=False):
        assert whole == pieces | {f"gradient:{k}": a.tobytes() for k, a in seen.items()}
    if execution.runtime == "reference":  # which has no other layouts where gradients are kept
        assert found == run(made(optimizer, execution, keep=False)[0])
    assert len(looks) == 3 and all(found[-1][k] != states[k].tobytes() for k in looks[0])
    model = network()
    assert {k: a.shape for k, a in looks[0].items()} == {
        k: a.shape for k, a in model.parameters.items()
    }


@pytest.mark.parametrize("verify", ["types", "numbers"])  # numbers: each step is compared
@each_execution
def test_what_is_changed_is_what_the_optimiser_takes(execution, verify, monkeypatch):
    """Between red zones here. Gradients of zero leave the parameters, not the statistics."""
    monkeypatch.setenv("GRAPHCNN_VERIFY", verify)

    def scale(gradients):
        for array in gradients.values():
            array *= 0

    for optimizer in (cnn.SGD(0.1), CLIPPED):
        engine, states = made(optimizer, execution)
        before = {k: a.tobytes() for k, a in states.items()}
        outputs, *_, after = run(engine, scale)
        changed = {k for k in network().states if after[k] != before[k]}
        assert changed == {"batch_norm_1.mean", "batch_norm_1.variance"}
        if optimizer is CLIPPED:
            assert np.frombuffer(outputs["gradient_norm"], np.float32) == 0


@pytest.mark.whole_runs
@each_execution
def test_gradients_of_two_halves_make_the_step_of_the_whole(execution):
    """As processes do that have a part of the batch each."""
    (feeds,) = batches(1, 8)
    whole, _ = made(CLIPPED, execution, batch_norm=False)
    expected = whole.step(Asked(feeds, {}, lambda _: True))
    halves = [{k: a[i : i + 4] for k, a in feeds.items()} for i in (0, 4)]
    told = {}
    other, _ = made(CLIPPED, execution, batch_norm=False)
    other.step(
        Asked(halves[1], {}, lambda _: False, lambda g: told.update({k: g[k].copy() for k in g}))
    )

    def mean(gradients):
        for name, array in gradients.items():
            array[...] = (array + told[name]) / 2

    engine, _ = made(CLIPPED, execution, batch_norm=False)
    found = engine.step(Asked(halves[0], {}, lambda _: True, mean))
    assert found["gradient_norm"] == pytest.approx(expected["gradient_norm"], rel=1e-5)
    for key in network(False).parameters:
        np.testing.assert_allclose(engine.state(key), whole.state(key), rtol=0, atol=1e-4)


def plan_of(optimizer=CLIPPED, keep=True):
    graph = training_graph(network().graph, "cross_entropy", optimizer, keep_gradients=keep)
    return planned(graph.bind(N=4), Execution(threads=1))


def test_phases_follow_each_other():
    plan = plan_of()
    begins = [*plan.begins.values()]
    assert [*plan.begins] == [*Phase] and begins == sorted(begins) and begins[0] == 0
    assert len(set(begins)) == 4  # with clipping none is empty
    assert [plan.phase(i) for i in begins] == [*Phase]
    loss = next(i for i, s in enumerate(plan.steps) if plan.graph.outputs["loss"] in s.node.outputs)
    assert plan.phase(loss) is Phase.FORWARD
    ready = plan.begins[Phase.READY]
    late = after_gradients(plan.graph)
    assert late and all(s.node not in late for s in plan.steps[:ready])
    lines = [line.strip() for line in str(plan).splitlines()]
    assert [line for line in lines if line in {*Phase}] == [*Phase][1:]
    assert lines.index("gradients ready") < lines.index("commit")
    usual = plan_of(keep=False)
    assert not usual.gradients and usual.begins[Phase.READY] == usual.commit
    assert usual.begins[Phase.BACKWARD] > 0


def moved(plan, step, place):
    steps = [*plan.steps]
    steps.insert(place, steps.pop(step))
    return replace(plan, steps=tuple(steps))


def test_gradients_that_are_not_ready_are_found(monkeypatch):
    plan = plan_of()
    ready = plan.begins[Phase.READY]
    first = next(i for i, s in enumerate(plan.steps) if i >= ready and not s.scratch)
    verify_plan(plan)
    with pytest.raises(VerifyError, match=r"reads gradients before all of them are ready"):
        verify_plan(moved(plan, first, ready - 1))

    class Nothing(Pass):
        def run(self, graph, log):
            return graph

    made = native.native_pipeline

    def without(execution):
        passes = made(execution).passes
        return Pipeline(tuple(Nothing() if isinstance(p, ReadGradients) else p for p in passes))

    monkeypatch.setattr(native, "native_pipeline", without)
    with pytest.raises(VerifyError, match=r"comes of .* by ways beside gradients"):
        plan_of()


def test_one_gradient_of_several_parameters_is_shown_once():
    x = cnn.input("x", (4,))
    a, b = (cnn.dense(x, 3, name=name) for name in "ab")
    model = cnn.Model(x, a + b).initialize(0)
    graph = training_graph(model.graph, "cross_entropy", cnn.SGD(0.1), keep_gradients=True)
    plan = planned(graph.bind(N=2), Execution(threads=1))
    assert len({root(v) for v in plan.gradients.values()}) == len(plan.gradients) == 2


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_gradients_that_nobody_keeps(runtime):
    engine, _ = made(CLIPPED, Execution(runtime), keep=False)
    (feeds,) = batches(1)
    with pytest.raises(GraphError, match="'phases' keeps no gradients"):
        engine.step(Asked(feeds, {}, lambda _: True, lambda gradients: None))


def test_an_error_between_leaves_everything_as_it_was():
    graph = training_graph(network().graph, "cross_entropy", CLIPPED, keep_gradients=True)
    executable = NativeExecutable(graph.bind(N=4), Execution(threads=1))  # with a simple plan
    _, states = made(CLIPPED, Execution(threads=1))
    executable.bind_states(states)
    (feeds,) = batches(1)

    def fail(gradients):
        raise RuntimeError("the network is gone")

    with pytest.raises(RuntimeError, match="gone"):
        executable.step(feeds, ready=fail)
    assert all(executable.read_state(k).tobytes() == a.tobytes() for k, a in states.items())
    outputs = executable.step(feeds)  # and the lock is free
    executable.bind_states(states)
    told = []
    executable.step(feeds, ready=lambda found: told.extend((k, found[k].copy()) for k in found))
    assert all(np.array_equal(array, outputs[f"gradient:{k}"]) for k, array in told) and told


@pytest.mark.parametrize("rule", [
    cnn.Adam(), cnn.Adam(amsgrad=True), cnn.Lion(), cnn.Adagrad(), cnn.RMSProp(momentum=0.9),
    cnn.EMA(cnn.SGD(0.1, 0.9)), cnn.SWA(cnn.Adam(), 5, 5), cnn.Lookahead(cnn.SGD(0.1, 0.9)),
], ids=lambda rule: type(rule).__name__)  # fmt: skip
def test_the_update_of_a_parameter_is_one_kernel(rule):
    """With all its slots, whatever the optimiser and what goes around it."""
    graph = training_graph(network().graph, "cross_entropy", rule).bind(N=8)
    placed = native.native_pipeline(Execution("native")).run(graph)
    made = {state_of(s).key: v.node for s, v in placed.updates.items()}
    for parameter in network().graph.parameters:
        key = state_of(parameter).key
        slots = [f"{key}.{slot}" for slot in rule.slots]
        assert slots and {made[name] for name in (key, *slots)} == {made[key]}
