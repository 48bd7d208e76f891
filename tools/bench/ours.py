"""Our own contenders: a training step and a prediction, by runtime and precision."""

from collections.abc import Callable

from graphcnn.tools.bench.cases import OPTIMIZER, Case, Contender, Options
from graphcnn.training.session import Session

OURS = "graphcnn"


def our_name(precision: str) -> str:
    """How we are called in tables: the precision is told where it is not "fast"."""
    return OURS if precision == "fast" else f"{OURS} {precision}"


def graphcnn_contender(options: Options, precision: str) -> Contender:
    """Our runtime, from NumPy array to NumPy array."""

    def prepare(case: Case) -> Callable[[], object]:
        if case.work != "train":
            name = case.model.graph.inputs[0].node.name
            runner = case.model.runner(options.runtime, case.threads, precision, options.tune)
            return lambda: runner.run({name: case.images}, case.model.states)
        session = Session(
            case.model,
            optimizer=OPTIMIZER,
            runtime=options.runtime,
            threads=case.threads,
            precision=precision,
            tune=options.tune,
        )
        return lambda: session.step(case.images, case.labels)

    return prepare


def our_contenders(options: Options) -> dict[str, Contender]:
    """One for each precision."""
    return {our_name(p): graphcnn_contender(options, p) for p in options.precisions}
