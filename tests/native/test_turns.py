"""Which thread does what: no two are ever at work on the same memory."""

import itertools

import pytest
from native.networks import network

from graphcnn.compile.native import planned
from graphcnn.compile.pipelines import training_graph
from graphcnn.learning.optimizers import SGD
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native import work_division as module
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.program import work_of
from graphcnn.runtime.native.work_division import Turn, turns

pytestmark = pytest.mark.whole_runs


def plan_of(name):
    model, loss = network(name)
    return planned(
        training_graph(model.graph, loss, SGD(0.1, momentum=0.9)).bind(N=8), Execution(threads=4)
    )


def units_and_work(plan):
    return [lower(s.node, host()).units for s in plan.steps], [work_of(s) for s in plan.steps]


def touched(step):
    """What a step reads, and what it writes."""
    return step.reads, (*step.writes, *((step.scratch,) if step.scratch else ()))


def conflict(one, other):
    (reads, writes), (reads_too, writes_too) = touched(one), touched(other)
    pairs = itertools.chain(
        itertools.product(writes, (*reads_too, *writes_too)), itertools.product(reads, writes_too)
    )
    return any(a.overlaps(b) for a, b in pairs)


def races(plan, found, threads):
    """Pairs of steps that touch the same memory in different threads and no meeting between."""

    def doing(turn):
        return {(turn.first + i) % threads for i in range(turn.shares)}

    for j, later in enumerate(found):
        for i in range(j - 1, -1, -1):
            if found[i + 1].meet:
                break
            if len(doing(found[i]) | doing(later)) > 1 and conflict(plan.steps[i], plan.steps[j]):
                yield i, j


@pytest.mark.parametrize("name", ["lenet5", "mixed", "vgg_cifar"])
def test_no_two_threads_touch_the_same_memory(name, monkeypatch):
    plan = plan_of(name)
    units, work = units_and_work(plan)
    for threads, smallest in itertools.product((2, 3, 4, 7), (0, module.DIVIDED_FROM, 1 << 40)):
        monkeypatch.setattr(module, "DIVIDED_FROM", smallest)
        found = turns(plan, units, work, threads)
        assert not list(races(plan, found, threads))
        assert all(0 <= t.first < threads and 1 <= t.shares <= threads for t in found)
        if smallest == 0:
            assert [t.shares for t in found] == [min(u, threads) for u in units]


def test_the_check_sees_a_race():
    """Without its meetings a plan races, and without any single one of them as well."""
    plan = plan_of("lenet5")
    found = turns(plan, *units_and_work(plan), 2)
    meetings = [i for i, turn in enumerate(found) if turn.meet]
    assert 5 < len(meetings) < len(found)
    for i in meetings:
        fewer = list(found)
        fewer[i] = Turn(found[i].shares, found[i].first, meet=False)
        assert list(races(plan, fewer, 2))


def test_one_thread_never_waits():
    plan = plan_of("lenet5")
    assert all(turn == Turn(1, 0, False) for turn in turns(plan, *units_and_work(plan), 1))


def test_small_steps_are_whole_and_go_to_different_threads():
    plan = plan_of("lenet5")
    units, work = units_and_work(plan)
    found = turns(plan, units, work, 3)
    small = [turn for turn, amount in zip(found, work, strict=True) if amount < module.DIVIDED_FROM]
    assert all(turn.shares == 1 for turn in small)
    assert {turn.first for turn in small} == {0, 1, 2}
