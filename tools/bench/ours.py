"""Our own contenders: a training step and a prediction, by runtime."""

from collections.abc import Callable

from graphcnn.session import Session
from graphcnn.tools.bench.cases import OPTIMIZER, Case, Contender


def graphcnn_contender(runtime: str) -> Contender:
    """Our runtime of that name, from NumPy array to NumPy array."""

    def prepare(case: Case) -> Callable[[], object]:
        if case.work != "train":
            name = case.model.graph.inputs[0].node.name
            runner = case.model.runner(runtime, case.threads)
            return lambda: runner.run({name: case.images}, case.model.states)
        session = Session(case.model, optimizer=OPTIMIZER, runtime=runtime, threads=case.threads)
        return lambda: session.step(case.images, case.labels)

    return prepare
