"""Numbers that the page takes apart are the engine's, fields within those of the analysis."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.pages import about_of

import graphcnn as cnn

HERE = Path(__file__).parent
CODE = Path(cnn.__file__).parent / "page"


def every_kind() -> cnn.Model:
    """Windows, joins and steps of every kind, with numbers that are nothing plain."""
    image = cnn.input("image", (3, 20, 17))
    x = cnn.conv2d(image, 8, 3, padding=1, bias=False, name="first")
    x = cnn.relu(cnn.batch_norm(x, name="norm"))
    y = cnn.leaky_relu(
        cnn.conv2d(x, 8, (3, 5), stride=(2, 1), padding=(1, 2), groups=4, name="groups")
    )
    y = cnn.silu(cnn.conv2d(y, 8, 3, padding=(2, 2), dilation=2, groups=8, name="deep"))
    z = cnn.max_pool2d(x, (2, 3), stride=(2, 1), padding=(0, 1), name="pool")
    x = cnn.relu(cnn.add(y, z, name="join"))
    x = cnn.concat([x, cnn.avg_pool2d(x, 3, stride=1, padding=1, name="mean")], name="beside")
    x = cnn.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=True, name="padded")
    x = cnn.mul(x, cnn.gelu(cnn.conv2d(x, 16, 1, name="gate")), name="gated")
    x = cnn.flatten(cnn.max_pool2d(x, 2, ceil_mode=True, name="ceil"))
    x = cnn.dense(cnn.tanh(cnn.dense(x, 12, name="inner")), 5, name="scores")
    return cnn.Model(image, x, name="every_kind").initialize(3)


def every_other_kind() -> cnn.Model:
    """What reads otherwise than through a window, with numbers that are nothing plain."""
    image = cnn.input("image", (4, 8, 7))
    x = cnn.conv2d(image, 6, 3, padding=1, name="first")
    x = cnn.relu(cnn.group_norm(x, 3, name="groups"))
    x = cnn.conv_transpose2d(
        x, 4, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 1), name="spread"
    )
    x = cnn.conv_transpose2d(x, 6, 3, dilation=2, groups=2, padding=2, name="dilated")
    x = cnn.instance_norm(x, name="instances")
    x = cnn.layer_norm(x, 1, name="pixels")
    x = cnn.layer_norm(cnn.conv2d(x, 4, 3, stride=2, name="less"), (1, 2, 3), name="whole")
    x = cnn.concat([cnn.upsample2d(x, (2, 3)), cnn.upsample2d(x, (2, 3), mode="bilinear")])
    x = cnn.upsample2d(x, 2, mode="bilinear", align_corners=True, name="corners")
    y = cnn.mean(x, axes=(1,), name="over_channels")
    z = cnn.mean(x, axes=(3,), name="over_columns")
    means = [cnn.mean(x, axes=(2, 3), keepdims=True, name="means"), cnn.flatten(z), cnn.flatten(y)]
    x = cnn.concat([cnn.flatten(part) for part in means])
    x = cnn.layer_norm(cnn.dense(x, 12, name="inner"), name="vector")
    return cnn.Model(image, cnn.dense(x, 5, name="scores"), name="others").initialize(4)


def with_numbers(model: cnn.Model) -> cnn.Model:
    """Scales and shifts of norms that are neither 1 nor 0."""
    rng = np.random.default_rng(6)
    model.update_states(
        {
            key: rng.normal(1, 0.5, np.shape(array)).astype(np.float32)
            for key, array in model.states.items()
            if key.endswith(("gamma", "beta"))
        }
    )
    return model


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_what_reads_otherwise_is_taken_apart_too(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with_numbers(every_other_kind()).page(path)
    command = ["node", str(HERE / "numbers.mjs"), str(CODE), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {how for _, how, _, _ in found} == {"image", "sum", "average", "norm", "copy"}
    for layer, how, worst, strayed in found:
        assert worst < 2e-5, f"{layer} ({how}) differs by {worst}"
        assert strayed == 0, f"{layer}: {strayed} units see another part of the image"


def test_what_is_not_taken_apart_says_why(tmp_path: Path) -> None:
    image = cnn.input("image", (3, 6, 6))
    x = cnn.conv2d(image, 4, 3, padding=1, name="first")
    x = cnn.prelu(cnn.conv2d(x, 4, 3, name="second"), name="slopes")
    x = cnn.transpose(x, (0, 2, 1, 3))
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="scores"), name="m").initialize(0)
    model.page(tmp_path / "page.html")
    about = about_of(tmp_path / "page.html")
    why = {layer["name"]: layer["why"] for layer in about["layers"] if layer["why"]}
    kinds = [(each["word"], each["op"]) for each in why.values()]
    assert kinds == [("Step", "prelu"), ("Operator", "transpose")]
    assert all(layer["exact"] == (layer["name"] not in why) for layer in about["layers"])


def other_axes() -> cnn.Model:
    """Softmax and concat along axes that are not those of the maps' channels, in maps of other
    ranks; what follows a softmax of places sees all of them."""
    image = cnn.input("image", (2, 6, 5))
    x = cnn.conv2d(image, 4, 3, padding=1, activation="relu", name="conv")
    x = cnn.softmax(x, axis=3, name="places")
    x = cnn.reshape(cnn.conv2d(x, 4, 3, padding=1, name="behind"), (4, 30), name="flat")
    x = cnn.concat([x, cnn.relu(x)], axis=1, name="longer")
    x = cnn.softmax(cnn.softmax(x, axis=1, name="first"), axis=2, name="second")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="scores"), name="axes").initialize(1)


def taken_apart(path: Path) -> list[tuple[str, str, float, int]]:
    command = ["node", str(HERE / "numbers.mjs"), str(CODE), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_what_is_not_taken_apart_is_not_taken_apart_wrongly(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    other_axes().page(path)
    found = taken_apart(path)
    unknown = {layer for layer, how, _, _ in found if how == "unknown"}
    assert {"places", "longer", "first", "second"} <= unknown
    assert all(worst < 1e-5 and strayed == 0 for _, _, worst, strayed in found), found
    fields = {layer["name"]: layer["field"] for layer in about_of(path)["layers"]}
    for name in ("places", "behind"):  # the whole image from everywhere
        assert fields[name] == {"size": [6, 5], "step": [0, 0], "start": [0, 0]}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_every_number_that_the_page_takes_apart_is_the_engines(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    every_kind().page(path)
    found = taken_apart(path)
    assert {how for _, how, _, _ in found} == {"image", "sum", "max", "average", "join", "copy"}
    for layer, how, worst, strayed in found:
        assert worst < 1e-5, f"{layer} ({how}) differs by {worst}"
        assert strayed == 0, f"{layer}: {strayed} units see another part of the image"
