"""What becomes of averaged weights at the end of a run."""

from graphcnn.data.streams import Stream
from graphcnn.learning.optimizers import SWA, Optimizer
from graphcnn.learning.optimizers.several import Optimizers
from graphcnn.learning.optimizers.wrapper import Wrapper
from graphcnn.ops.norm import BatchNorm
from graphcnn.training.run import INTERRUPTED, Run, Watcher
from graphcnn.training.transfer.recalibration import recalibrate


class Averages(Watcher):
    """Gives the model the averaged weights of its optimiser at the end, unless the run was
    interrupted or failed. After `SWA`, whose mean is far from the last weights, the running
    statistics of batch normalisations are estimated anew over the training data, as they are; of a
    rehearsal over the first few, as many as were `rehearsed`."""

    def __init__(self, rehearsed: int = 0) -> None:
        self.rehearsed = rehearsed

    def end(self, run: Run) -> None:
        averaged = run.session.averaged()
        if averaged is None or run.ended in ("", INTERRUPTED):
            return
        run.model.update_states(averaged)
        normed = any(isinstance(n.op, BatchNorm) for n in run.model.graph.nodes)
        if normed and _is_stochastic(run.session.optimizer):
            data = run.data
            if self.rehearsed and not isinstance(data, Stream):  # a stream is cut already
                data = data[: self.rehearsed * run.batch_size]
            recalibrate(run.model, data, execution=run.session.execution)


def _is_stochastic(optimizer: Optimizer) -> bool:
    """Whether an average is that of SWA."""
    if isinstance(optimizer, Optimizers):
        return any(_is_stochastic(each) for _, each in optimizer.pairs)
    while isinstance(optimizer, Wrapper):
        if isinstance(optimizer, SWA):
            return True
        optimizer = optimizer.optimizer
    return False
