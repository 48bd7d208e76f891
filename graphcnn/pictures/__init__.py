"""Pictures of graphs: diagrams, training steps, differences of passes, failures, volumes, memory;
and of results: training curves, confusion, mistakes.

Each function takes a graph, or arrays, and returns a `Picture`, which is saved by the suffix of its
file. No program and no package is needed, but for PNG files (extra "png").
"""

from graphcnn.pictures.compare import Difference, graph_changes
from graphcnn.pictures.diagram import graph_picture
from graphcnn.pictures.differences import difference_picture, passes_picture
from graphcnn.pictures.failure import failure_picture
from graphcnn.pictures.lessons.conv_steps import conv_steps, layer_steps
from graphcnn.pictures.memory import plan_picture
from graphcnn.pictures.picture import SUFFIXES, Picture
from graphcnn.pictures.results.confusion import confusion_picture
from graphcnn.pictures.results.curves import curves_picture
from graphcnn.pictures.results.layers import layers_picture
from graphcnn.pictures.results.mistakes import errors_picture
from graphcnn.pictures.training import training_picture
from graphcnn.pictures.volume.volume import volume_picture

__all__ = [
    "SUFFIXES",
    "Difference",
    "Picture",
    "confusion_picture",
    "conv_steps",
    "curves_picture",
    "difference_picture",
    "errors_picture",
    "failure_picture",
    "graph_changes",
    "graph_picture",
    "layer_steps",
    "layers_picture",
    "passes_picture",
    "plan_picture",
    "training_picture",
    "volume_picture",
]
