"""Resize and Upsample of ONNX: the pixels and weights that every deployed runtime takes.

Right values stand here as numbers; ONNX Runtime is asked for many more.
"""

from itertools import product

import numpy as np
import pytest
from onnx import helper
from support.evaluate import evaluate
from support.exported_networks import Net

import graphcnn as cnn
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.rules.image.interpolation import HALF, Axis, coordinates

PIXELS = (
    "half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
)  # fmt: skip
NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
SCALES = tuple(round(0.1 * k, 1) for k in range(1, 34))
SIZES = (1, 2, 3, 4, 5, 7, 10, 16, 31)


def resized(x, scales=None, sizes=None, opset=13, op="Resize", roi=None, **how):
    """The file of one node."""
    net = Net(opset=opset)
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    given = [None if scales is None else np.array(scales, np.float32)]
    if opset > 10:
        given = [roi, *given, None if sizes is None else np.array(sizes, np.int64)]
    while given[-1] is None:
        given.pop()
    inputs = ["" if a is None else net.const(a) for a in given]
    net.output(net.op(op, net.input("x", *x.shape, kind=kind), *inputs, **how), kind)
    return net.model().SerializeToString()


def ours(file, x):
    found = import_graph(file)
    (y,) = evaluate(found.graph, {"x": x}, found.states).values()
    return y


def theirs(file, x):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(file, options).run(None, {"x": x})[0]


def row(count, scale, **how):
    x = np.arange(count, dtype=np.float32).reshape(1, 1, 1, count)
    return ours(resized(x, [1, 1, 1, scale], **how), x).reshape(-1)


@pytest.mark.parametrize(("count", "scale", "pixels"), [
    (10, 0.2, [0, 5]), (5, 0.6, [0, 1, 3]), (10, 0.3, [0, 3, 6]),
    (7, 1.3, [0, 0, 1, 2, 3, 3, 4, 5, 6]),
])  # fmt: skip
def test_nearest_pixels_of_pytorchs_exporter(count, scale, pixels):
    """A scale is a float32 number, and what is divided by it: 1 / 0.2 is 5."""
    how = {
        "mode": "nearest",
        "nearest_mode": "floor",
        "coordinate_transformation_mode": "asymmetric",
    }
    assert row(count, scale, **how).tolist() == pixels


@pytest.mark.parametrize(("mode", "expected"), [
    ("linear", [0.0, 0.6, 1.2, 1.8, 2.4, 3.0]),
    ("cubic", [0.0, 0.504, 1.248, 1.752, 2.496, 3.0]),
])  # fmt: skip
def test_corners_are_those_of_the_pixels_that_there_are(mode, expected):
    """4 pixels times 1.7 are 6: the last one is pixel 3, and not 2.6 pixels from the first."""
    found = row(4, 1.7, mode=mode, coordinate_transformation_mode="align_corners")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_pixel_that_holds_the_centre():
    """What Keras writes."""
    how = {"mode": "nearest", "nearest_mode": "floor"}
    how["coordinate_transformation_mode"] = "tf_half_pixel_for_nn"
    assert row(7, 2.0, **how).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert row(10, 0.3, **how).tolist() == [1, 5, 8]


def test_the_middle_of_two_pixels():
    """1/2 divided by a seventh is 3.4999998 in float32, and means 3.5."""
    x = np.arange(7, dtype=np.float32).reshape(1, 1, 1, 7)
    how = {"mode": "nearest", "coordinate_transformation_mode": "tf_half_pixel_for_nn"}
    for mode, pixel in [("round_prefer_ceil", 4), ("round_prefer_floor", 3)]:
        file = resized(x, sizes=[1, 1, 1, 1], nearest_mode=mode, **how)
        assert ours(file, x).item() == pixel


def test_an_image_of_one_pixel():
    for pixels in PIXELS:
        for mode in ("linear", "cubic"):
            found = row(1, 3.3, mode=mode, coordinate_transformation_mode=pixels)
            np.testing.assert_allclose(found, [0.0] * 3, atol=1e-7)
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    for pixels, expected in [
        ("pytorch_half_pixel", 0.0),
        ("half_pixel", 2.0),
        ("align_corners", 0),
    ]:
        how = {"mode": "linear", "coordinate_transformation_mode": pixels}
        assert ours(resized(x, sizes=[1, 1, 1, 1], **how), x).item() == expected


def test_before_opset_11_shrinking_images_round_up():
    assert row(10, 0.6, opset=10, mode="nearest").tolist() == [0, 2, 4, 5, 7, 9]
    assert row(4, 1.5, opset=10, mode="nearest").tolist() == [0, 0, 1, 2, 2, 3]


def test_an_image_that_keeps_its_size_is_kept():
    for mode in ("nearest", "linear", "cubic"):
        assert row(5, 1.1, mode=mode).tolist() == [0, 1, 2, 3, 4]


def test_infinity_stays_one_pixel():
    """Nearest pixels are copied, and not multiplied by a matrix of zeros and ones."""
    x = np.array([1, np.inf, 3, np.nan, 5], np.float32).reshape(1, 1, 1, 5)
    y = ours(resized(x, [1, 1, 1, 1.7], mode="nearest"), x).reshape(-1)
    np.testing.assert_array_equal(y, [1, 1, np.inf, 3, 3, np.nan, np.nan, 5])


