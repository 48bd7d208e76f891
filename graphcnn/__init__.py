"""graphcnn: a compiler and runtime for convolutional networks; `import graphcnn as cnn`.

    image = cnn.input("image", (1, 28, 28))
    x = cnn.max_pool2d(cnn.conv2d(image, 8, 3, activation="relu"), 2)
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 10))

"Convolution" is cross-correlation, as everywhere in deep learning, unless flip_kernel=True."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn import data
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import (
    CheckpointWarning,
    DataError,
    DataWarning,
    ExportError,
    GradientError,
    GraphCnnError,
    GraphCnnWarning,
    GraphError,
    LensError,
    MissingExtraError,
    OperatorError,
    OutOfMemoryError,
    OutputError,
    TrainingError,
    TrainingWarning,
    VerifyError,
    WeightsError,
)
from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import (
    Constant,
    He,
    Identity,
    Initializer,
    LeCun,
    Normal,
    Orthogonal,
    Xavier,
)
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.language.activations import (
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    log_softmax,
    mish,
    prelu,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from graphcnn.language.arguments import scope
from graphcnn.language.bits import bit_and, bit_or, bit_shift, bit_xor
from graphcnn.language.conv import conv2d, conv_transpose2d
from graphcnn.language.dense import dense, matmul
from graphcnn.language.draws import bernoulli, categorical, normal
from graphcnn.language.elementwise import (
    abs,
    add,
    atan,
    cast,
    ceil,
    clip,
    cos,
    div,
    equal,
    erf,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    quotient,
    remainder,
    round,
    sign,
    sin,
    sqrt,
    sub,
    where,
)
from graphcnn.language.image import (
    depth_to_space,
    pad2d,
    pixel_shuffle,
    space_to_depth,
    upsample2d,
    zero_insert2d,
)
from graphcnn.language.loops import ctc_loss, gru, lstm, rnn, scan
from graphcnn.language.loss import binary_cross_entropy, cross_entropy, l1, mse
from graphcnn.language.metrics import accuracy, top_k_accuracy
from graphcnn.language.norm import batch_norm, dropout, group_norm, instance_norm, layer_norm
from graphcnn.language.own_operators import Operator, operator
from graphcnn.language.pool import avg_pool2d, global_avg_pool2d, max_pool2d, max_unpool2d
from graphcnn.language.reduce import argmax, max, mean, prod, sum
from graphcnn.language.selection import gather, scatter, top_k
from graphcnn.language.shape import (
    concat,
    flatten,
    one_hot,
    reshape,
    slice,
    split,
    stop_gradient,
    transpose,
)
from graphcnn.language.sources import (
    constant,
    input,
    parameter,
    random_normal,
    random_uniform,
    zeros,
)
from graphcnn.learning import losses, metrics, optimizers, penalties, schedules
from graphcnn.learning.goals import Goal
from graphcnn.learning.optimizers import SGD, Optimizer
from graphcnn.learning.sequences import ctc_greedy
from graphcnn.model import Model, import_onnx, load
from graphcnn.network.whitening import whiten
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.passes.training import backward_rules
from graphcnn.passes.training.backward import gradients
from graphcnn.text.parse import parse_graph
from graphcnn.training.layer_norms import LayerNorms
from graphcnn.training.lr_find import lr_find
from graphcnn.training.minimise import minimise
from graphcnn.training.run import Watcher
from graphcnn.training.session import Session
from graphcnn.training.stopping import EarlyStopping
from graphcnn.training.transfer.transferable import replace_head

if TYPE_CHECKING:
    from graphcnn.doctor.diagnose import diagnose
    from graphcnn.exchange.check import Check
    from graphcnn.learning.optimizers import (
        EMA,
        LAMB,
        SWA,
        Adadelta,
        Adagrad,
        Adam,
        AdamW,
        Lion,
        Lookahead,
        Muon,
        Optimizers,
        RMSProp,
    )

__version__ = "0.1.0"


def check_onnx(
    source: str | Path | bytes, inputs: Mapping[str, Any] | None = None, **options: Any
) -> "Check":
    """Compare an ONNX model with ONNX Runtime. See `graphcnn.exchange.check.check_onnx`."""
    from graphcnn.exchange.check import check_onnx as check  # loads the onnx package

    return check(source, inputs, **options)


#: Packages that are loaded at first use.
_LATER = {"augment": "graphcnn.data.augment", "callbacks": "graphcnn.training.callbacks",
          "distributions": "graphcnn.learning.distributions",
          "goals": "graphcnn.passes.training.named_goals", "models": "graphcnn.models",
          "samplers": "graphcnn.learning.samplers", "sklearn": "graphcnn.sklearn",
          "testing": "graphcnn.testing"}  # fmt: skip

#: Optimisers that are, too.
_OPTIMIZERS = {"EMA", "LAMB", "SWA", "Adadelta", "Adagrad", "Adam", "AdamW", "Lion", "Lookahead",
               "Muon", "Optimizers", "RMSProp"}  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is loaded at first use: `models` is written as users write networks."""
    if name in _LATER:
        return import_module(_LATER[name])
    if name in _OPTIMIZERS:
        return getattr(optimizers, name)
    if name == "diagnose":
        return import_module("graphcnn.doctor.diagnose").diagnose
    raise AttributeError(f"module 'graphcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """With what is loaded later: for those who press Tab."""
    return sorted({*globals(), *__all__, *_LATER})


__all__ = [
    "EMA",
    "LAMB",
    "SGD",
    "SWA",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "CheckpointWarning",
    "Constant",
    "DType",
    "DataError",
    "DataWarning",
    "EarlyStopping",
    "ExportError",
    "Goal",
    "GradientError",
    "Graph",
    "GraphCnnError",
    "GraphCnnWarning",
    "GraphError",
    "He",
    "Identity",
    "Initializer",
    "LayerNorms",
    "LeCun",
    "LensError",
    "Limits",
    "Lion",
    "Lookahead",
    "MissingExtraError",
    "Model",
    "Muon",
    "N",
    "Normal",
    "Normalisation",
    "Operator",
    "OperatorError",
    "Optimizer",
    "Optimizers",
    "Orthogonal",
    "OutOfMemoryError",
    "OutputError",
    "RMSProp",
    "Session",
    "TensorType",
    "TrainingError",
    "TrainingWarning",
    "Value",
    "VerifyError",
    "Watcher",
    "WeightsError",
    "Xavier",
    "abs",
    "accuracy",
    "add",
    "argmax",
    "atan",
    "augment",
    "avg_pool2d",
    "backward_rules",
    "batch_norm",
    "bernoulli",
    "binary_cross_entropy",
    "bit_and",
    "bit_or",
    "bit_shift",
    "bit_xor",
    "callbacks",
    "cast",
    "categorical",
    "ceil",
    "check_onnx",
    "clip",
    "concat",
    "constant",
    "conv2d",
    "conv_transpose2d",
    "cos",
    "cross_entropy",
    "ctc_greedy",
    "ctc_loss",
    "data",
    "dense",
    "depth_to_space",
    "diagnose",
    "div",
    "dropout",
    "elu",
    "equal",
    "erf",
    "exp",
    "flatten",
    "floor",
    "gather",
    "gelu",
    "global_avg_pool2d",
    "gradients",
    "greater",
    "greater_equal",
    "group_norm",
    "gru",
    "hard_sigmoid",
    "hard_swish",
    "import_onnx",
    "input",
    "instance_norm",
    "l1",
    "layer_norm",
    "leaky_relu",
    "less",
    "less_equal",
    "load",
    "log",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "losses",
    "lr_find",
    "lstm",
    "matmul",
    "max",
    "max_pool2d",
    "max_unpool2d",
    "maximum",
    "mean",
    "metrics",
    "minimise",
    "minimum",
    "mish",
    "models",
    "mse",
    "mul",
    "neg",
    "normal",
    "not_equal",
    "one_hot",
    "operator",
    "optimizers",
    "pad2d",
    "parameter",
    "parse_graph",
    "penalties",
    "pixel_shuffle",
    "pow",
    "prelu",
    "prod",
    "quotient",
    "random_normal",
    "random_uniform",
    "relu",
    "remainder",
    "replace_head",
    "reshape",
    "rnn",
    "round",
    "scan",
    "scatter",
    "schedules",
    "scope",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "slice",
    "softmax",
    "softplus",
    "space_to_depth",
    "split",
    "sqrt",
    "stop_gradient",
    "sub",
    "sum",
    "tanh",
    "testing",
    "top_k",
    "top_k_accuracy",
    "transpose",
    "upsample2d",
    "where",
    "whiten",
    "zero_insert2d",
    "zeros",
]
