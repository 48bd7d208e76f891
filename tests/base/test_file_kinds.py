"""Files that are taken for models and are none: each is told what it is, and what helps."""

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import numpy_helper
from safetensors.numpy import save
from support.command_line import done, refused
from support.malformed_models import array, model, node

import graphcnn as cnn
from graphcnn.errors import ImportModelError, WeightsError
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.file.wire import bytes_missing


def made():
    return model([node("Conv", "x", "w")], (None, 3, 8, 8), [array("w", 4, 3, 3, 3)])


CONTENT = made().SerializeToString()


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        info = tarfile.TarInfo("model.onnx")
        info.size = len(CONTENT)
        file.addfile(info, io.BytesIO(CONTENT))
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    return buffer.getvalue()


def graph_def(*names):
    """Nodes of TensorFlow: a name and an operator each."""
    parts = b""
    for name in names:
        text = name.encode()
        inner = b"\n" + bytes([len(text)]) + text + b"\x12\x0bPlaceholder"
        parts += b"\n" + bytes([len(inner)]) + inner
    return parts


KINDS = {
    "zip": (archive(model_dot_onnx=CONTENT), "a zip archive: unpack it"),
    "checkpoint": (archive(m__data_dot_pkl=b"x", m__version=b"3"), "PyTorch: torch.onnx.export"),
    "keras": (archive(config_dot_json=b"{}", model_dot_weights_dot_h5=b""), "a model of Keras"),
    "npz": (npz(), "NumPy arrays"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "an array of NumPy"),
    "gzip": (gzip.compress(CONTENT), "compressed by gzip: unpack it"),
    "tar": (tar(), "a tar archive: unpack it"),
    "pickle": (pickle.dumps({"w": 1}), "a pickle, as old files of PyTorch"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5, as Keras"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "TensorFlow Lite"),
    "ort": (b"\x24\0\0\0ORTM" + bytes(40), "own format"),
    "graph": (graph_def("input", "scope/weights"), "a graph of TensorFlow (.pb): python -m"),
    "saved model": (b"\x08\x01\x12\x10\n\x0e\n\x05serve\x12\x05v2.14", "a SavedModel of Tens"),
    "safetensors": (save({"w": np.ones(3)}), "a safetensors file: graphcnn.load"),
    "tensor": (numpy_helper.from_array(np.ones(3)).SerializeToString(), "a single tensor"),
    "textproto": (text_format.MessageToString(made()).encode(), "format='textproto'"),
    "text": (onnx.printer.to_text(made()).encode(), "format='onnxtxt'"),
    "json": (b'{\n  "irVersion": "8"}', "format='json'"),
    "other json": (b'[1, 2]', "it is JSON"),
    "page": (b"\n<!DOCTYPE html><html>404</html>", "a web page"),
    "openvino": (b'<?xml version="1.0"?>\n<net name="x"/>', "OpenVINO"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "git lfs pull"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture"),
    "program": (b"import torch\n", "a program"),
    "half": (CONTENT[: len(CONTENT) // 2], "it ends in the middle"),
    "early": (CONTENT[:30], "it ends in the middle"),
    "noise": (bytes(range(200, 256)), "Error parsing message"),
    "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "holds no graph"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_model_is_told_what_it_is(name, tmp_path):
    content, words = KINDS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for source, what in ((content, "the model"), (path, str(path))):
        with pytest.raises(ImportModelError) as caught:
            import_onnx(source)
        message = str(caught.value)
        assert message.startswith(f"{what}: not an ONNX model: ") and words in message
        assert message.isprintable()


def test_all_bytes_that_are_missing_are_counted():
    for end in range(1, len(CONTENT)):
        missing = bytes_missing(CONTENT[:end])
        assert missing >= 0
        start = CONTENT.index(made().graph.SerializeToString())
        if start <= end < start + made().graph.ByteSize():
            assert missing == start + made().graph.ByteSize() - end
    assert bytes_missing(CONTENT) == 0 and bytes_missing(CONTENT + b"\0") == 0


def test_weights_are_told_what_they_are(tmp_path):
    path = tmp_path / "model.safetensors"
    for name in ("checkpoint", "hdf5", "pointer"):
        content, words = KINDS[name]
        path.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            cnn.load(path)
        assert "not a safetensors file: it is" in str(caught.value) and words in str(caught.value)


def test_an_onnx_file_is_one_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.pb").write_bytes(CONTENT)
    assert "parameters" in done("summary", "model.pb")
    Path("model.pth").write_bytes(KINDS["checkpoint"][0])
    assert "a file of PyTorch: torch.onnx.export" in refused(1, "summary", "model.pth")


def aged(m):
    """An operator of opset 5 that is another one since."""
    m.graph.node[0].CopyFrom(node("Relu", "x"))
    m.opset_import[0].version = 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),
         "--shape x=N,3,224,224 on the command line"),
        (lambda m: setattr(m, "ir_version", 99), "the newest that onnx"),
        (aged, "as onnx.version_converter writes it"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 8),
         "the element type STRING, expected floats, integers or BOOL"),
        (lambda m: setattr(m.graph.node[0], "domain", "mine"), "imports no opset of the domain"),
    ],
)  # fmt: skip
def test_a_model_that_lacks_something_says_what_to_do(change, words):
    changed = made()
    change(changed)
    with pytest.raises(ImportModelError) as caught:
        import_onnx(changed.SerializeToString())
    assert words in str(caught.value)


def test_arrays_that_were_left_behind(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(made(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    with pytest.raises(ImportModelError, match="no such file in the folder of the model"):
        import_onnx(path)
