"""Bounds on time that hold on slow machines too: counted in the time of a piece of Python."""

import time
from collections.abc import Callable


def best(action: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of several runs, so that a busy machine is not a failure."""
    found = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        action()
        found = min(found, time.perf_counter() - start)
    return found


def unit() -> float:
    """Seconds that this machine takes for a thousand turns of a loop, now: some 30 µs on a server
    of 2024. Bounds in units are loose enough for every machine whose Python is not emulated."""
    return best(lambda: [i * i for i in range(1000)], 50)
