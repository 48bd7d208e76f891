"""What users get wrong, and the one message that each mistake gets: place, found, expected, how."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.tensor_type import DType
from graphcnn.network.weights import as_stored


def image(*shape: int) -> cnn.Value:
    return cnn.input("image", shape or (1, 4, 4))


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: cnn.conv2d(image(), 6, 5, name="C3"),
        r'conv2d "C3" \(test_bad_input.py:\d+\): height \(4 \+ 0 \+ 0 - 1·\(5 - 1\) - 1\) // 1 \+ 1'
        r" = 0 < 1: a kernel of 5 does not fit an input of 4",
    ),
    (
        lambda: cnn.conv2d(image(3, 8, 8), 4, 3, groups=2, name="C1"),
        r'conv2d "C1" \(test_bad_input.py:\d+\): groups = 2 must divide the 3 input channels',
    ),
    (lambda: cnn.conv2d(image(), 4, 3, stride=0), r"stride must be at least 1, found \(0, 0\)"),
    (
        lambda: cnn.conv2d(image(), 4, 3, stride=0, padding="same"),
        r"stride must be at least 1, found \(0, 0\)",
    ),
    (
        lambda: cnn.conv2d(image(), 4, 3, padding=-1),
        r"padding must not be negative, found \(-1, -1, -1, -1\)",
    ),
    (lambda: cnn.conv2d(image(), 4, 3, padding="some"), r'padding must be an int.*found \'some\''),
    (lambda: cnn.conv2d(image(), 0, 3), "filters must be an int of at least 1, found 0"),
    (lambda: cnn.conv2d(image(), 4, 3.5), r"kernel must be an int or a pair .* found 3.5"),
    (lambda: cnn.conv2d(image(4, 4), 4, 3), r"must be \(N, C, H, W\), found rank 3: f32\[N,4,4\]"),
    (
        lambda: cnn.conv2d(image(), 4, 3, activation="rleu", name="C1"),
        r"unknown activation 'rleu'; did you mean 'relu'\? known are relu,",
    ),
    (
        lambda: cnn.conv2d(np.zeros((1, 1, 4, 4), np.float32), 4, 3),
        r"conv2d \(test_bad_input.py:\d+\): x must be a tensor of the graph, found ndarray",
    ),
    (
        lambda: cnn.conv_transpose2d(image(), 1, 3, stride=2, output_padding=2),
        r"output_padding \(2, 2\) must be at least 0 and smaller than stride",
    ),
    (lambda: cnn.conv_transpose2d(image(), 1, 3, padding="same"), "has no meaning here"),
    (lambda: cnn.max_pool2d(image(), 5), "a kernel of 5 does not fit an input of 4"),
    (lambda: cnn.max_pool2d(image(), 2, padding=2), "padding 2 .* must be smaller than"),
    (
        lambda: cnn.dense(image(), 10, name="logits"),
        r'dense "logits" \(test_bad_input.py:\d+\): .*flatten.*16',
    ),
    (
        lambda: cnn.add(image(1, 4, 4), cnn.constant(np.zeros((3, 5), np.float32))),
        r"add \(test_bad_input.py:\d+\): a \(N, 1, 4, 4\) and b \(3, 5\) do not broadcast",
    ),
    (lambda: image() + cnn.constant(1), "one element type|same element type|i64"),
    (lambda: cnn.reshape(image(), (3, 5)), r"reshape .*16.*15|reshape .*15.*16"),
    (lambda: cnn.concat([image(1, 4, 4), cnn.flatten(image(1, 4, 4))]), "concat "),
    (lambda: cnn.dropout(image(), 1.0), "dropout .*rate"),
    (lambda: cnn.cross_entropy(cnn.softmax(cnn.flatten(image())), cnn.input("y", (), "int64")),
     "applies softmax itself"),
    (
        lambda: cnn.mse(cnn.flatten(image()), cnn.input("y", (1,))),
        r"must have one shape, found prediction f32\[N,16\] and target f32\[N,1\]",
    ),
    (lambda: bool(image() > 0), "has no truth value"),
    (lambda: cnn.input("x", (0, 4, 4)), "sizes must be at least 1"),
    (lambda: cnn.input("", (1, 4, 4)), "an input needs a name"),
    (lambda: cnn.parameter((3, 3), init="hee"), "unknown initializer 'hee'"),
    (
        lambda: cnn.Model(image(), cnn.relu(image(1, 4, 4))),
        r"uses the input 'image' \(test_bad_input.py:\d+\), which is not among its declared inputs",
    ),
    (lambda: cnn.Model(cnn.relu(image()), cnn.relu(image())), "is not an input|not among"),
    (lambda: cnn.Model(image(), {}), "has no outputs"),
    (lambda: cnn.input((1, 28, 28), "image"), r"name must be a string, found \(1, 28, 28\)"),
    (lambda: cnn.input("x", 5), r'input "x" \(test_bad_input.py:\d+\): shape must hold ints'),
    (lambda: cnn.input("x", (1.5, 4)), r"shape must hold ints, found \(1.5, 4\)"),
    (lambda: cnn.input("x", (4,), None), "unknown element type None"),
    (lambda: cnn.parameter(3), r"parameter \(test_bad_input.py:\d+\): shape must hold ints"),
    (lambda: cnn.parameter((0, 3)), "sizes must be at least 1"),
    (lambda: cnn.relu(image(), name=3), "name must be a string, found 3"),
    (lambda: cnn.leaky_relu(image(), "a"), "leaky_relu .*alpha must be a number, found 'a'"),
    (lambda: cnn.dropout(image(), None), "dropout .*rate must be a number, found None"),
    (lambda: cnn.batch_norm(image(), epsilon="a"), "epsilon must be a number, found 'a'"),
    (lambda: cnn.pad2d(image(), 1, value="a"), "value must be a number, found 'a'"),
    (lambda: cnn.Model(image(), 3), "outputs must be a tensor, or a list of tensors, found 3"),
    (lambda: cnn.Model("x", image()), "inputs must be a tensor, or a list of tensors, found 'x'"),
    (lambda: cnn.Model(image(), {"a": 1}), "outputs must map names to tensors, found 'a': int"),
    (lambda: cnn.Model([x := image(), x], cnn.relu(x)), "an input is given twice: image, image"),
    (lambda: cnn.Model(x := image(), cnn.relu(x), name=3), "name of a model must be a string"),
    (
        lambda: cnn.Model(x := image(), cnn.conv2d(x, 1, 3, init=lambda s: [["a"]])).parameters,
        r"initializer '<lambda>' must return numbers of shape \(1, 1, 3, 3\), found str32 of",
    ),
    (lambda: cnn.SGD(-1.0), "learning_rate"),
    (lambda: cnn.Adam(0.1, beta1=1.0), "beta1"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m[1][:40] for m in MISTAKES])
def test_mistakes_in_the_model(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(cnn.GraphCnnError, match=message) as caught:
        mistake()
    assert "\n\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_the_line_is_the_user_s_also_inside_a_scope() -> None:
    with cnn.scope("block"), pytest.raises(cnn.GraphError, match=r'"(block\.)?C1" \(test_bad'):
        cnn.conv2d(image(), 4, 9, name="C1")


def small(units: int = 2, name: str = "small") -> cnn.Model:
    x = image()
    return cnn.Model(x, cnn.dense(cnn.flatten(x), units, name=name))


def test_a_file_of_weights_for_another_model_lists_what_differs(tmp_path: Path) -> None:
    path = small().save(tmp_path / "a.safetensors")
    with pytest.raises(cnn.WeightsError) as caught:
        small(units=3).load(path)
    assert "small.weight: expected f32[3,16], found float32[2, 16]" in str(caught.value)
    with pytest.raises(cnn.WeightsError) as caught:
        small(name="other").load(path)
    assert "missing other.weight" in str(caught.value)
    assert "extra small.weight" in str(caught.value)


def test_loading_is_all_or_nothing(tmp_path: Path) -> None:
    path = small().save(tmp_path / "a.safetensors")
    model = small(units=3).initialize(5)
    before = {k: v.copy() for k, v in model.states.items()}
    with pytest.raises(cnn.WeightsError):
        model.load(path)
    assert all(np.array_equal(before[k], model.states[k]) for k in before)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "missing", "plain"])
def test_damaged_files_of_weights(tmp_path: Path, damage: str) -> None:
    path = small().save(tmp_path / "a.safetensors")
    data = path.read_bytes()
    content = {"cut": data[: len(data) // 2], "noise": b"\xff" * 64, "empty": b""}
    if damage == "missing":
        path.unlink()
    elif damage == "plain":
        from safetensors.numpy import save_file

        save_file({"w": np.zeros(3, np.float32)}, path)
    else:
        path.write_bytes(content[damage])
    with pytest.raises(cnn.WeightsError, match=r"a\.safetensors"):
        cnn.load(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for write in (
        lambda: small().save(tmp_path / "missing" / "a.safetensors"),
        lambda: small().export_onnx(tmp_path / "missing" / "a.onnx"),
        lambda: small().draw(tmp_path / "missing" / "a.dot"),
        lambda: small().fit(
            (np.zeros((4, 1, 4, 4), np.float32), np.zeros(4, np.int64)),
            batch_size=2, checkpoint=tmp_path / "file" / "run", progress=False,
        ),
    ):  # fmt: skip
        with pytest.raises(cnn.OutputError, match=r"(missing|file)"):
            write()


def test_wrong_images_for_prediction() -> None:
    model = small()
    for images, message in (
        (np.zeros((1, 1, 5, 4), np.float32), r"must be \(n, 1, 4, 4\), found \(1, 1, 5, 4\)"),
        (np.zeros((2, 1, 4, 4), np.int64), "must be uint8 .* or float .* found int64"),
        (np.full((2, 1, 4, 4), np.nan), "image 0 holds NaN"),
        (np.zeros((0, 1, 4, 4), np.float32), "no images"),
        (np.zeros((1, 4, 4), np.complex64), "found complex64"),
    ):
        with pytest.raises(cnn.DataError, match=message):
            model.predict(images)
    grey = model.predict(np.zeros((3, 4, 4), np.uint8))
    assert grey.shape == (3, 2)


def test_what_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(cnn.WeightsError, match="it is a folder"):
        cnn.load(tmp_path)
    with pytest.raises(cnn.WeightsError, match="no such file"):
        cnn.load(tmp_path / "none.safetensors")
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(cnn.WeightsError, match="an ONNX file, which import_onnx reads"):
        cnn.load(tmp_path / "net.onnx")
    with pytest.raises(cnn.WeightsError, match="cannot be made an array of numbers"):
        small().set_parameters({next(iter(small().parameters)): "a"})


def test_setting_parameters_checks_names_and_shapes() -> None:
    model = small()
    with pytest.raises(cnn.WeightsError, match=r"small\.bias: expected f32\[2\], found"):
        model.set_parameters({"small.bias": [1.0, 2.0, 3.0]})
    with pytest.raises(cnn.WeightsError, match=r"extra small\.bais"):
        model.set_parameters({"small.bais": [1.0, 2.0]})
    for wrong, words in (
        ({"small.bias": [1.0, 1e39]}, r"^small\.bias: 1e\+39 does not fit into f32"),
        ({"small.bias": [1.0, 2.0j]}, r"small\.bias cannot be made .* found complex128"),
        ([1.0, 2.0], "given by name, in a dict, found"),
    ):
        with pytest.raises(cnn.WeightsError, match=words):
            model.set_parameters(wrong)  # type: ignore[arg-type]
    with pytest.raises(cnn.GraphError, match="no parameter matches 3"):
        model.freeze(3)  # type: ignore[arg-type]
    model.set_parameters({"small.bias": [1.0, 2.0]})
    assert model.parameters["small.bias"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", list(DType), ids=str)
def test_numbers_that_a_type_cannot_hold(dtype: DType) -> None:
    assert as_stored("k", [True, 1], dtype).tolist() == [1, 1]
    if dtype not in (DType.FLOAT64, DType.FLOAT4_E2M1FN):
        with pytest.raises(cnn.WeightsError, match=rf"^k: 1e\+300 does not fit into {dtype}"):
            as_stored("k", [1.0, 1e300], dtype)
    if not dtype.is_float:
        for number in (-1, 2**63) if dtype.name.startswith("U") else (2.5, np.uint64(2**63)):
            held = dtype == DType.UINT64 and number > 0
            if not held:
                with pytest.raises(cnn.WeightsError, match="does not fit"):
                    as_stored("k", [number], dtype)