def test_integers_of_any_type_are_copied_exactly():
    x = (np.arange(5, dtype=np.int64) + (1 << 53) + 1).reshape(1, 1, 1, 5)
    y = ours(resized(x, [1, 1, 1, 2.4], mode="nearest"), x).reshape(-1)
    assert set(y.tolist()) == set(x.reshape(-1).tolist()) and y[0] == x.min()


def cases(scales, sizes):
    """Name, mode, attributes, array, scales or sizes: every mode, in both ways."""
    rng = np.random.default_rng(0)
    for mode, pixels in product(("nearest", "linear", "cubic"), PIXELS):
        for rounding in NEAREST if mode == "nearest" else (None,):
            how = {"mode": mode, "coordinate_transformation_mode": pixels}
            how |= {"nearest_mode": rounding} if rounding else {}
            for scale, size in product(scales, sizes):
                new = int(np.floor(np.float32(size) * np.float32(scale)))
                if new:
                    x = rng.normal(size=(1, 1, 2, size)).astype(np.float32)
                    yield how, x, {"scales": [1, 1, 2, scale]}, np.float32(scale)
                    yield how, x, {"sizes": [1, 1, 2, new]}, np.float32(new) / np.float32(size)


def unsure(how, size, new, scale):
    """Whether a pixel lies so near to the middle of two that releases of ONNX Runtime differ."""
    if not how.get("nearest_mode", "").startswith("round"):
        return False
    at = coordinates(Axis(size, new, scale), how["coordinate_transformation_mode"])
    off = np.abs(at - np.floor(at) - 0.5)
    return bool(((off > 0) & (off <= 2 * HALF)).any())


def compare(every, scales=SCALES, sizes=SIZES):
    wrong, count = [], 0
    for number, (how, x, to, scale) in enumerate(cases(scales, sizes)):
        if number % every:
            continue
        file = resized(x, **to, **how)
        expected, found = theirs(file, x), ours(file, x)
        if unsure(how, x.shape[3], found.shape[3], scale):
            continue
        count += 1
        exact = how["mode"] == "nearest"
        if found.shape != expected.shape or not (
            np.array_equal(found, expected) if exact else np.allclose(found, expected, 1e-4, 2e-5)
        ):
            wrong.append((how, to, x.shape))
    assert count and not wrong, (len(wrong), count, wrong[:5])


def test_some_of_all_against_onnx_runtime():
    compare(97)


@pytest.mark.sweep
def test_all_against_onnx_runtime():
    compare(1)


def test_with_antialias_against_onnx_runtime():
    rng = np.random.default_rng(1)
    for mode, exclude, scale in product(("linear", "cubic"), (0, 1), (0.3, 0.45, 0.8, 1.7)):
        x = rng.normal(size=(1, 2, 4, 17)).astype(np.float32)
        how = {"mode": mode, "antialias": 1, "exclude_outside": exclude, "opset": 18}
        file = resized(x, [1, 1, 1.1, scale], **how)
        np.testing.assert_allclose(ours(file, x), theirs(file, x), 1e-4, 2e-5)


def test_integers_with_antialias_are_rounded_into_their_range():
    """A sharp edge overshoots: 255 stays 255."""
    x = np.repeat(np.array([0, 255, 0, 255], np.uint8), 4).reshape(1, 1, 1, 16)
    for mode in ("linear", "cubic"):
        file = resized(x, [1, 1, 1, 0.6], opset=18, mode=mode, antialias=1, exclude_outside=1)
        np.testing.assert_allclose(ours(file, x).astype(int), theirs(file, x).astype(int), atol=1)
        assert ours(file, x).dtype == np.uint8


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_kept_aspects_against_onnx_runtime(policy):
    rng = np.random.default_rng(2)
    for h, w, a, b in product((3, 7), (4, 6), (2, 11), (3, 8)):
        x = rng.normal(size=(1, 1, h, w)).astype(np.float32)
        for mode, axes in product(("nearest", "linear", "cubic"), ([2, 3], [3, 2])):
            file = resized(x, sizes=[a, b], opset=19, mode=mode, axes=axes,
                           keep_aspect_ratio_policy=policy)  # fmt: skip
            np.testing.assert_allclose(ours(file, x), theirs(file, x), 1e-4, 2e-5)


@pytest.mark.parametrize("how", [
    {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
    {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    {"mode": "cubic", "coordinate_transformation_mode": "half_pixel"},
    {"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"},
], ids=lambda how: how["mode"])  # fmt: skip
def test_native_code_and_what_is_exported_do_the_same(how):
    x = np.random.default_rng(3).normal(size=(1, 2, 5, 10)).astype(np.float32)
    file = resized(x, [1, 1, 1.7, 0.4], **how)
    found = import_graph(file)
    (expected,) = evaluate(found.graph, {"x": x}, found.states).values()
    y = cnn.import_onnx(file).predict(x, raw=True)
    again = export_graph(found.graph, found.states).SerializeToString()
    exact = how["mode"] == "nearest"
    for each in (y, theirs(again, x)):
        assert np.array_equal(each, expected) if exact else np.allclose(each, expected, 1e-5, 1e-6)
