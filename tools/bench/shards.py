"""What it costs to cut a batch: a training step of it in parts, beside the step of the whole."""

from collections.abc import Callable, Iterator

import graphcnn as cnn
from graphcnn.models import build
from graphcnn.tools.bench.cases import OPTIMIZER, Case, Options, make_cases
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

SHARDS = 4


def contests(options: Options, threads: int) -> Iterator[tuple[Case, dict[str, Callable[[], Run]]]]:
    """For each network the case, and who does it: in parts, and whole."""
    for case in make_cases(options.nets, ("train",), threads):
        for precision in options.precisions:
            yield (
                case,
                {
                    our_name(precision): lambda c=case, p=precision: _steps(c, options, p, SHARDS),  # type: ignore[misc]
                    "whole": lambda c=case, p=precision: _steps(c, options, p, 1),  # type: ignore[misc]
                },
            )


def _steps(case: Case, options: Options, precision: str, shards: int) -> Run:
    session = cnn.Session(
        build(case.net).initialize(0), optimizer=OPTIMIZER, shards=shards, runtime=options.runtime,
        threads=case.threads, precision=precision, tune=options.tune,
    )  # fmt: skip
    return lambda: session.step(case.images, case.labels)
