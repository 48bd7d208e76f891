"""The peers: PyTorch (eager, channels last, compiled), ONNX Runtime, OpenVINO; if importable."""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.tools.bench.cases import Case, Contender, Unavailable
from graphcnn.tools.bench.torch_nets import torch_module


def torch_contender(mode: str) -> Contender:
    """PyTorch with the weights of the case; `mode` is "eager", "channels_last" or "compile"."""

    def prepare(case: Case) -> Callable[[], object]:
        import torch

        if case.onnx is not None:
            raise Unavailable("reads no ONNX files")
        torch.set_num_threads(case.threads)
        net = torch_module(case.net, case.model.states)
        images, labels = torch.from_numpy(case.images.copy()), torch.from_numpy(case.labels)
        if mode == "channels_last":
            net = net.to(memory_format=torch.channels_last)
            images = images.to(memory_format=torch.channels_last)
        train = case.work == "train"
        net.train(train)
        call: Any = torch.compile(net) if mode == "compile" else net
        if not train:
            array = images.numpy()

            def infer() -> object:
                with torch.inference_mode():
                    return call(torch.from_numpy(array)).numpy()

            return infer
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def step() -> object:
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(call(images), labels)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    return prepare


def _onnx_bytes(case: Case) -> bytes:
    from graphcnn.onnx.exporting.export import export_graph

    if case.work == "train":
        raise Unavailable("inference only")
    if case.onnx is not None:
        return case.onnx
    exported: bytes = export_graph(case.model.graph, case.model.states).SerializeToString()
    return exported


def onnxruntime_contender(case: Case) -> Callable[[], object]:
    """ONNX Runtime on the exported model, all optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # no warnings about the file
    session = onnxruntime.InferenceSession(
        _onnx_bytes(case), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: case.images}
    return lambda: session.run(None, feed)[0]


def openvino_contender(case: Case) -> Callable[[], object]:
    """OpenVINO on the exported model: float32, latency hint, shared inputs and outputs."""
    import openvino

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(_onnx_bytes(case))
        model = core.read_model(path)
        model.reshape(list(case.images.shape))
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": case.threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
            },
        )
    request = compiled.create_infer_request()

    def run() -> object:
        request.infer([case.images], share_inputs=True)
        return np.array(request.get_output_tensor(0).data)

    return run


def available_peers() -> dict[str, Contender]:
    """The contenders whose packages are installed."""
    peers: dict[str, Contender] = {}
    if importlib.util.find_spec("torch"):
        for mode in ("eager", "channels_last", "compile"):
            peers[f"torch {mode}"] = torch_contender(mode)
    if importlib.util.find_spec("onnxruntime"):
        peers["onnxruntime"] = onnxruntime_contender
    if importlib.util.find_spec("openvino"):
        peers["openvino"] = openvino_contender
    return peers
