"""Codes: principal components by their definition, every image once on the grid."""

import sys
from itertools import permutations

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.lens.study.projection import on_grid, principal_components
from graphcnn.models import MODELS


def test_principal_components_are_those_of_the_covariance() -> None:
    x = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([5, 3, 2, 1, 0.5, 0.1])
    points, shares = principal_components(x.astype(np.float32), "x")
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    assert np.allclose(shares, values[::-1] / values.sum(), atol=1e-6)
    for axis in range(2):
        loading = vectors[:, -1 - axis]
        loading = loading * np.sign(loading[np.abs(loading).argmax()])
        assert np.allclose(points[:, axis], centred @ loading, atol=1e-4)


def test_each_image_has_a_cell_and_together_they_move_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = np.random.default_rng(2).random((7, 2))
    found, how = on_grid(points)
    if "assignment" in how:
        unit = (points - points.min(0)) / np.ptp(points, 0)
        places = np.stack([(1 - unit[:, 1]) * 2, unit[:, 0] * 2], 1)  # three rows, three columns
        cells = [(r, c) for r in range(3) for c in range(3)]
        least = min(
            sum(((p - q) ** 2).sum() for p, q in zip(places, each, strict=True))
            for each in permutations(cells, 7)
        )
        assert ((places - found) ** 2).sum() == pytest.approx(least)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    plain, how = on_grid(points)
    assert "in columns" in how
    for places in (found, plain):
        assert len({*map(tuple, places.tolist())}) == 7 and places.max() == 2
    left = [points[plain[:, 1] == column, 0] for column in range(3)]
    assert left[0].max() < left[1].min() and left[1].max() < left[2].min()


def test_codes_are_the_activations_before_the_scores() -> None:
    model, data = MODELS["digits_cnn"]().initialize(0), stripes(30)
    found = model.lens().codes(data, most=11)
    assert found["items"].tolist() == [k * 30 // 11 for k in range(11)]
    x = data.images[found["items"][4]]
    assert np.allclose(found["codes"][4], model.activations(x)["pool"].ravel(), atol=1e-5)
    check_picture(found.picture)
    check_picture(model.lens().codes(data.images, "conv1").picture)
    one, two = (model.lens(threads=t).codes(data).svg() for t in (1, 2))
    assert one == two


def test_neighbours_are_found_without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    model, data = small().initialize(0), stripes(40)
    one, two = (model.lens().codes(data, method="tsne") for _ in range(2))
    assert (one["points"] == two["points"]).all()
    check_picture(one.picture)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(cnn.MissingExtraError, match="digits"):
        model.lens().codes(data, method="tsne")


def test_codes_that_tell_nothing_apart_are_refused() -> None:
    model = MODELS["digits_cnn"]().initialize(0)
    with pytest.raises(cnn.LensError, match="method is one of pca, tsne, found 'umap'"):
        model.lens().codes(stripes(9), method="umap")
    with pytest.raises(cnn.LensError, match="needs at least 4 images, found 3"):
        model.lens().codes(stripes(3))
    model.set_parameters({"conv2.bias": np.full(32, -99, np.float32)})
    with pytest.raises(cnn.LensError, match="'pool' answers the same to all images"):
        model.lens().codes(stripes(9))
