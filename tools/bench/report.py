"""Run the benchmark and tell the result: a table for people, JSON for machines."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphcnn.errors import GraphCnnError
from graphcnn.tools.bench.cases import Case, Contender, Unavailable, make_cases
from graphcnn.tools.bench.ours import graphcnn_contender
from graphcnn.tools.bench.peers import available_peers
from graphcnn.tools.bench.timing import Run, Timing, race, ratio

OURS = "graphcnn"


@dataclass
class Result:
    """One case: milliseconds per call (median over the rounds) of each contender."""

    net: str
    work: str
    batch: int
    threads: int
    milliseconds: dict[str, float]
    ratio: float | None
    skipped: dict[str, str] = field(default_factory=dict)


def run_case(case: Case, contenders: Mapping[str, Contender], rounds: int) -> Result:
    """Prepare and race all contenders that can do this case."""
    runs: dict[str, Run] = {}
    skipped: dict[str, str] = {}
    for name, prepare in contenders.items():
        try:
            runs[name] = prepare(case)
            runs[name]()
        except Unavailable as reason:
            skipped[name] = str(reason)
        except Exception as error:  # a peer that fails must not end the whole run
            runs.pop(name, None)
            skipped[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    times: dict[str, Timing] = race(runs, rounds)
    peers = [t for name, t in times.items() if name != OURS]
    ours = times.get(OURS)
    return Result(
        case.net,
        case.work,
        case.batch,
        case.threads,
        {name: 1e3 * t.median for name, t in times.items()},
        ratio(ours, peers) if ours and peers else None,
        skipped,
    )


def run_here(
    nets: tuple[str, ...],
    work: tuple[str, ...],
    threads: int,
    peers: bool,
    rounds: int,
    runtime: str,
) -> list[Result]:
    """All cases in this process, with `threads` threads for everybody."""
    contenders = {OURS: graphcnn_contender(runtime), **(available_peers() if peers else {})}
    return [run_case(case, contenders, rounds) for case in make_cases(nets, work, threads)]


def run_apart(arguments: list[str], threads: int) -> list[Result]:
    """The same in a process of its own, because libraries fix their threads when they start."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    command = [sys.executable, "-m", "graphcnn.tools.bench.worker", *arguments, str(threads)]
    done = subprocess.run(command, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise GraphCnnError(f"the benchmark with {threads} thread(s) ended with {done.returncode}")
    return [Result(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def to_json(results: list[Result]) -> str:
    """All numbers, with the machine that made them."""
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    return json.dumps({"machine": machine, "results": [vars(r) for r in results]}, indent=1)


def table(results: list[Result]) -> str:
    """Milliseconds per call, and the ratio of the fastest peer to us (above 1 we are faster)."""
    names = list(dict.fromkeys(name for r in results for name in r.milliseconds))
    head = ["case", "threads", *names, "ratio"]
    rows = [head]
    for r in results:
        cells = [f"{r.milliseconds[n]:.3f}" if n in r.milliseconds else "-" for n in names]
        speed = f"{r.ratio:.2f}" if r.ratio is not None else "-"
        rows.append([f"{r.net} {r.work} {r.batch}", str(r.threads), *cells, speed])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    skipped = {
        f"{n}: {why}" for r in results for n, why in r.skipped.items() if why != "inference only"
    }
    return "\n".join(["milliseconds per call", *lines, *sorted(skipped)])
