"""An LSTM over a batch of sequences, beside PyTorch and ONNX Runtime.

128 numbers at each of 32 steps, 256 units, 32 sequences. "infer" gives what every step shows;
"train" is a step of SGD with momentum on the class that a dense layer says at the end. All have the
same weights and sequences, and go from NumPy array to NumPy array. ONNX Runtime reads the operator
LSTM.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.ir.node import Array
from graphcnn.tools.bench.cases import OPTIMIZER, Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

NET = "lstm"
FEATURES, UNITS, STEPS, BATCH, CLASSES = 128, 256, 32, 32, 10

#: For one kind of work: who does it.
Contest = tuple[str, dict[str, Callable[[], Run]]]


def contests(options: Options, threads: int) -> Iterator[Contest]:
    """Forward, and a training step; peers where they are installed and asked for."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
    labels = rng.integers(0, CLASSES, BATCH)
    for work in (work for work in ("infer", "train") if work in options.work):
        make: dict[str, Callable[[], Run]] = {
            our_name(p): partial(_ours, work, x, labels, options, threads, p)
            for p in options.precisions
        }
        if options.peers and importlib.util.find_spec("torch"):
            make["torch"] = partial(_torch, work, x, labels, threads)
        if options.peers and work == "infer" and importlib.util.find_spec("onnxruntime"):
            make["onnxruntime"] = partial(_onnxruntime, x, threads)
        yield work, make


def model(work: str) -> cnn.Model:
    """The network, with seeded weights."""
    x = cnn.input("x", (STEPS, FEATURES))
    ys, (h, _) = cnn.lstm(x, UNITS, name="lstm")
    found = cnn.Model(x, ys if work == "infer" else cnn.dense(h, CLASSES, name="out"), NET)
    return found.initialize(0)


def _ours(
    work: str, x: Array, labels: Array, options: Options, threads: int, precision: str
) -> Run:
    execution: dict[str, Any] = {
        "runtime": options.runtime, "threads": threads, "precision": precision,
    }  # fmt: skip
    if work == "train":
        session = cnn.Session(model(work), optimizer=OPTIMIZER, tune=options.tune, **execution)
        return lambda: session.step(x, labels)
    net = model(work)
    runner = net.runner(options.runtime, threads, precision, options.tune)
    return lambda: runner.run({"x": x}, net.states)


def _torch(work: str, x: Array, labels: Array, threads: int) -> Run:
    """`torch.nn.LSTM`, whose second bias is 0."""
    import torch

    torch.set_num_threads(threads)
    states = {key: torch.from_numpy(np.array(a)) for key, a in model(work).states.items()}
    lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True)
    out = torch.nn.Linear(UNITS, CLASSES)
    given = {
        "weight_ih_l0": states["lstm.input.weight"],
        "weight_hh_l0": states["lstm.recurrent.weight"],
        "bias_ih_l0": states["lstm.input.bias"],
        "bias_hh_l0": torch.zeros(4 * UNITS),
    }
    lstm.load_state_dict(given)
    targets = torch.from_numpy(labels)
    if work == "infer":

        def infer() -> object:
            with torch.inference_mode():
                return lstm(torch.from_numpy(x))[0].numpy()

        return infer
    out.load_state_dict({"weight": states["out.weight"], "bias": states["out.bias"]})
    parameters = [*lstm.parameters(), *out.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        _, (h, _) = lstm(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(out(h[0]), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _onnxruntime(x: Array, threads: int) -> Run:
    """The operator LSTM, whose gates stand in another order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    content = onnx_lstm(model("infer"))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


def onnx_lstm(net: cnn.Model) -> bytes:
    """The network as a file with one LSTM in it, and steps first inside."""
    from onnx import TensorProto, helper, numpy_helper

    def turned(array: Array) -> Array:
        """Gates i, f, g, o as i, o, f, g, for one direction."""
        i, f, g, o = np.split(np.asarray(array), 4)
        return np.concatenate([i, o, f, g])[None]

    states = net.states
    bias = turned(states["lstm.input.bias"])
    arrays = {
        "W": turned(states["lstm.input.weight"]),
        "R": turned(states["lstm.recurrent.weight"]),
        "B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "W", "R", "B"], ["found"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["found", "axis"], ["each"]),
        helper.make_node("Transpose", ["each"], ["y"], perm=[1, 0, 2]),
    ]
    shapes = {"x": (BATCH, STEPS, FEATURES), "y": (BATCH, STEPS, UNITS)}
    x, y = (helper.make_tensor_value_info(k, TensorProto.FLOAT, s) for k, s in shapes.items())
    initializers = [numpy_helper.from_array(a, key) for key, a in arrays.items()]
    graph = helper.make_graph(nodes, NET, [x], [y], initializers)
    opsets = [helper.make_opsetid("", 17)]
    found: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return found
