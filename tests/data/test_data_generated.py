"""The sets that need no files: digits of scikit-learn, generated X and O, and `load`."""

import sys

import numpy as np
import pytest
from support.data_files import picture, real

from graphcnn.data import digits, load, xo
from graphcnn.data.specs import SPECS
from graphcnn.data.strokes import xo_pair
from graphcnn.errors import DataError, MissingExtraError

STILL = {"shift": 0, "scale": 0, "rotation": 0, "deformation": 0, "noise": 0}


def test_digits():
    pytest.importorskip("sklearn")
    train, test = digits()
    assert train.images.shape == (1438, 1, 8, 8) and test.images.shape == (359, 1, 8, 8)
    assert train.images.dtype == np.float32
    assert train.images.min() == 0 and train.images.max() == 1
    assert train.classes == tuple("0123456789")
    assert np.ptp(np.bincount(test.labels)) <= 2
    assert np.array_equal(test.images, digits()[1].images)
    assert not np.array_equal(test.images, digits(seed=1)[1].images)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"'scikit-learn'.*graphcnn\[digits\]"):
        digits()


def test_xo_undistorted_is_the_classical_picture():
    o, x = (xo(2, size=9, **STILL).images[:, 0] > 0.5).astype(int)
    inner = np.eye(7, dtype=int) | np.eye(7, dtype=int)[::-1]
    np.testing.assert_array_equal(x, np.pad(inner, 1))
    np.testing.assert_array_equal(o, o.T)
    np.testing.assert_array_equal(o, o[::-1])
    assert o[4].tolist() == [0, 1, 0, 0, 0, 0, 0, 1, 0] and o[3:6, 3:6].sum() == 0


@pytest.mark.parametrize("size", [9, 10, 17, 32])
def test_xo_shapes_and_range(size):
    data = xo(7, size=size)
    assert data.images.shape == (7, 1, size, size) and data.images.dtype == np.float32
    assert data.images.min() >= 0 and 0.5 < data.images.max() <= 1
    assert data.classes == ("O", "X") and data.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_xo_sample_depends_on_seed_and_index_alone():
    long, short = xo(600, 3).images, xo(5, 3).images  # 600 are drawn in two chunks
    assert np.array_equal(long[:5], short)
    assert np.array_equal(long, xo(600, 3).images)
    assert len({image.tobytes() for image in long}) == 600
    others = [xo(5, seed).images[4].tobytes() for seed in (3, 4, 2**32 + 3, 2**63 + 3)]
    assert len(set(others)) == 4


@pytest.mark.parametrize("kind", STILL)
def test_every_distortion_changes_the_pictures_and_none_does_not(kind):
    still = xo(4, 0, **STILL).images
    assert np.array_equal(still[0], still[2]) and np.array_equal(still[1], still[3])
    moved = xo(4, 0, **(STILL | {kind: 20.0 if kind == "rotation" else 0.2})).images
    changed = [not np.array_equal(a, b) for a, b in zip(still, moved, strict=True)]
    assert changed == [kind != "rotation", True] * 2  # an O that turns stays as it is


def test_xo_noise_and_shift_keep_to_their_bounds():
    still, noisy = xo(50, **STILL).images, xo(50, **(STILL | {"noise": 0.25})).images
    assert 0.2 < np.abs(noisy - still).max() <= 0.25 + 1e-6
    moved = xo(50, size=30, **(STILL | {"shift": 0.1})).images
    rows = np.arange(30)
    centres = (moved.sum(3)[:, 0] @ rows) / moved.sum((1, 2, 3)) - 14.5
    assert 2 < np.abs(centres).max() < 3.1


def test_xo_pair_and_its_default_share():
    train, test = xo_pair(50, 1)
    assert (len(train), len(test)) == (50, 10)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)


@pytest.mark.parametrize(
    "options",
    [{"n": 0}, {"size": 8}, {"noise": -0.1}, {"scale": 1.0}, {"rotation": -1}],
)
def test_xo_refuses(options):
    with pytest.raises(DataError, match="xo"):
        xo(**options)


def test_load_every_spelling(mnist_folder, store):
    assert load(f"mnist:{mnist_folder}")[0].name == "mnist train"
    path = store({f"{part}/a/0.png": picture(0, format="PNG") for part in ("train", "test")})
    assert load(f"images:{path}")[0].classes == ("a",)
    np.savez(path / "a:b.npz", x=np.zeros((5, 1, 2, 2)), y=np.zeros(5, int))
    assert len(load(f"npz:{path / 'a:b.npz'}")[0]) == 4
    train, test = load("xo:n=20,size=12,seed=3")
    assert (len(train), len(test)) == (20, 4)
    assert np.array_equal(train.images, xo(20, 3, 12).images)
    assert load("xo")[0].images.shape == (1000, 1, 16, 16)
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(f"cifar10:{path / 'nowhere'}")


def test_load_digits():
    pytest.importorskip("sklearn")
    assert len(load("digits")[0]) == 1438


def test_load_real_mnist():
    assert len(load(f"mnist:{real('mnist')}")[1]) == 10000


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("minst:x", "unknown data set 'minst'; did you mean 'mnist'.*mnist:DIR.*xo"),
        (
            "",
            "unknown data set ''.*digits, mnist:DIR, cifar10:PATH, images:PATH, npz:FILE, parquet",
        ),
        ("mnist", "'mnist' must be spelled mnist:DIR"),
        ("npz:", "must be spelled npz:FILE"),
        ("digits:3", "'digits:3' must be spelled digits"),
        ("xo:m=3", "option 'm=3' of xo must be one of n, size, seed with an integer"),
        ("xo:n=many", "option 'n=many'"),
        ("xo:n=0", "n of at least 1"),
    ],
)
def test_load_refuses(spec, match):
    with pytest.raises(DataError, match=match):
        load(spec)


def test_specs_are_spelled_by_their_names():
    assert all(spec.form.startswith(name) for name, spec in SPECS.items())


@pytest.mark.parametrize(("n", "size"), [(10**12, 9), (10, 10**6)])
def test_more_pictures_than_memory_are_refused_at_once(n, size):
    with pytest.raises(DataError, match=r"needs .* bytes, limit 4294967296"):
        load(f"xo:n={n},size={size}")
