import numpy as np
import pytest

from graphcnn.data.normalisation import Normalisation, check_images, check_labels, check_targets
from graphcnn.errors import DataError

GREY = np.zeros((2, 1, 4, 3), np.float32)


def test_uint8_is_scaled_and_then_normalised_per_channel():
    n = Normalisation((0.5, 0.0), (0.25, 1.0))
    y = n.apply(np.array([[[[255]], [[51]]]], np.uint8))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.reshape(-1), [(1 - 0.5) / 0.25, 51 / 255], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_not_scaled_and_become_float32(dtype):
    y = Normalisation((0.5,), (0.25,)).apply(np.full((1, 3, 1, 1), 0.75, dtype))
    assert y.dtype == np.float32 and np.all(y == 1.0)


def test_uint8_and_its_float_form_mean_the_same():
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    n = Normalisation((0.1307,), (0.3081,))
    np.testing.assert_allclose(n.apply(x), n.apply(x / 255), atol=1e-6)


def test_apply_leaves_its_argument_alone():
    x = np.full((1, 1, 2, 2), 0.5, np.float32)
    Normalisation((0.5,), (0.5,)).apply(x)
    assert np.all(x == 0.5)


def test_measured_on_uint8_and_on_floats():
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 4)).astype(np.uint8)
    x[:, 2] = 7
    for images in (x, (x / 255).astype(np.float32)):
        n = Normalisation.of(images)
        np.testing.assert_allclose(n.mean, (x / 255).mean((0, 2, 3)), atol=1e-6)
        np.testing.assert_allclose(n.std[:2], (x / 255).std((0, 2, 3))[:2], atol=1e-6)
    assert Normalisation.of(x).std[2] == 1.0  # a channel that never changes


def test_json_round_trip_is_exact():
    n = Normalisation((0.1, 1 / 3), (0.7, 2 / 3), 1 / 16)
    assert Normalisation.from_json(n.to_json()) == n


@pytest.mark.parametrize("text", ["", "[1]", "{}x", '{"mean": [0], "std": [0]}', '{"m": 1}'])
def test_json_that_is_no_normalisation(text):
    with pytest.raises(DataError, match="not a normalisation"):
        Normalisation.from_json(text)


@pytest.mark.parametrize(
    ("mean", "std", "match"),
    [
        ((0.0, 0.0), (1.0,), "found 2 means and 1 stds"),
        ((), (), "found 0 means"),
        ((0.0,), (0.0,), "greater than 0"),
        ((np.nan,), (1.0,), "must be finite"),
    ],
)
def test_constants_that_are_refused(mean, std, match):
    with pytest.raises(DataError, match=match):
        Normalisation(mean, std)


def test_other_number_of_channels():
    with pytest.raises(DataError, match=r"has 3 channels, found .* \(2, 1, 4, 3\)"):
        Normalisation((0.0,) * 3, (1.0,) * 3).apply(GREY)


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "complex64", "U3", "object"])
def test_other_element_types_are_refused(dtype):
    x = np.zeros((2, 1, 4, 3), dtype)
    for use in (Normalisation().apply, check_images):
        with pytest.raises(DataError, match=r"must be uint8 \(0..255\) or float .* found"):
            use(x)


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
def test_numbers_that_are_not_finite_name_the_first_image(value, word):
    x = np.zeros((9, 1, 4, 3), np.float64)
    x[5, 0, 2, 1] = x[7] = value
    for use in (Normalisation().apply, check_images):
        with pytest.raises(DataError, match=rf"image 5 holds .*{word}.* at \(0, 2, 1\)"):
            use(x)


def test_float64_beyond_float32_is_not_finite():
    with pytest.raises(DataError, match="image 0 holds an infinite number"):
        check_images(np.full((1, 1, 1, 1), 1e300))


def test_images_of_the_right_shape_pass_unchanged():
    x = np.zeros((2, 3, 4, 5), np.uint8)
    assert check_images(x, (3, 4, 5)) is x
    assert check_images(x) is x


def test_grey_images_get_their_channel_axis():
    assert check_images(np.zeros((2, 4, 3)), (1, 4, 3)).shape == (2, 1, 4, 3)
    assert check_images(np.zeros((2, 4, 3))).shape == (2, 1, 4, 3)


@pytest.mark.parametrize(
    ("found", "shape", "match"),
    [
        ((2, 1, 5, 3), (1, 4, 3), r"must be \(n, 1, 4, 3\), found \(2, 1, 5, 3\)$"),
        ((2, 5, 3), (1, 4, 3), r"must be \(n, 1, 4, 3\), found \(2, 5, 3\)$"),
        ((3, 4, 5), (3, 4, 5), r"found \(3, 4, 5\); a single image is passed as image\[None\]"),
        ((4, 3), (1, 4, 3), r"image\[None\]"),
        ((4, 3), None, r"\(n, channels, height, width\), found \(4, 3\); .*image\[None\]"),
        ((2, 4, 5, 3), (3, 4, 5), r"transpose\(0, 3, 1, 2\)"),
        ((7,), (3, 4, 5), r"found \(7,\)$"),
        ((0, 3, 4, 5), (3, 4, 5), "no images"),
        ((0, 3, 4, 5), None, "no images"),
    ],
)
def test_images_of_another_shape(found, shape, match):
    with pytest.raises(DataError, match=match):
        check_images(np.zeros(found, np.float32), shape)


def test_ragged_images():
    with pytest.raises(DataError, match="one common shape"):
        check_images([[[1.0, 2.0]], [[1.0]]])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
def test_labels_become_int64(dtype):
    labels = check_labels(np.array([0, 2, 1], dtype), 3)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0.0, 1.0], r"must be integers \(class numbers 0..2\), found float64"),
        ([True, False], "found bool"),
        (["a", "b"], "must be integers"),
        ([[1], [1, 2]], "must be integers"),
        ([0, 1, 3, 9], r"label 3 in row 2 is out of range: 3 classes have the labels 0..2"),
        ([0, -1], "label -1 in row 1"),
        ([[0, 1, 0]], r"found \(1, 3\); one-hot rows .*argmax\(axis=1\)"),
        ([[0], [1]], r"shape \(n,\) or \(n, height, width\), found \(2, 1\)$"),
    ],
)
def test_labels_that_are_refused(labels, match):
    with pytest.raises(DataError, match=match):
        check_labels(labels, 3)


def test_targets():
    assert check_targets([[0.5, 1.0]]).dtype == np.float32
    with pytest.raises(DataError, match=r"target 1 holds NaN at \(0,\)"):
        check_targets([[0.5], [np.nan]])
    with pytest.raises(DataError, match="found int64"):
        check_targets([1, 2])
