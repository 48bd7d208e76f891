"""Numbers that the page takes apart are the engine's, fields within those of the analysis."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_every_number_that_the_page_takes_apart_is_the_engines(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    every_kind().page(path)
    command = ["node", str(HERE / "numbers.mjs"), str(CODE), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {how for _, how, _, _ in found} == {"image", "sum", "max", "average", "join", "copy"}
    for layer, how, worst, strayed in found:
        assert worst < 1e-5, f"{layer} ({how}) differs by {worst}"
        assert strayed == 0, f"{layer}: {strayed} units see another part of the image"
