"""Files with one recurrent node, with random weights."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}


def recurrent_model(
    op,
    direction="forward",
    steps=5,
    features=3,
    units=4,
    *,
    bias=True,
    start=False,
    lengths=False,
    peepholes=False,
    layout=0,
    opset=17,
    drop=(),
    given=None,
    seed=0,
    **attributes,
):
    """X (T, N, F), or (N, T, F), and where they are asked for `lengths` (N), `h` and `c` as inputs.

    `given` replaces initializers by name, `drop` leaves them out.
    """
    rng, ways = np.random.default_rng(seed), 2 if direction == "bidirectional" else 1
    size = GATES[op] * units

    def some(*shape):
        return rng.normal(size=shape, scale=0.6).astype("f")

    arrays = {"W": some(ways, size, features), "R": some(ways, size, units)}
    arrays["B"] = some(ways, 2 * size)
    arrays["P"] = some(ways, 3 * units)
    arrays |= given or {}
    names = ["X", "W", "R", "B" if bias else "", "lengths" if lengths else ""]
    names += ["h" if start else ""]
    if op == "LSTM":
        names += ["c" if start else "", "P" if peepholes else ""]
    names = ["" if name in drop else name for name in names]
    shape = ["N", steps, features] if layout else [steps, "N", features]
    state = ["N", ways, units] if layout else [ways, "N", units]
    inputs = {"X": (TensorProto.FLOAT, shape), "lengths": (TensorProto.INT32, ["N"])}
    inputs |= {name: (TensorProto.FLOAT, state) for name in "hc"}
    outputs = ["Y", "Y_h", "Y_c"][: 1 + STATES[op]]
    if layout:
        attributes["layout"] = layout
    node = helper.make_node(
        op, names, outputs, "cell", hidden_size=units, direction=direction, **attributes
    )
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info(n, *inputs[n]) for n in names if n in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(arrays[n], n) for n in names if n in arrays],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def feeds(model, items, seed=1):
    """Numbers for its inputs."""
    rng, found = np.random.default_rng(seed), {}
    for value in model.graph.input:
        tensor = value.type.tensor_type
        shape = [d.dim_value or items for d in tensor.shape.dim]
        if value.name == "lengths":
            steps = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
            found[value.name] = np.array([steps, *rng.integers(1, steps, items - 1)], np.int32)
        else:
            found[value.name] = rng.normal(size=shape).astype("f")
    return found


def open_shapes(model):
    """Its inputs with N items, as they declare them."""
    return {
        v.name: tuple(d.dim_value or "N" for d in v.type.tensor_type.shape.dim)
        for v in model.graph.input
    }
