"""The confusion matrix as a picture: every count is said, and what is summed up adds up."""

import json

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts

from graphcnn.errors import DataError
from graphcnn.pictures import confusion_picture, errors_picture


def counts(classes: int, right: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    matrix = rng.poisson(rng.exponential(2, size=(classes, classes)))
    np.fill_diagonal(matrix, right)
    return matrix


NAMES = ["airplane", "automobile", "bird", "a name that is much too long for any table", "X"]


@pytest.mark.parametrize("classes, right", [(1, 3), (2, 50), (10, 12_345), (20, 9), (21, 9)])
@pytest.mark.parametrize("order", ["given", "error"])
def test_nothing_lies_over_anything(classes: int, right: int, order: str) -> None:
    matrix = counts(classes, right)
    if classes == 10:
        matrix[3] = 0  # a class without items
        matrix[:, 4] = 0  # and one that is never predicted
    names = (NAMES * 5)[:classes] if classes != 2 else ()
    picture = confusion_picture(matrix, names, order=order, facts=["precision strict"])
    check_picture(picture)
    check_texts(picture.scene)


def test_all_counts_are_said_and_none_is_lost() -> None:
    matrix = np.array([[8, 2, 0], [0, 0, 0], [1, 3, 6]])
    picture = confusion_picture(matrix, ["cat", "dog", "eel"])
    text = picture.text()
    assert "cat: 8 of 10 (80.0%) right; taken 2 (20.0%) for dog" in text
    assert "dog: no item" in text
    assert "70.00% of 20 right · 6 mistakes · most often eel as dog: 3" in text
    assert "cat" not in confusion_picture(matrix).text()
    by_error = json.loads(confusion_picture(matrix, order="error").json())["data"]
    assert by_error["classes"] == ["2", "0", "1"]
    assert by_error["counts"] == [[6, 1, 3], [0, 8, 2], [0, 0, 0]]


def test_many_classes_are_summed_up_with_their_own_rate() -> None:
    matrix = counts(40, 30)
    picture = confusion_picture(matrix, most=12)
    data = json.loads(picture.json())["data"]
    assert np.sum(data["counts"]) == matrix.sum() and len(data["counts"]) == 13
    wrong = matrix.sum(1) + matrix.sum(0) - 2 * np.diag(matrix)
    rest = np.argsort(-wrong, kind="stable")[12:]
    right, total = int(np.diag(matrix)[rest].sum()), int(matrix[rest].sum())
    assert f"28 others: {right:,} of {total:,}" in picture.text()
    assert "the 12 of 40 classes with the most mistakes" in picture.text()


def test_what_is_no_confusion() -> None:
    for matrix, message in (
        (np.zeros((2, 3), int), "is square"),
        (np.ones((2, 2)), "holds counts"),
        (np.full((2, 2), -1), "holds counts"),
        (np.zeros((2, 2), int), "counts no item"),
    ):
        with pytest.raises(DataError, match=message):
            confusion_picture(matrix)
    with pytest.raises(DataError, match="2 classes but 1 names"):
        confusion_picture(np.eye(2, dtype=int), ["a"])
    with pytest.raises(DataError, match="order must be one of given, error"):
        confusion_picture(np.eye(2, dtype=int), order="name")


def test_mistakes_without_images() -> None:
    with pytest.raises(DataError, match=r"shown as images \(n, C, H, W\)"):
        errors_picture(np.zeros((0, 1, 4, 4)), [], [], [])
    with pytest.raises(DataError, match="2 images but 1 numbers in 'predicted'"):
        errors_picture(np.zeros((2, 1, 4, 4)), [0, 1], [1], [0.5, 0.5])
