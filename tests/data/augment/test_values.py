"""What transforms compute, beside SciPy, PyTorch, colorsys and plain loops."""

import colorsys
import math

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data.augment.colour import turned
from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.mix import beta
from graphcnn.data.augment.noise import normal
from graphcnn.data.augment.plane import Map
from graphcnn.data.augment.warp import sample

A = cnn.augment


def draws(n: int = 64, seed: int = 0) -> Draw:
    return Draw(seed, 0, np.arange(n), np.zeros(n, int))


def images(n: int = 64, shape: tuple[int, ...] = (3, 9, 7)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def turned_and_scaled() -> Map:
    """About the centre of 5×6 pixels."""
    c, d = math.cos(math.radians(25)) / 1.3, math.sin(math.radians(25)) / 1.3
    a, b, e = c * 1.3 * 1.2, d * 1.3, c * 1.3 * 1.2
    source = a, b, 2.9 - a * 2.5 - b * 2, -b, e, 1.7 + b * 2.5 - e * 2
    return Map(*(np.array([each]) for each in source))


#: torch.nn.functional.grid_sample(..., align_corners=True) in float64 at the same places.
TORCH = {
    "zero": [0.16863345, 0.20156822, 0.35392571, 0.25924832, 0, 0, 0.56277938, 0.42145074,
             0.46546456, 0.86622052, 0.25624111, 0.24368833, 0.60187972, 0.74390703, 0.40219413,
             0.5878533, 0.23488068, 0.16327718, 0.53860929, 0.54341793, 0.33892369, 0.76180817,
             0.18735799, 0, 0.04404556, 0.42795781, 0.26618265, 0.59696097, 0.12986794, 0],
    "reflect": [0.30974847, 0.20156822, 0.43279697, 0.70200208, 0.33213614, 0.32075433, 0.7352681,
                0.42145074, 0.46546456, 0.86622052, 0.25796197, 0.40224565, 0.60187972, 0.74390703,
                0.40219413, 0.5878533, 0.23488068, 0.23153269, 0.53860929, 0.54341793, 0.33892369,
                0.76180817, 0.18735799, 0.67525701, 0.78850325, 0.49268272, 0.30708883, 0.59696097,
                0.38723599, 0.61256858],
    "edge": [0.5021242, 0.20156822, 0.48076598, 0.82681077, 0.45555091, 0.47344581, 0.74200431,
             0.42145074, 0.46546456, 0.86622052, 0.26187047, 0.54545455, 0.60187972, 0.74390703,
             0.40219413, 0.5878533, 0.23488068, 0.42846285, 0.53860929, 0.54341793, 0.33892369,
             0.76180817, 0.18735799, 0.23072297, 0.64473601, 0.87172181, 0.29137104, 0.59696097,
             0.20831885, 0.03298308],
}  # fmt: skip
#: With mode="nearest", of the numbers 0..22 themselves.
TORCH_NEAREST = [
    0, 0, 14, 0, 0, 0, 15, 3, 10, 21, 5, 12, 11, 22, 6, 17, 8, 0, 14, 2, 9, 16, 4, 0, 0, 0, 5, 12,
    0, 0,
]  # fmt: skip


@pytest.mark.parametrize("mode", TORCH)
def test_warps_are_those_of_pytorch(mode):
    x = (np.arange(30).reshape(1, 1, 5, 6) * 7 % 23).astype(np.float32)
    found = sample(x / 22, turned_and_scaled(), mode)
    np.testing.assert_allclose(found.ravel(), TORCH[mode], atol=2e-6)
    if mode == "zero":
        near = sample(x, turned_and_scaled(), mode, nearest=True)
        assert near.ravel().astype(int).tolist() == TORCH_NEAREST
        outside = sample(x, turned_and_scaled(), mode, outside=99, nearest=True).ravel()
        assert outside[:6].tolist() == [99, 0, 14, 99, 99, 99]  # a pixel of the image is 0


@pytest.mark.parametrize("mode", ["zero", "reflect", "edge"])
def test_composed_maps_are_one_warp_of_scipy(mode):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = images().astype(np.float32) / 255
    chain = A.rotation(180, mode), A.scale(0.5, mode), A.shift(5.5, mode), A.shear(40, mode)
    data = cnn.data.Dataset(x, np.zeros(len(x), int), ("a",)).augmented(*chain)
    ((found, _),) = data.epoch(0, 0, 64, shuffle=False)
    total = np.broadcast_to(np.eye(3), (64, 3, 3))
    for place, part in enumerate(chain):
        m = part.around_centre((9, 7), draws().at(place))
        rows = np.stack([m.a, m.b, m.c, m.d, m.e, m.f, *np.zeros((2, 64)), np.ones(64)], -1)
        total = rows.reshape(64, 3, 3) @ total
    names = {"zero": "grid-constant", "reflect": "mirror", "edge": "nearest"}
    y, x_ = np.mgrid[:9, :7]
    for i, back in enumerate(np.linalg.inv(total)):
        sx, sy, _ = np.einsum("ij,jhw->ihw", back, np.stack([x_, y, np.ones((9, 7))]))
        for c in range(3):
            want = ndimage.map_coordinates(
                x[i, c].astype(float), [sy, sx], order=1, mode=names[mode]
            )
            np.testing.assert_allclose(found[i, c], want, atol=3e-5)


def test_maps_are_what_they_say():
    d, n = draws(4000), 4000
    m = A.rotation(30).drawn((9, 7), d)
    angle = np.rad2deg(np.arctan2(m.d, m.a))
    np.testing.assert_allclose(m.a * m.e - m.b * m.d, 1)
    assert -30 <= angle.min() < -29 and 29 < angle.max() <= 30 and abs(angle.mean()) < 1
    m = A.scale(0.2).drawn((9, 7), d)
    assert 0.8 <= m.a.min() < 0.801 and 1.199 < m.a.max() < 1.2 and np.array_equal(m.a, m.e)
    m = A.shift(2.5).drawn((9, 7), d)
    assert (
        -2.5 <= m.c.min() < -2.4
        and 2.4 < m.f.max() < 2.5
        and abs(np.corrcoef(m.c, m.f)[0, 1]) < 0.1
    )
    slant = A.shear(10).drawn((9, 7), d).b
    assert abs(slant).max() <= math.tan(math.radians(10)) and abs(slant).max() > 0.17
    m = A.random_resized_crop((0.25, 0.5), (0.5, 2)).around_centre((20, 30), d)
    width, height = 30 / m.a, 20 / m.e
    assert ((0.22 < width * height / 600) & (width * height / 600 < 0.5 + 1e-9)).mean() > 0.95
    back = m.inverse()
    x0, y0 = back.of(np.full((n, 1), -0.5), np.full((n, 1), -0.5))  # the corner of the result
    x1, y1 = back.of(np.full((n, 1), 29.5), np.full((n, 1), 19.5))
    assert (
        min(x0.min(), y0.min()) >= -0.5 - 1e-9
        and x1.max() <= 29.5 + 1e-9
        and y1.max() <= 19.5 + 1e-9
    )


@pytest.mark.parametrize(
    ("mode", "pad"), [("zero", "constant"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_crops_are_windows_of_the_padded_image(mode, pad):
    x = images()
    found = A.crop(4, mode).images(x, draws())
    seen = set()
    for before, after in zip(x, found, strict=True):
        wide = np.pad(before, [(0, 0), (4, 4), (4, 4)], pad)
        where = [
            (t, s) for t in range(9) for s in range(9)
            if np.array_equal(wide[:, t : t + 9, s : s + 7], after)
        ]  # fmt: skip
        assert len(where) == 1
        seen |= set(where)
    assert len(seen) > 40 and {0, 8} <= {t for t, _ in seen} & {s for _, s in seen}


def test_mirrors():
    x = images(400)
    for transform, mirrored in (
        (A.flip(0.25), x[..., ::-1]),
        (A.flip_vertical(0.25), x[:, :, ::-1]),
    ):
        found = transform.images(x, draws(400))
        chosen = (found == mirrored).all((1, 2, 3))
        assert 70 < chosen.sum() < 130 and np.array_equal(found[~chosen], x[~chosen])


def test_hue_is_that_of_colorsys():
    x = images(20, (3, 4, 5)).astype(np.float32) / 255
    x[0] = 0.5  # grey has no hue, and keeps its colour
    turns = np.linspace(-0.5, 0.5, 20, dtype=np.float32)
    found = turned(x, turns[:, None, None])
    for i, y, z in np.ndindex(20, 4, 5):
        h, s, v = colorsys.rgb_to_hsv(*map(float, x[i, :, y, z]))
        want = colorsys.hsv_to_rgb((h + float(turns[i])) % 1, s, v)
        np.testing.assert_allclose(found[i, :, y, z], want, atol=2e-6)


def test_light_and_colours_are_mixed_with_grey():
    x, d = images(6, (3, 4, 5)), draws(6)
    f = [1 + 0.5 * (2 * u - 1) for u in d.uniform(4)]
    grey = np.tensordot(x, [0.299, 0.587, 0.114], (1, 0))[:, None]
    middle = grey.mean((1, 2, 3), keepdims=True)
    for transform, k, other in (
        (A.brightness(0.5), 0, 0), (A.contrast(0.5), 1, middle), (A.saturation(0.5), 2, grey),
    ):  # fmt: skip
        factor = f[k][:, None, None, None]
        want = np.clip(x * factor + other * (1 - factor), 0, 255)
        found = transform.images(x, d)
        assert found.dtype == np.uint8 and np.abs(found - want).max() <= 0.501
        floats = transform.images(x.astype(np.float32), d)
        assert floats.dtype == np.float32 and np.abs(np.clip(floats, 0, 255) - want).max() < 1e-3
    assert A.brightness(0.5).images(x[:, :1], d).shape == (6, 1, 4, 5)


def test_noise_is_normal_and_rounded():
    stats = pytest.importorskip("scipy.stats")
    grain = normal(draws(16), 4001)
    assert grain.shape == (16, 4001) and grain.dtype == np.float32
    assert stats.kstest(grain.ravel(), "norm").pvalue > 0.01
    grey = np.full((8, 1, 30, 31), 100, np.uint8)
    found = A.noise(0.1).images(grey, draws(8))
    assert abs(found.std() - 25.5) < 1 and abs(found.mean() - 100) < 1
    floats = A.noise(0.1).images(np.zeros((8, 1, 30, 31), np.float32), draws(8))
    assert abs(floats.std() - 0.1) < 0.01 and floats.min() < 0


def test_holes():
    x = np.full((500, 2, 12, 10), 200, np.uint8)
    found = A.cutout(4, fill=(0.1, 0.2)).images(x, draws(500))
    hole = found[:, 0] != 200
    sizes = hole.sum((1, 2))
    assert sizes.max() == 16 and sizes.min() >= 4 and (sizes < 16).any()  # cut at the edges
    assert set(np.unique(found[:, 0])) == {26, 200} and set(np.unique(found[:, 1])) == {51, 200}
    found = A.random_erasing(0.5, (0.1, 0.3), (0.5, 2), 0).images(x, draws(500))
    hole = (found == 0).all(1)
    share = hole.mean((1, 2))
    some = share > 0
    assert 200 < some.sum() < 300 and 0.07 < share[some].min() and share.max() < 0.34
    rows, columns = hole.any(2), hole.any(1)
    assert np.array_equal(hole, rows[:, :, None] & columns[:, None, :])
    grain = A.random_erasing(1, (0.5, 0.5), (1, 1), "noise").images(x, draws(500))
    inside = grain[grain != 200]
    assert 120 < inside.mean() < 135 and inside.min() == 0 and inside.max() == 255


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 3.0])
def test_shares_are_of_the_beta_distribution(alpha):
    stats = pytest.importorskip("scipy.stats")
    found = beta(alpha, *draws(20000).uniform(2))
    assert stats.kstest(found, stats.beta(alpha, alpha).cdf).pvalue > 0.01
