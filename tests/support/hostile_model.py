"""An ONNX file whose names are markup, commands of other languages and control characters."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SCRIPT = "<script>alert(1)</script>"
NAMES = (
    SCRIPT,
    "\"'&><b onload=x>",
    "]]>--><!-- {{x}} ${y} `z` </style></title>",
    "a\nb\r\tc\x1b[31m\x07\x00",
    "\\input{/etc/passwd}%$#_^~",
    ")\\(/URI(javascript:x)>> endstream",
    "\u202egnp\u2066\u2028",
    "x" * 300,
)


def hostile_model():
    """x (N, 2, 8, 8) to (N, 3), every name hostile."""
    w = numpy_helper.from_array(np.full((4, 2, 3, 3), 0.1, np.float32), "w" + NAMES[1])
    b = numpy_helper.from_array(np.full((3, 64), 0.1, np.float32), "f" + NAMES[4])
    steps = [
        ("Conv", [w.name], {"pads": [1, 1, 1, 1]}),
        ("Relu", [], {}),
        ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Sigmoid", [], {}),
        ("Flatten", [], {}),
        ("Gemm", [b.name], {"transB": 1}),
        ("Relu", [], {}),
        ("Softmax", [], {"axis": 1}),
    ]
    nodes, at = [], NAMES[0]
    for name, (op, more, attributes) in zip(NAMES, steps, strict=True):
        nodes.append(
            helper.make_node(
                op, [at, *more], [f"v{name}"], f"n{name}", doc_string=name, **attributes
            )
        )
        at = f"v{name}"
    image = helper.make_tensor_value_info(NAMES[0], TensorProto.FLOAT, ["N", 2, 8, 8])
    y = helper.make_tensor_value_info(at, TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "".join(NAMES), [image], [y], [w, b])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, ir_version=8, opset_imports=opsets, producer_name="graphcnn")
    model.metadata_props.add(key="classes", value='["<script>\\u001b[31m", "b\\n", "c"]')
    return model
