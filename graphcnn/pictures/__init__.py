"""Pictures of graphs: diagrams, training steps, differences of passes, failures, volumes, memory;
and of results: training curves, tables, ROC, confusion, mistakes.

Each function takes a graph, or arrays, and returns a `Picture`, which is saved by the suffix of its
file. No program and no package is needed, but for PNG files (extra "png").
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from graphcnn.pictures.compare import Difference, graph_changes
    from graphcnn.pictures.diagram import graph_picture
    from graphcnn.pictures.differences import difference_picture, passes_picture
    from graphcnn.pictures.failure import failure_picture
    from graphcnn.pictures.lessons.conv_steps import conv_steps, layer_steps
    from graphcnn.pictures.memory import plan_picture
    from graphcnn.pictures.picture import SUFFIXES, Picture
    from graphcnn.pictures.results.augmented import augmented_picture
    from graphcnn.pictures.results.confusion import confusion_picture
    from graphcnn.pictures.results.curves import curves_picture
    from graphcnn.pictures.results.descent import descent_picture
    from graphcnn.pictures.results.layers import layers_picture
    from graphcnn.pictures.results.mistakes import errors_picture
    from graphcnn.pictures.results.one_batch import one_batch_picture
    from graphcnn.pictures.results.ranks import ranks_picture
    from graphcnn.pictures.results.rates import rates_picture
    from graphcnn.pictures.results.report import report_picture
    from graphcnn.pictures.results.runs import runs_picture
    from graphcnn.pictures.results.signals import signals_picture
    from graphcnn.pictures.results.sweep import sweep_picture
    from graphcnn.pictures.training import training_picture
    from graphcnn.pictures.volume.volume import volume_picture

__all__ = [
    "SUFFIXES",
    "Difference",
    "Picture",
    "augmented_picture",
    "confusion_picture",
    "conv_steps",
    "curves_picture",
    "descent_picture",
    "difference_picture",
    "errors_picture",
    "failure_picture",
    "graph_changes",
    "graph_picture",
    "layer_steps",
    "layers_picture",
    "one_batch_picture",
    "passes_picture",
    "plan_picture",
    "ranks_picture",
    "rates_picture",
    "report_picture",
    "runs_picture",
    "signals_picture",
    "sweep_picture",
    "training_picture",
    "volume_picture",
]

#: Where each is: a picture is loaded when it is first asked for, and no other with it.
_HOMES: Final = {
    "augmented_picture": "results.augmented",
    "confusion_picture": "results.confusion",
    "conv_steps": "lessons.conv_steps",
    "curves_picture": "results.curves",
    "descent_picture": "results.descent",
    "Difference": "compare",
    "difference_picture": "differences",
    "errors_picture": "results.mistakes",
    "failure_picture": "failure",
    "graph_changes": "compare",
    "graph_picture": "diagram",
    "layer_steps": "lessons.conv_steps",
    "layers_picture": "results.layers",
    "one_batch_picture": "results.one_batch",
    "passes_picture": "differences",
    "Picture": "picture",
    "plan_picture": "memory",
    "ranks_picture": "results.ranks",
    "report_picture": "results.report",
    "rates_picture": "results.rates",
    "runs_picture": "results.runs",
    "signals_picture": "results.signals",
    "SUFFIXES": "picture",
    "sweep_picture": "results.sweep",
    "training_picture": "training",
    "volume_picture": "volume.volume",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
