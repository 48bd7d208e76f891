"""What `predict` is given: images, and what else a model may take."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.tensor_type import DType

ROWS = np.arange(15, dtype=np.float64).reshape(5, 3)
IMAGES = np.ones((5, 1, 4, 4), np.float32)


def rows() -> cnn.Model:
    x = cnn.input("x", (3,))
    return cnn.Model(x, x * 2.0, name="twice")


def two() -> cnn.Model:
    a, b = cnn.input("a", (1, 4, 4)), cnn.input("b", (3,))
    return cnn.Model([a, b], cnn.sum(a, (1, 2, 3)) + cnn.sum(b, 1), name="two")


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_rows_of_numbers_and_integers(runtime: str) -> None:
    found = rows().predict(ROWS, batch_size=2, runtime=runtime)
    assert found.dtype == np.float32 and np.array_equal(found, 2 * ROWS)
    assert rows().predict(ROWS.astype(np.int64), runtime=runtime).tolist() == (2 * ROWS).tolist()
    x = cnn.input("x", (1, 1, 2), "uint8")
    model = cnn.Model(x, cnn.cast(x, "float32") * 1.0)
    assert model.predict(np.array([[[[7, 200]]]]), runtime=runtime).tolist() == [[[[7, 200]]]]


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_several_inputs_come_by_name(runtime: str) -> None:
    found = two().predict({"b": ROWS, "a": IMAGES}, batch_size=2, runtime=runtime)
    assert np.array_equal(found, 16 + ROWS.sum(1))


def test_a_step_on_rows_of_numbers() -> None:
    x = cnn.input("x", (3,))
    session = cnn.Session(cnn.Model(x, cnn.dense(x, 2)), "cross_entropy", cnn.SGD(0.01))
    losses = [session.step(ROWS / 15, np.array([0, 1, 0, 1, 0]))["loss"] for _ in range(20)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("model", "given", "match"),
    [
        (rows, ROWS[:, :2], r"the input takes f32 \(n, 3\), found \(5, 2\)"),
        (rows, ROWS[:0], r"found \(0, 3\)"),
        (rows, ROWS * np.nan, "item 0 holds NaN"),
        (rows, ROWS.astype(complex), "found complex128"),
        (rows, [[1], [1, 2]], "lists of different sizes"),
        (rows, None, r"the input takes f32 \(n, 3\)"),
        (two, IMAGES, "two takes a dict with a, b, found one array"),
        (two, {"a": IMAGES}, "two takes a dict with a, b, found a$"),
        (two, [IMAGES] * 3, "two takes a dict with a, b, found a list of 3$"),
        (two, {"a": IMAGES, "b": ROWS[:2]}, "equally many items, found 5 of a, 2 of b"),
    ],
)
def test_what_does_not_fit(model, given, match) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(cnn.DataError, match=match):
        model().predict(given)


def test_integers_that_the_type_cannot_hold() -> None:
    x = cnn.input("x", (1,), "uint8")
    with pytest.raises(cnn.DataError, match="cannot hold all of the items"):
        cnn.Model(x, x).predict(np.array([[256]]))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None, True])
def test_batch_sizes_that_are_none(batch_size: object) -> None:
    if batch_size is not None:  # which leaves the choice to us
        with pytest.raises(cnn.DataError, match="batch_size must be at least 1, and whole"):
            rows().predict(ROWS, batch_size=batch_size)
    with pytest.raises(cnn.DataError, match="batch_size must be at least 1, and whole"):
        rows().evaluate((IMAGES, ROWS), batch_size=batch_size)


def test_no_items() -> None:
    x = cnn.input("x", (5,))
    with pytest.raises(cnn.DataError, match=r"f32 \(n, 5\) with n of at least 1, found \(0, 5\)"):
        cnn.Model(x, cnn.relu(x)).predict(np.zeros((0, 5), np.float32))


@pytest.mark.parametrize("runtime", ["native", "reference"])
@pytest.mark.parametrize("name", ["f16", "bf16", "f8e4m3fn", "f8e5m2", "i4", "u2"])
def test_arrays_of_short_types(name: str, runtime: str) -> None:
    """The arrays that such an input is made for, of whichever package their type is."""
    rows = cnn.input("rows", (3,), dtype=name)
    model = cnn.Model(rows, cnn.cast(rows, "f32") * 2.0)
    given = np.array([[1, 0, 1], [0, 1, 1]]).astype(rows.type.dtype.numpy)
    assert model.predict(given, runtime=runtime).tolist() == [[2, 0, 2], [0, 2, 2]]


def test_images_of_bfloat16() -> None:
    image = cnn.input("image", (1, 2, 2))
    given = np.full((1, 1, 2, 2), 0.5, DType.BFLOAT16.numpy)
    assert cnn.Model(image, image + 1.0).predict(given).tolist() == [[[[1.5, 1.5], [1.5, 1.5]]]]
