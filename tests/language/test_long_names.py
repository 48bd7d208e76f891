"""A name of 5,000 letters, wherever it comes from, does not drown what is said about it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.command_line import run

import graphcnn as cnn
from graphcnn.data import Dataset
from graphcnn.errors import GraphCnnError, readable, shortened
from graphcnn.network.weights import write_tensors
from graphcnn.pictures import failure_picture, graph_picture, volume_picture

#: One word, one with blanks, one with quotes and signs, and one of letters that need escapes.
LONG = ["x" * 5000, "long name " * 500, 'it\'s "so" ' * 500, "a/" * 2500, "é\t" * 2500]
MOST = 2500


def network(name: str = "m", layer: str = "d", field: str = "image") -> cnn.Model:
    image = cnn.input(field, (1, 4, 4))
    return cnn.Model(image, cnn.dense(cnn.flatten(image), 3, name=layer), name=name)


def picture(n: int = 2) -> np.ndarray:
    return np.zeros((n, 1, 4, 4), np.float32)


def bad_layer(name: str, _: Path) -> object:
    return cnn.conv2d(cnn.input("image", (1, 4, 4)), 1, 9, name=name)


def bad_argument(name: str, _: Path) -> object:
    return cnn.conv2d(cnn.input("image", (1, 4, 4)), 1.5, 3, name=name)


def unknown_activation(name: str, _: Path) -> object:
    return cnn.dense(cnn.input("x", (4,)), 3, activation=name)


def unknown_optimizer(name: str, _: Path) -> object:
    return network().fit((picture(), [0, 1]), optimizer=name)


def unknown_parameter(name: str, _: Path) -> object:
    return network().set_parameters({name: np.zeros(3)})


def shape_of_a_parameter(name: str, _: Path) -> object:
    model = network(layer=name)
    return model.set_parameters(dict.fromkeys(model.parameters, np.zeros(9)))


def freeze(name: str, _: Path) -> object:
    return network(layer=name).freeze(f"{name}nothing")


def wrong_image(name: str, _: Path) -> object:
    return network(name).fit(cnn.data.arrays(np.zeros((2, 1, 5, 5), np.float32), [0, 1]))


def wrong_input(name: str, _: Path) -> object:
    return network(field=name).predict({"other": picture()})


def class_names(name: str, _: Path) -> object:
    model = network()
    model.classes = (name, "b", "c")
    return model.evaluate(Dataset(picture(), [0, 1], (f"{name}s", "b")))


def name_of_data(name: str, _: Path) -> object:
    return Dataset(picture(), [0, 7], ("a", "b"), name=name)


def unknown_data(name: str, _: Path) -> object:
    return cnn.data.load(name)


def options_of_data(name: str, _: Path) -> object:
    return cnn.data.load(f"xo:{name}")


def file_names(name: str, _: Path) -> object:
    return cnn.load(name)


def written_files(name: str, folder: Path) -> object:
    return network().save(folder / name / "x.safetensors")


def folders_of_data(name: str, folder: Path) -> object:
    return cnn.data.image_folder(folder / name)


def folders_of_mnist(name: str, folder: Path) -> object:
    return cnn.data.mnist(folder / name)


def files_of_arrays(name: str, folder: Path) -> object:
    return cnn.data.npz(folder / name)


def checkpoints(name: str, folder: Path) -> object:
    return network().fit((picture(), [0, 1]), batch_size=2, checkpoint=folder / name)


def onnx_files(name: str, folder: Path) -> object:
    return cnn.import_onnx(folder / name)


def tensors_of_a_file(name: str, folder: Path) -> object:
    network().save(folder / "m.safetensors")
    write_tensors(folder / "w.safetensors", {name: np.zeros(3)}, {})
    return network().load(folder / "w.safetensors")


def names_in_a_zip(name: str, folder: Path) -> object:
    import zipfile

    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        archive.writestr(f"a/{name}.png", b"no picture")
    return cnn.data.image_folder(folder / "set.zip")


def arrays_of_an_npz(name: str, folder: Path) -> object:
    import zipfile

    np.savez(folder / "x.npz", z=np.zeros(3))
    with zipfile.ZipFile(folder / "x.npz") as old, zipfile.ZipFile(folder / "y.npz", "w") as new:
        new.writestr(f"{name}.npy", old.read("z.npy"))
    return cnn.data.npz(folder / "y.npz")


def onnx_model(name: str, folder: Path, op: str = "Relu", attribute: str = "") -> object:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    value = helper.make_tensor_value_info(name, 1, ["N", 4])
    attributes = {attribute: 1} if attribute else {}
    node = helper.make_node(op, [name], ["y"], name=name, **attributes)
    out = helper.make_tensor_value_info("y", 1, ["N", 4])
    model = helper.make_model(
        helper.make_graph([node], "g", [value], [out]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return cnn.import_onnx(folder / "m.onnx")


def onnx_operator(name: str, folder: Path) -> object:
    return onnx_model(name, folder, op=name)


def onnx_node(name: str, folder: Path) -> object:
    return onnx_model(name, folder, op="NonZero")


def onnx_attribute(name: str, folder: Path) -> object:
    return onnx_model(name, folder, attribute=name)


def graph_text(name: str, folder: Path) -> object:
    text = json.dumps(name)
    return cnn.parse_graph(f"graph {text} {{ return y = {text} }}")


def settings_of_an_optimizer(name: str, _: Path) -> object:
    return cnn.SGD(name)


CALLS: list[Callable[[str, Path], object]] = [
    bad_layer, bad_argument, unknown_activation, unknown_optimizer, unknown_parameter,
    shape_of_a_parameter, freeze, wrong_image, wrong_input, class_names, name_of_data,
    unknown_data, options_of_data, file_names, written_files, folders_of_data, folders_of_mnist,
    files_of_arrays, checkpoints, onnx_files, tensors_of_a_file, names_in_a_zip, arrays_of_an_npz,
    onnx_operator, onnx_node, onnx_attribute, graph_text, settings_of_an_optimizer,
]  # fmt: skip


@pytest.mark.parametrize("name", LONG, ids=["word", "blanks", "quotes", "slashes", "escapes"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_errors(call, name: str, tmp_path: Path) -> None:
    with pytest.raises(GraphCnnError) as caught:
        call(name, tmp_path)
    text = str(caught.value)
    assert len(text) < MOST, len(text)
    assert all(len(line) <= 2000 for line in text.split("\n"))


@pytest.mark.parametrize("name", LONG[:2], ids=["word", "blanks"])
def test_what_is_printed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = network(name, name, name)
    model.classes, model.loss = (name, "b", "c"), "cross_entropy"
    model.save("m.safetensors")
    np.save("x.npy", picture(1))
    for command in (["summary", "m.safetensors"], ["passes", "m.safetensors", "--native"],
                    ["predict", "m.safetensors", "x.npy"]):  # fmt: skip
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.split("\n"))) < 600, command


@pytest.mark.parametrize("name", LONG[:2], ids=["word", "blanks"])
def test_pictures(name: str) -> None:
    graph = network(name, name, name).graph
    for drawn in (graph_picture(graph), volume_picture(graph)):
        assert drawn.scene.width < 2000
    with pytest.raises(GraphCnnError) as caught:
        bad_layer(name, Path())
    assert failure_picture(caught.value).scene.width < 2000


def test_short_messages_stay_as_they_are() -> None:
    text = "\n".join(["the words of a message " * 20, "'quoted' isn't " * 30, "path/" * 30])
    assert readable(text) == text
    assert shortened("abcdefghij", 5) == "ab…ij"
    for most in range(1, 12):
        assert len(shortened("abcdefghij", most)) == min(most, 10)


def test_both_ends_of_a_name_are_kept() -> None:
    text = str(GraphCnnError(f"cannot read {'a/' * 500}picture.png: no such file"))
    assert text.startswith("cannot read a/a/") and text.endswith("/picture.png: no such file")
