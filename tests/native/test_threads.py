"""Workers: how many, asleep when idle, safe with fork and with other threads."""

import os
import threading
import time

import pytest
from native.chains import mean_kernel
from native.test_driver import SIZE, Steps
from support.clock import best, unit

from graphcnn.runtime.native import threads
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.driver import BARRIER, driver

pytestmark = pytest.mark.whole_runs


def steps(length=100, units=16):
    return Steps([mean_kernel(SIZE, units)] * length, [BARRIER] * length)


@pytest.fixture(scope="module")
def expected():
    return steps().run(1).tobytes()


def test_workers_are_started_when_wanted(monkeypatch, expected):
    pool = threads.Pool()
    monkeypatch.setattr(threads, "_pool", pool)
    assert steps().run(1).tobytes() == expected
    assert not pool.workers
    assert steps().run(3).tobytes() == expected
    assert len(pool.workers) == 2
    assert steps().run(2).tobytes() == expected
    assert len(pool.workers) == 2
    pool.close()
    assert not pool.workers
    assert steps().run(2).tobytes() == expected  # alone
    assert not pool.workers


def test_idle_workers_sleep(expected):
    assert steps().run(4).tobytes() == expected
    time.sleep(0.05)
    assert min(_busy_while_asleep() for _ in range(3)) < 0.02


def _busy_while_asleep():
    """Processor time of the whole process in half a second in which nobody asks for anything."""
    before = time.process_time()
    time.sleep(0.5)
    return time.process_time() - before


def test_a_worker_that_slept_wakes_up(expected):
    for _ in range(20):
        time.sleep(0.005)
        assert steps().run(2).tobytes() == expected


def test_a_busy_pool_is_not_waited_for(expected):
    with threads.pool().busy:
        assert steps().run(3).tobytes() == expected


def test_two_threads_run_at_once(expected):
    failures = []

    def work():
        for _ in range(100):
            if steps(100).run(3).tobytes() != expected:
                failures.append("other bits")

    runners = [threading.Thread(target=work) for _ in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert not failures


def test_without_threads_it_runs_alone(monkeypatch, expected):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", threads.Pool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert steps().run(2).tobytes() == expected


def test_a_forked_child_starts_its_own(expected):
    assert steps().run(3).tobytes() == expected
    child = os.fork()
    if child == 0:
        try:
            good = threads._pool is None and steps().run(3).tobytes() == expected
            os._exit(0 if good and len(threads.pool().workers) == 2 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert steps().run(3).tobytes() == expected


def test_a_child_forked_while_another_thread_runs(expected):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            steps().run(2)

    runner = threading.Thread(target=work)
    runner.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if steps().run(3).tobytes() == expected else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        runner.join()


def test_one_part_is_cheap():
    one = Steps([mean_kernel(4, 1)], [0])
    address, functions = one.records.ctypes.data, driver(host())
    assert (
        best(lambda: threads.run_steps(functions, address, 1, 1), 200) < 0.75 * unit()
    )  # 20 µs on a server
