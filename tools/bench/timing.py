"""Paired timing: in every round each contender has its turn, so that noise meets all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Run = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one contender, one number per round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def calls_for(run: Run, seconds: float) -> int:
    """How many calls fill `seconds`, at least one. Warms up on the way; not for 0 seconds."""
    if not seconds:
        return 1
    run()
    start = time.perf_counter()
    run()
    once = max(1e-7, time.perf_counter() - start)
    return max(1, int(seconds / once))


def race(runs: Mapping[str, Run], rounds: int = 9, seconds: float = 0.1) -> dict[str, Timing]:
    """Time all contenders in turns of about `seconds` each.

    A turn begins with a call that is not timed, unless `seconds` is 0: meanwhile the threads of
    the contender before, which may still spin for work, come to rest.
    """
    calls = {name: calls_for(run, seconds) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            if seconds:
                run()
            start = time.perf_counter()
            for _ in range(calls[name]):
                run()
            taken[name].append((time.perf_counter() - start) / calls[name])
    return {name: Timing(tuple(times)) for name, times in taken.items()}


def ratio(ours: Timing, theirs: list[Timing]) -> float:
    """Median over the rounds of (fastest peer by its median) / ours; above 1 we are faster."""
    best = min(theirs, key=lambda t: t.median)
    pairs = zip(best.rounds, ours.rounds, strict=True)
    return statistics.median(peer / mine for peer, mine in pairs)
