"""The operators: what each one means. One family per file.

What others do with an operator (native lowering, ONNX, drawing, cost) stands in their registries.
Importing this package fills `graphcnn.ir.node.OPS`.
"""

from graphcnn.base.modules import import_all

import_all(__name__)
