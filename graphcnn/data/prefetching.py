"""Batches drawn on a thread beside the step, in the same order and with the same bits.

A thread goes through the batches of an epoch and lays them into a queue of a few; what it reads
file by file (`each`) is shared out to a pool of threads unless it is quick, and put together in
order. Whoever takes the batches gets the errors, too, and is told which file is being read where
nothing comes for long. All threads end with the epoch, however it ends; one that hangs in a read is
left behind, and keeps no process alive.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from graphcnn.base.config import default_processors
from graphcnn.errors import DataError, DataWarning
from graphcnn.ir.origin import warn

#: Batches that wait, besides the one being drawn and the one being used.
AHEAD = 2
#: Threads that read files, at most: more of them wait for the same disk.
MOST_READERS = 8
#: Seconds without a batch until it is said what is being read, and until a file that does not come
#: is given up.
WARN_AFTER, GIVE_UP_AFTER = 30.0, 600.0
#: Seconds for an item below which handing it to another thread costs more than it gains: threads
#: that decode small pictures wait for the interpreter longer than they decode.
QUICK = 0.5e-3
#: Quick items' worth of time that a thread may have been held up for before that counts.
_ALLOWED = 10
#: Seconds between looks at whether to stop.
_TICK = 0.05
#: Seconds that a thread which is told to stop is waited for.
_FAREWELL = 5.0
_SHOWN = 3

T = TypeVar("T")
R = TypeVar("R")


class _Here(threading.local):
    """Of the thread: for whom it draws, and who reads for it."""

    desk: "_Desk | None" = None
    pool: "_Pool | None" = None


_HERE = _Here()


class _Desk:
    """What the threads of one epoch tell: what each is reading, and what was left out."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reading: dict[int, tuple[str, float]] = {}
        self.left_out: list[str] = []

    def oldest(self) -> tuple[str, float]:
        """What has been read for longest, and for how many seconds; ("", 0) for nothing."""
        found = sorted(self.reading.copy().values(), key=lambda each: each[1])
        return (found[0][0], time.monotonic() - found[0][1]) if found else ("", 0.0)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say what is being read, for when it does not come."""
    desk = _HERE.desk
    if desk is None:
        yield
        return
    desk.reading[threading.get_ident()] = name, time.monotonic()
    try:
        yield
    finally:
        desk.reading.pop(threading.get_ident(), None)


def leave_out(name: str, reason: str) -> None:
    """Say that a file is left out: at the end of the epoch, or now where there is none."""
    if _HERE.desk is None:
        warn_left_out([f"{name}: {reason}"])
    else:
        _HERE.desk.left_out.append(f"{name}: {reason}")


def warn_left_out(reasons: Sequence[str]) -> None:
    """Warn of files that are left out, naming the first."""
    if reasons:
        more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        files = "1 file is" if len(reasons) == 1 else f"{len(reasons)} files are"
        warn(f"{files} left out: {'; '.join(reasons[:_SHOWN])}{more}", DataWarning)


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The results of `function` in order, by the readers of this thread where it has some and the
    items turn out not to be quick.

    Raises the error of the first item that has one.
    """
    pool, results, start = _HERE.pool, list[R](), time.perf_counter()
    for item in items:
        if pool is not None and time.perf_counter() - start > QUICK * (len(results) + _ALLOWED):
            return results + pool.map(function, items[len(results) :])
        results.append(function(item))
    return results


