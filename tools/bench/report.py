"""Run the benchmark and tell the result: tables for people, JSON for machines."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from graphcnn.errors import GraphCnnError
from graphcnn.tools.bench.cases import (
    ACCURACY,
    LOSS,
    NETS,
    Case,
    Contender,
    Options,
    Unavailable,
    light_cases,
    make_cases,
)
from graphcnn.tools.bench.ours import OURS, our_contenders
from graphcnn.tools.bench.peers import available_peers
from graphcnn.tools.bench.timing import Run, Timing, race, ratio

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture

#: Kinds of cases, with the title of their table.
CASES = {
    "nets": "milliseconds per call",
    "lens": "milliseconds for an attribution, or for the images of 64 filters",
    "augment": "milliseconds for a training step with augmentation, and to draw a batch",
    "shards": "milliseconds for a training step in 4 shards, and of the whole batch",
    "lstm": "milliseconds for 32 steps of an LSTM, 128 numbers to 256 units",
    "draw": "milliseconds for a training step of networks that draw, and of a PixelCNN to draw 16 "
    "images of 14×14",
    "light": "imported ONNX networks, milliseconds per image",
    "epoch": "seconds for an epoch of MNIST, from the files on",
    "cifar": "seconds to train on CIFAR-10 by the recipe cifar10, compilation included",
    "web": "milliseconds per image as WebAssembly in Node, one thread",
    "embedded": "a run on a Cortex-M4 in QEMU: thousands of instructions, kB of memory (arena and "
    "stack) and of code with weights",
    "memory": "MiB at the peak, the whole process",
    "compile": "seconds to import the package, and to compile a training step, loading LLVM "
    "and the native runtime included (load: this part)",
}


@dataclass
class Result:
    """One row: medians over the rounds by contender.

    `ratios` has for each of our own the number of the best peer divided by ours, above 1 where we
    are better. `skipped` says why others are missing, `told` what else there is to say, and
    `curves` has loss and accuracy over the minutes, by contender.
    """

    case: str
    net: str
    work: str
    batch: int
    threads: int
    unit: str
    values: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)

    def take(self, found: Mapping[str, Timing], scale: float = 1.0) -> "Result":
        """Fill in values and ratios."""
        self.values = {name: scale * t.median for name, t in found.items()}
        peers = [t for name, t in found.items() if not name.startswith(OURS)]
        if peers:
            ours = {name: t for name, t in found.items() if name.startswith(OURS)}
            self.ratios = {name: ratio(t, peers) for name, t in ours.items()}
        return self

    def prepared(self, make: Mapping[str, Callable[[], Run]]) -> dict[str, Run]:
        """The functions to time, each called once; who cannot do it is skipped."""
        runs: dict[str, Run] = {}
        for name, prepare in make.items():
            try:
                run = prepare()
                run()
                runs[name] = run
            except Unavailable as reason:
                self.skipped[name] = str(reason)
            except Exception as error:  # a peer that fails must not end the whole run
                self.skipped[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return runs


def run_case(kind: str, case: Case, contenders: Mapping[str, Contender], rounds: int) -> Result:
    """Prepare and race all contenders that can do this case."""
    result = Result(kind, case.net, case.work, case.batch, case.threads, "ms")
    make = {name: lambda p=prepare: p(case) for name, prepare in contenders.items()}
    return result.take(race(result.prepared(make), rounds), 1e3)


def run_epoch(options: Options, threads: int) -> Result:
    """The loops over MNIST, at most three rounds: each takes seconds."""
    from graphcnn.tools.bench.epoch import BATCH, NET, epochs

    result = Result("epoch", NET, "epoch", BATCH, threads, "s")
    if not options.data.startswith("mnist:"):
        result.skipped["epoch"] = "needs --data mnist:FOLDER"
        return result
    runs = result.prepared(epochs(options, threads))
    return result.take(race(runs, min(options.rounds, 3), seconds=0.0))


def run_cifar(options: Options, threads: int) -> Result:
    """The recipe `cifar10`, one contender after the other."""
    from graphcnn.tools.bench.cifar import Race, contenders, told

    result = Result("cifar", "cifar_fast", "train", 0, threads, "s")
    if not options.data.startswith("cifar10:"):
        result.skipped["cifar"] = "needs --data cifar10:FILE"
        return result
    race = Race(options)
    result.batch = race.size
    runs = {name: run() for name, run in contenders(options, threads, race).items()}
    result.told = told(runs, race)
    result.curves = {name: {"rows": r.rows, "minutes": r.minutes} for name, r in runs.items()}
    return result.take({name: Timing((r.seconds,)) for name, r in runs.items()})


def run_lens(options: Options, threads: int) -> Iterator[Result]:
    """Attributions of one image, and a search."""
    from graphcnn.tools.bench.lens import contests

    for net, work, batch, make in contests(options, threads):
        result = Result("lens", net, work, batch, threads, "ms")
        yield result.take(race(result.prepared(make), options.rounds), 1e3)


def run_augment(options: Options, threads: int, width: int = 64) -> Iterator[Result]:
    """Steps with augmentation and without, and batches alone."""
    from graphcnn.tools.bench.augment import BATCH, contests

    for net, work, make in contests(options, threads, width):
        result = Result("augment", net, work, BATCH, threads, "ms")
        yield result.take(race(result.prepared(make), options.rounds), 1e3)


def run_shards(options: Options, threads: int) -> Iterator[Result]:
    """Steps of a batch in parts, and whole."""
    from graphcnn.tools.bench.shards import contests

    for case, make in contests(options, threads):
        result = Result("shards", case.net, "train", case.batch, threads, "ms")
        yield result.take(race(result.prepared(make), options.rounds), 1e3)


def run_lstm(options: Options, threads: int) -> Iterator[Result]:
    """An LSTM forward, and its training step."""
    from graphcnn.tools.bench.lstm import BATCH, NET, contests

    for work, make in contests(options, threads):
        result = Result("lstm", NET, work, BATCH, threads, "ms")
        yield result.take(race(result.prepared(make), options.rounds), 1e3)


def run_draw(options: Options, threads: int) -> Iterator[Result]:
    """A PixelCNN drawing, and training steps of networks that draw."""
    from graphcnn.tools.bench.draw import BATCHES, contests

    for net, work, make in contests(options, threads):
        result = Result("draw", net, work, BATCHES[net], threads, "ms")
        yield result.take(race(result.prepared(make), options.rounds), 1e3)


def run_web(options: Options) -> Iterator[Result]:
    """Single images as WebAssembly."""
    from graphcnn.tools.bench.web import contests

    try:
        for net, taken, told in contests(options):
            result = Result("web", net, "single", 1, 1, "ms", told=[told])
            yield result.take(taken, 1e3)
    except Unavailable as reason:
        yield Result("web", "", "single", 1, 1, "ms", skipped={"web": str(reason)})


def run_embedded(options: Options) -> Iterator[Result]:
    """Single images on a microcontroller."""
    from graphcnn.tools.bench.embedded import contests, timings

    try:
        for net, found in contests(options):
            for what, unit, numbers in timings(found):
                yield Result("embedded", net, what, 1, 1, unit).take(numbers)
    except Unavailable as reason:
        yield Result("embedded", "", "single", 1, 1, "", skipped={"embedded": str(reason)})


def run_here(options: Options, threads: int) -> Iterator[Result]:
    """All cases in this process (but for what needs its own), with `threads` for everybody."""
    from graphcnn.tools.bench import processes

    peers = available_peers() if options.peers else {}
    contenders = {**our_contenders(options), **peers}
    if "nets" in options.cases:
        for case in make_cases(options.nets, options.work, threads):
            yield run_case("nets", case, contenders, options.rounds)
    if "lens" in options.cases:
        yield from run_lens(options, threads)
    if "augment" in options.cases:
        yield from run_augment(options, threads)
    if "shards" in options.cases:
        yield from run_shards(options, threads)
    if "lstm" in options.cases:
        yield from run_lstm(options, threads)
    if "draw" in options.cases:
        yield from run_draw(options, threads)
    if "light" in options.cases:
        for case in light_cases(threads):
            yield run_case("light", case, contenders, options.rounds)
    if "epoch" in options.cases:
        yield run_epoch(options, threads)
    if "cifar" in options.cases:
        yield run_cifar(options, threads)
    if "web" in options.cases and threads == 1:
        yield from run_web(options)
    if "embedded" in options.cases and threads == 1:
        yield from run_embedded(options)
    if "memory" in options.cases:
        result = Result("memory", "resnet18", "train", NETS["resnet18"], threads, "MiB")
        yield result.take(processes.memory(options, threads))
    for net in options.nets if "compile" in options.cases else ():
        result = Result("compile", net, "train", NETS[net], threads, "s")
        result.values = {
            name: t.median for name, t in processes.compilation(options, net, threads).items()
        }
        yield result


def run_apart(options: Options, threads: int) -> list[Result]:
    """The same in a process of its own, because libraries fix their threads when they start."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    command = [sys.executable, "-m", "graphcnn.tools.bench.worker", str(threads)]
    done = subprocess.run(
        command, env=environment, check=False, input=json.dumps(asdict(options)), text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
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
    """A table for each kind of case: the numbers, and the ratio of the best peer to us."""
    kinds = dict.fromkeys(r.case for r in results)
    return "\n\n".join(
        "\n".join([CASES[kind], *_lines([r for r in results if r.case == kind])]) for kind in kinds
    )


def _lines(results: list[Result]) -> Iterator[str]:
    names = list(dict.fromkeys(name for r in results for name in r.values))
    ours = list(dict.fromkeys(name for r in results for name in r.ratios))
    ratios = [f"ratio{name.removeprefix(OURS)}" for name in ours]
    rows = [["case", "threads", *names, *ratios]]
    for r in results:
        cells = [f"{r.values[n]:.3f}" if n in r.values else "-" for n in names]
        better = [f"{r.ratios[n]:.2f}" if n in r.ratios else "-" for n in ours]
        rows.append([f"{r.net} {r.work} {r.batch}", str(r.threads), *cells, *better])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    told = {f"{n}: {why}" for r in results for n, why in r.skipped.items() if why not in EXPECTED}
    yield from sorted(told)
    yield from (line for r in results for line in r.told)


def curves(results: list[Result]) -> "Picture | None":
    """Loss and accuracy of all that trained, over the minutes; None where nobody did."""
    from graphcnn.pictures import runs_picture

    found = {
        name if len(results) == 1 else f"{name}, {r.threads} threads": each
        for r in results
        for name, each in r.curves.items()
    }
    if not found:
        return None
    return runs_picture(
        {name: each["rows"] for name, each in found.items()},
        measures=(LOSS, ACCURACY),
        at={name: each["minutes"] for name, each in found.items()},
        unit="minutes",
        title="the recipe cifar10",
    )


#: What a dash in the table says well enough.
EXPECTED = ("inference only", "reads no ONNX files")
