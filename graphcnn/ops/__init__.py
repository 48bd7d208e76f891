"""The operators: what each one means. One family per file.

What others do with an operator (native lowering, ONNX, drawing, cost) stands in their registries.
Importing this package fills `graphcnn.ir.OPS`.
"""

from graphcnn.ops import (
    activation,
    bits,
    broadcast,
    comparison,
    conv,
    dense,
    elementwise,
    fused,
    gather,
    integer,
    layout,
    loss,
    norm,
    padding,
    pool,
    random,
    reduce,
    resample,
    shape,
    softmax,
    top_k,
    unpool,
)

__all__ = [
    "activation",
    "bits",
    "broadcast",
    "comparison",
    "conv",
    "dense",
    "elementwise",
    "fused",
    "gather",
    "integer",
    "layout",
    "loss",
    "norm",
    "padding",
    "pool",
    "random",
    "reduce",
    "resample",
    "shape",
    "softmax",
    "top_k",
    "unpool",
]