class _Pool:
    """Threads that work for one other. They are ours and not an executor's, which the interpreter
    waits for at its end, also where a file never comes."""

    def __init__(self, count: int, desk: _Desk) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._desk = desk
        self.threads = [
            threading.Thread(target=self._work, name=f"graphcnn-reader-{k}", daemon=True)
            for k in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        _HERE.desk = self._desk
        while (task := self._tasks.get()) is not None:
            task()

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        results: list[Any] = [None] * len(items)
        errors: dict[int, Exception] = {}
        left, done = [len(items)], threading.Event()
        lock = threading.Lock()

        def run(k: int) -> None:
            try:
                if not (self._desk.stop.is_set() or any(at < k for at in errors.copy())):
                    results[k] = function(items[k])
            except Exception as error:
                errors[k] = error
            with lock:
                left[0] -= 1
                if not left[0]:
                    done.set()

        for k in range(len(items)):
            self._tasks.put(lambda k=k: run(k))  # type: ignore[misc]
        while items and not done.wait(_TICK):
            if self._desk.stop.is_set():
                raise _Stopped
        if errors:
            raise errors[min(errors)]
        return results

    def close(self) -> None:
        for _ in self.threads:
            self._tasks.put(None)


class _Stopped(Exception):
    """Nobody wants the rest."""


def readers() -> int:
    """How many threads read files."""
    known = default_processors()
    if known is None:
        affinity = getattr(os, "sched_getaffinity", None)
        known = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(MOST_READERS, known)


class _Beside:
    """Draws on a thread; iterating takes what was drawn."""

    def __init__(self, source: Iterable[Any]) -> None:
        self._source, self._desk = source, _Desk()
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(AHEAD)
        self._pool: _Pool | None = None
        self._thread = threading.Thread(target=self._draw, name="graphcnn-batches", daemon=True)
        self._thread.start()

    def _draw(self) -> None:
        _HERE.desk, _HERE.pool = self._desk, _Pool(readers(), self._desk)
        self._pool = _HERE.pool
        batches = iter(self._source)
        try:
            for batch in batches:
                if not self._put("batch", batch):
                    break
            else:
                self._put("end", None)
        except _Stopped:
            pass
        except BaseException as error:
            self._put("error", error)
        finally:
            with suppress(Exception):  # a generator of the user's, at its end
                getattr(batches, "close", lambda: None)()
            _HERE.pool.close()

    def _put(self, kind: str, what: Any) -> bool:
        """False where nobody wants it."""
        while not self._desk.stop.is_set():
            with suppress(queue.Full):
                self._queue.put((kind, what), timeout=_TICK)
                return True
        return False

    def __iter__(self) -> Iterator[Any]:
        while True:
            kind, what = self._get()
            if kind == "end":
                return
            if kind == "error":
                raise what
            yield what

    def _get(self) -> tuple[str, Any]:
        since, wait = time.monotonic(), WARN_AFTER
        while True:
            with suppress(queue.Empty):
                return self._queue.get(timeout=min(1.0, wait))
            waited = time.monotonic() - since
            name, seconds = self._desk.oldest()
            if name and seconds > GIVE_UP_AFTER:
                raise DataError(f"reading {name} has not ended in {seconds:.0f} s; it is given up")
            if waited > wait:
                what = f"{name} is being read for {seconds:.0f} s" if name else "none is ready"
                warn(f"no batch for {waited:.0f} s: {what}", DataWarning)
                wait *= 4

    def close(self) -> None:
        self._desk.stop.set()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        hurry = time.monotonic() + _FAREWELL
        for thread in (self._thread, *(self._pool.threads if self._pool else ())):
            thread.join(max(0.0, hurry - time.monotonic()))
        warn_left_out(self._desk.left_out)


@contextmanager
def reading_threads() -> Iterator[None]:
    """Let `each` in this block read by several threads; warn at its end of what was left out."""
    before, desk = (_HERE.desk, _HERE.pool), _Desk()
    _HERE.desk, _HERE.pool = desk, _Pool(readers(), desk)
    pool = _HERE.pool
    try:
        yield
    finally:
        _HERE.desk, _HERE.pool = before
        desk.stop.set()
        pool.close()
        for thread in pool.threads:
            thread.join(_FAREWELL)
    warn_left_out(desk.left_out)


@contextmanager
def drawn(batches: Iterable[T], beside: bool) -> Iterator[Iterable[T]]:
    """The batches, drawn on a thread of their own where `beside`; it ends with the block."""
    if not beside:
        try:
            yield batches
        finally:
            getattr(batches, "close", lambda: None)()
        return
    thread = _Beside(batches)
    try:
        yield thread
    finally:
        thread.close()
