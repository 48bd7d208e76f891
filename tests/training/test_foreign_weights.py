"""Weights of torchvision and timm in the networks that are built in here."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.foreign_weights import KEPT, facts, images

import graphcnn as cnn
from graphcnn.errors import WeightsError
from graphcnn.onnx.comparing.widened import Widened, wide
from graphcnn.runtime.reference import Reference
from graphcnn.training.transfer.names import IMAGENET, foreign_names

FACTS = facts()
THIN = {"channels": (4, 8, 8, 8, 8), "hidden": 16, "classes": 10}
#: How each is built here.
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "torchvision resnet18": ("resnet18", {}),
    "torchvision squeezenet 1.1": ("squeezenet", {}),
    "torchvision squeezenet 1.0": ("squeezenet", {"version": "1.0"}),
    "torchvision mobilenet_v2": ("mobilenet_v2", {"width": 0.35}),
    "torchvision vgg16": ("vgg16", THIN),
    "torchvision vgg16 batch_norm": ("vgg16", {**THIN, "batch_norm": True}),
    "timm mobilenet_v2": ("mobilenet_v2", {"width": 0.35}),
    "timm vgg16": ("vgg16", THIN),
}


def built(name: str, **options: Any) -> cnn.Model:
    ours, settings = OURS[name]
    return cnn.models.build(ours, size=FACTS[name].size, **{**settings, **options})


def written(name: str, path: Path, **changed: Any) -> Path:
    """The file of a network; tensors named in `changed` are others, or none."""
    tensors = {k: a for k, a in (FACTS[name].tensors() | changed).items() if a is not None}
    save_file(tensors, path / "weights.safetensors")
    return path / "weights.safetensors"


@pytest.mark.parametrize("name", OURS)
def test_the_outputs_are_those_of_the_other_package(name: str, tmp_path: Path) -> None:
    """In float64, of float32 weights: what is left is the order of sums."""
    model = built(name)
    source = name.split()[0]
    told = model.load_weights(written(name, tmp_path), names=source)
    assert {*told.read.values(), *told.ignored} == {*FACTS[name].shapes}
    assert all(key.endswith("num_batches_tracked") for key in told.ignored)
    assert model.normalisation == IMAGENET
    pixels = images(FACTS[name].size)
    graph = Widened.of(model.graph).graph.bind(len(pixels))
    (scores,) = Reference(graph).run({"image": pixels}, wide(model.states))[0].values()
    wanted = np.array(FACTS[name].scores).reshape(2, KEPT)
    assert np.abs(scores[:, :KEPT] - wanted).max() < 1e-10 * np.abs(scores).max()


def test_resnet18_has_the_same_names_in_both_packages() -> None:
    graph = cnn.models.resnet18(size=32).graph
    assert foreign_names(graph, "timm") == foreign_names(graph, "torchvision")


def test_all_that_is_wrong_is_told_at_once_and_changes_nothing(tmp_path: Path) -> None:
    name = "torchvision vgg16 batch_norm"
    first = FACTS[name].tensors()["features.0.weight"]
    path = written(
        name, tmp_path,
        **{"features.0.weight": None, "features.0.wieght": first, "fc.weight": np.ones((2, 3))},
    )  # fmt: skip
    model = built(name, classes=7).initialize(0)
    before = dict(model.states)
    with pytest.raises(WeightsError) as error:
        model.load_weights(path, names="torchvision")
    told = str(error.value)
    for line in (
        "missing features.0.weight for stage1.conv1.weight f32[4,3,3,3]; near it is "
        "features.0.wieght f32[4, 3, 3, 3]",
        "extra fc.weight f64[2, 3]",
        "logits.weight: expected f32[7,16], found classifier.6.weight f32[10, 16]",
        "logits.bias: expected f32[7], found classifier.6.bias f32[10]",
        'skip="head" leaves the last layer as it is',
    ):
        assert line in told
    assert "num_batches_tracked" not in told
    assert all(model.states[key] is before[key] for key in before)
    assert model.normalisation is None


def test_a_head_of_other_classes_is_left_as_it_is(tmp_path: Path) -> None:
    model = built("torchvision vgg16", classes=7).initialize(5)
    before = dict(model.states)
    path = written("torchvision vgg16", tmp_path)
    told = model.load_weights(path, names="torchvision", skip="head")
    assert told.kept == ("logits.weight", "logits.bias")
    assert str(told) == (
        "30 tensors read; logits.weight, logits.bias left as they are; 2 of the file ignored "
        "(classifier.6.bias, classifier.6.weight)"
    )
    assert model.states["logits.weight"] is before["logits.weight"]
    conv = FACTS["torchvision vgg16"].tensors()["features.0.weight"]
    np.testing.assert_array_equal(model.states["stage1.conv1.weight"], conv)
    with pytest.raises(WeightsError, match=r"skip='dens1\.\*' matches no state .* dense1"):
        model.load_weights(path, names="torchvision", skip="dens1.*")


def test_names_of_ones_own(tmp_path: Path) -> None:
    """A dict, a function; from our names to those of the file."""
    model, other = cnn.models.digits_cnn(), cnn.models.digits_cnn().initialize(1)
    path = tmp_path / "w.safetensors"
    save_file({f"net.{key}": np.asarray(a) for key, a in other.states.items()}, path)
    model.load_weights(path, names=lambda key: f"net.{key}")
    assert all(np.array_equal(model.states[key], other.states[key]) for key in other.states)
    model.initialize(3).load_weights(path, names={key: f"net.{key}" for key in other.states})
    assert all(np.array_equal(model.states[key], other.states[key]) for key in other.states)
    with pytest.raises(WeightsError, match=r"has no state 'net.conv1.weight'; near it are conv1"):
        model.load_weights(path, names={"net.conv1.weight": "conv1.weight"})
    with pytest.raises(WeightsError, match="torchvision are known for resnet18, vgg16"):
        model.load_weights(path, names="torchvision")
    with pytest.raises(
        WeightsError, match="names must be one of torchvision, timm, torch, found 'tv'"
    ):
        model.load_weights(path, names="tv")


def test_layers_that_are_called_as_modules_of_pytorch(tmp_path: Path) -> None:
    """The names of a `state_dict` of BatchNorm2d, GroupNorm, LayerNorm, PReLU, Linear."""
    image = cnn.input("image", (4, 3, 3))
    x = cnn.group_norm(cnn.batch_norm(image, name="bn"), 2, name="gn")
    x = cnn.prelu(cnn.layer_norm(x, (1, 2, 3), name="ln"), name="act")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="fc"))
    shapes = {"bn.weight": 4, "bn.bias": 4, "bn.running_mean": 4, "bn.running_var": 4,
              "gn.weight": 4, "gn.bias": 4, "ln.weight": (4, 3, 3), "ln.bias": (4, 3, 3),
              "act.weight": 4, "fc.weight": (2, 36), "fc.bias": 2}  # fmt: skip
    theirs = {k: np.full(shape, i, np.float32) for i, (k, shape) in enumerate(shapes.items())}
    save_file(theirs | {"bn.num_batches_tracked": np.zeros((), np.int64)}, tmp_path / "w.st")
    told = model.load_weights(tmp_path / "w.st", names="torch")
    assert {k: int(a.flat[0]) for k, a in model.states.items()} == {
        key: [*shapes].index(other) for key, other in told.read.items()
    }
    assert [told.read[key] for key in ("bn.variance", "ln.gamma", "gn.beta", "act.slope")] == [
        "bn.running_var", "ln.weight", "gn.bias", "act.weight",
    ]  # fmt: skip
    assert {*told.read.values()} == {*shapes} and model.normalisation is None


def test_our_own_files_bring_what_was_learned(tmp_path: Path) -> None:
    """Without the head, the normalisation only: its classes are others."""
    trained = cnn.models.digits_cnn().initialize(1)
    trained.normalisation = cnn.Normalisation((0.3,), (0.2,))
    trained.classes = [f"digit {i}" for i in range(10)]
    path = trained.save(tmp_path / "digits.safetensors")
    whole = cnn.models.digits_cnn()
    whole.load_weights(path)
    assert (whole.classes, whole.normalisation) == (trained.classes, trained.normalisation)
    few = cnn.models.digits_cnn(classes=3)
    few.load_weights(path, skip="logits.*")
    assert (few.classes, few.normalisation) == ((), trained.normalisation)
    assert few.predict(np.zeros((1, 1, 8, 8), np.uint8)).shape == (1, 3)
    other = cnn.Normalisation((0.5,), (0.5,))
    few.load_weights(path, skip="head", normalisation=other)
    assert few.normalisation == other


def test_half_precision_is_widened_and_nan_refused(tmp_path: Path) -> None:
    model, path = cnn.models.digits_cnn().initialize(0), tmp_path / "w.safetensors"
    half = {key: a.astype(np.float16) for key, a in model.states.items()}
    save_file(half, path)
    model.load_weights(path)
    assert model.states["conv1.weight"].dtype == np.float32
    half["conv1.bias"][3] = np.nan
    save_file(half, path)
    with pytest.raises(WeightsError, match=r"the numbers for conv1.bias are not all finite"):
        model.load_weights(path)


class Harmful:
    """What runs code where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "weights.bin"])
@pytest.mark.parametrize("kind", ["zip", 2, 4, 5])
def test_a_pickle_is_refused_unread_whatever_it_is_called(
    name: str, kind: Any, tmp_path: Path
) -> None:
    path, mark = tmp_path / name, tmp_path / "mark"
    content = pickle.dumps(Harmful(mark), 2 if kind == "zip" else kind)
    if kind == "zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("weights/data.pkl", content)
        content = archive.getvalue()
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        cnn.models.resnet18(size=32).load_weights(path, names="torchvision")
    line = (
        "from safetensors.torch import save_file; save_file(torch.load("
        f"{str(path)!r}, weights_only=True), {str(tmp_path / 'weights.safetensors')!r})"
    )
    assert line in str(error.value)
    assert not mark.exists()


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    model = cnn.models.digits_cnn().initialize(0)
    path = tmp_path / "w.pt"
    save_file({key: np.asarray(a) for key, a in model.states.items()}, path)
    model.load_weights(path)
