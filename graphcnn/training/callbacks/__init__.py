"""Callbacks for `fit`: ready ones, and `Watcher`, the base of one's own.

    model.fit(train, validation=0.1, epochs=50, callbacks=[
        cnn.callbacks.ReduceOnPlateau(patience=3),
        cnn.callbacks.CSV("run.csv"),
    ])

All of them go on exactly where a run was stopped: what they remember is in its checkpoint.
"""

from graphcnn.training.callbacks.checkpoints import Checkpoints
from graphcnn.training.callbacks.drawn import Drawn
from graphcnn.training.callbacks.nan_guard import NaNGuard
from graphcnn.training.callbacks.plateau import ReduceOnPlateau
from graphcnn.training.callbacks.tables import CSV, JSONL
from graphcnn.training.callbacks.tensorboard import TensorBoard
from graphcnn.training.layer_norms import LayerNorms
from graphcnn.training.progress import Bar, Lines
from graphcnn.training.run import Run, Watcher
from graphcnn.training.stopping import EarlyStopping, MaxSteps, Timer
from graphcnn.training.watchers import Function

__all__ = [
    "CSV",
    "JSONL",
    "Bar",
    "Checkpoints",
    "Drawn",
    "EarlyStopping",
    "Function",
    "LayerNorms",
    "Lines",
    "MaxSteps",
    "NaNGuard",
    "ReduceOnPlateau",
    "Run",
    "TensorBoard",
    "Timer",
    "Watcher",
]
