"""The dossier of a unit: its patches and numbers are those that a plain search finds."""

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import stripes

import graphcnn as cnn
from graphcnn.lens.study import stream
from graphcnn.models import MODELS


def digits() -> cnn.Model:
    return MODELS["digits_cnn"]().initialize(0)


def test_the_patches_are_those_of_the_largest_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = digits(), stripes(40)
    maps = model.activations(data.images)["conv2.relu"][:, 5]
    largest = [max(float(v) for v in each.flat) for each in maps]
    order = sorted(range(40), key=lambda i: (-largest[i], i))[:9]
    monkeypatch.setattr(stream, "_ITEMS", 7)
    found = model.lens().unit("conv2", 5, data=data, steps=0)
    assert np.allclose(found["maxima"], largest, atol=1e-5)
    assert np.allclose(found["values"], [largest[i] for i in order], atol=1e-5)
    assert found["items"].tolist() == order
    for i, item in enumerate(order):
        row, column = divmod(int(maps[item].argmax()), 8)
        assert found["places"][i].tolist() == [row, column]
        assert found["boxes"][i].tolist() == [row - 2, column - 2, row + 3, column + 3]
        for r in range(5):
            for c in range(5):
                y, x = row - 2 + r, column - 2 + c
                inside = 0 <= y < 8 and 0 <= x < 8
                looks = model.lens().images(data.images[order])[0][i, 0]
                assert found["patches"][i, 0, r, c] == (looks[y, x] if inside else 0.5)
    means = [np.mean([v for v, k in zip(largest, data.labels, strict=True) if k == c])
             for c in range(2)]  # fmt: skip
    assert np.allclose(found["class_means"], means, atol=1e-5)
    check_picture(found.picture)


def test_the_gradient_is_what_the_first_patch_owes() -> None:
    model, data = digits(), stripes(20)
    found = model.lens().unit("conv2", 3, data=data, steps=0)
    x = data.images[found["items"][0]].astype(np.float32)
    row, column = found["places"][0]
    top, left = found["boxes"][0][:2]
    whole = np.zeros((1, 8, 8), np.float32)
    for r in range(5):
        for c in range(5):
            if 0 <= top + r < 8 and 0 <= left + c < 8:
                whole[0, top + r, left + c] = found["gradient"][0, r, c]
    size = float((whole**2).sum())
    step = 1e-3 / size
    moved, still = (
        float(model.activations(image)["conv2"][0, 3, row, column])
        for image in (x + step * whole, x - step * whole)
    )
    assert moved - still == pytest.approx(2e-3, rel=0.02)


def test_a_percentile_is_of_the_largest_number_in_each_image() -> None:
    model, data = digits(), stripes(60)
    found = model.lens().unit("conv1", 2, data=data, steps=40)
    image = found["maximised"]
    reached = float(model.activations(image)["conv1.relu"][0, 2].max())
    share = np.mean([float(m) < reached for m in found["maxima"]])
    text = found.picture.text()
    assert f"percentile {100 * share:.1f}" in text or (share == 1 and "× the largest" in text)
    assert "percentiles of the largest number in its map for each image" in found.caption
    check_picture(found.picture)


def test_units_of_all_kinds_have_a_page() -> None:
    model, data = digits(), stripes(30)
    model.classes = ("down", "across", *map(str, range(2, 10)))
    lens = model.lens()
    dense = lens.unit("logits", "across", data=data, steps=5)
    assert dense.facts["unit"] == "logits[1]"
    with pytest.raises(cnn.LensError, match="only classes have names, found 'across' of 'pool'"):
        lens.unit("pool", "across", data=data)
    assert dense["patches"].shape == (9, 1, 8, 8) and dense["incoming"].shape == (6, 4, 4)
    assert "'across'" in dense.caption or "'down'" in dense.caption
    check_picture(dense.picture)
    pooled = lens.unit("pool", 4, data=data.images, steps=0)
    assert "incoming" not in pooled.arrays and "class_means" not in pooled.arrays
    check_picture(pooled.picture)
    one, two = (model.lens(threads=t).unit("conv2", 1, data=data, steps=12) for t in (1, 2))
    assert one.svg() == two.svg()


def test_a_dead_unit_is_refused() -> None:
    model, data = digits(), stripes(12)
    bias = np.zeros(32, np.float32)
    bias[7] = -99
    model.set_parameters({"conv2.bias": bias})
    with pytest.raises(cnn.LensError, match=r"conv2\[7\] answers 0 to all 12 images: it is dead"):
        model.lens().unit("conv2", 7, data=data)
    with pytest.raises(cnn.LensError, match="from 0 to 31 among the 32 channels of 'conv2'"):
        model.lens().unit("conv2", 32, data=data)
    model.set_parameters({"conv2.bias": np.full(32, np.nan, np.float32)})
    with pytest.raises(cnn.LensError, match="numbers of unit 7 of 'conv2' are NaN"):
        model.lens().unit("conv2", 7, data=data)
