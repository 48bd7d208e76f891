"""The page and the lens find the same evidence in the same image."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn

SCRIPT = Path(__file__).parent / "evidence_of.mjs"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_gradients_maps_and_occlusion_are_those_of_the_lens(tmp_path: Path) -> None:
    model = cnn.models.lenet5()
    model.loss = "cross_entropy"  # so that both look at probabilities
    image = np.random.default_rng(5).integers(0, 256, (1, 1, 28, 28), np.uint8)
    model.page(tmp_path / "page.html", samples=image)
    done = subprocess.run(
        ["node", str(SCRIPT), str(tmp_path / "page.html")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    lens = model.lens()
    expected = {
        rule: lens.gradient(image[0], 3, rule=rule) for rule in ("plain", "guided", "deconv")
    }
    expected["cam"] = lens.grad_cam(image[0], 3)
    expected["occlusion"] = lens.occlude(image[0], 3, patch=5)
    assert sorted(found) == sorted(expected)
    for name, finding in expected.items():
        there = finding["map"].ravel()
        apart = np.abs(np.array(found[name]) - there).max() / np.abs(there).max()
        assert apart < 1e-4, f"{name}: {apart}"
