"""Worker threads: Python threads that live inside native code, asleep until there is work.

There is one pool in a process, and one run at a time has its workers; a run that finds them busy
does its parts alone, with the same result. Workers start when they are first wanted. A forked child
has none and starts its own.
"""

import atexit
import ctypes
import os
import threading

from graphcnn.base.config import MOST_THREADS
from graphcnn.runtime.native.driver import (
    BARRIER_BYTES,
    BARRIER_SPINS,
    BOX_BYTES,
    BOX_SPINS,
    Driver,
)
from graphcnn.runtime.native.memory.limits import available_processors

#: Looks at a word before a thread goes to sleep: some 50 µs, about what a sleep costs.
_SPINS = 2000
#: The same where threads share processors: the one waited for may need this very one.
_SPINS_CROWDED = 20


class Pool:
    """The workers of this process."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.workers: list[threading.Thread] = []
        self.closed = False
        self._driver: Driver | None = None
        memory = ctypes.create_string_buffer(BARRIER_BYTES + MOST_THREADS * BOX_BYTES + 64)
        self._memory = memory
        self._barrier = -(-ctypes.addressof(memory) // 64) * 64
        self._boxes = self._barrier + BARRIER_BYTES

    def run(self, driver: Driver, steps: int, count: int, parts: int) -> bool:
        """Run `count` steps in `parts` parts at once. False, and nothing done, if that cannot be.

        Not while another run has the workers, nor where no thread can be started.
        """
        if not self.busy.acquire(blocking=False):
            return False
        try:
            if self.closed or not driver.sleeps or not self._start(driver, parts - 1):
                return False
            driver.launch(self._boxes, steps, count, parts, self._barrier)
            return True
        finally:
            self.busy.release()

    def close(self) -> None:
        """End the workers: the code they sleep in is about to go."""
        with self.busy:
            self.closed = True
            if self._driver is not None:
                for i in range(len(self.workers)):
                    self._driver.stop(self._boxes + i * BOX_BYTES)
            for worker in self.workers:
                worker.join(1.0)
            self.workers.clear()

    def _start(self, driver: Driver, wanted: int) -> bool:
        if len(self.workers) >= wanted:
            return True
        self._driver = driver
        spins = _SPINS if wanted < available_processors() else _SPINS_CROWDED
        ctypes.c_int32.from_address(self._barrier + BARRIER_SPINS).value = spins
        while len(self.workers) < wanted:
            number = len(self.workers)
            box = self._boxes + number * BOX_BYTES
            ctypes.c_int32.from_address(box + BOX_SPINS).value = spins
            worker = threading.Thread(
                target=driver.work, args=(box,), name=f"graphcnn-{number + 1}", daemon=True
            )
            try:
                worker.start()
            except RuntimeError:  # too many threads, or the interpreter is about to end
                return False
            self.workers.append(worker)
        return True


_pool: Pool | None = None
_making = threading.Lock()


def pool() -> Pool:
    """The pool of this process."""
    global _pool
    if _pool is None:
        with _making:
            if _pool is None:
                _pool = Pool()
                atexit.register(_pool.close)
    return _pool


def run_steps(driver: Driver, steps: int, count: int, parts: int) -> None:
    """Run `count` steps from the address `steps`, in `parts` parts at once where that can be."""
    if parts == 1 or not pool().run(driver, steps, count, parts):
        driver.run(steps, count, 0, 1, 0)


def _forget() -> None:
    """In a forked child: the workers stayed behind."""
    global _pool, _making
    if _pool is not None:
        atexit.unregister(_pool.close)
    _pool, _making = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
