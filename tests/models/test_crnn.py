"""A reader of strings of drawn digits: what it is given, and that it learns."""

from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import Array
from graphcnn.models import crnn
from graphcnn.tools.drawn_digits import digit, digit_strings

WIDTH = 56


def test_strings_are_drawn_digits_and_their_labels() -> None:
    images, labels = digit_strings(60, most=3, width=72, seed=2)
    assert images.shape == (60, 1, 28, 72) and images.dtype == np.uint8
    assert labels.shape == (60, 3) and labels.min() == -1 and labels.max() == 9
    counts = (labels >= 0).sum(1)
    assert set(counts) == {1, 2, 3}
    assert all(
        (row[:n] >= 0).all() and (row[n:] == -1).all()
        for row, n in zip(labels, counts, strict=True)
    )
    light = np.array([images[counts == n].mean() for n in (1, 2, 3)])
    assert (np.diff(light) > 0).all()
    again, other = (digit_strings(60, seed=seed)[0] for seed in (2, 3))
    assert np.array_equal(images, again) and not np.array_equal(images, other)
    alone, (row, *_) = digit_strings(1, most=1, width=28, seed=0)
    drawn = [digit(row[0], slant, wide) for slant in (-0.1, 0.05, 0.2) for wide in (0.8, 1.0)]
    assert any(np.array_equal(alone[0], each) for each in drawn)


def right(model: cnn.Model, images: Array, labels: Array) -> float:
    """The share of images whose whole string is read."""
    found, _ = cnn.ctc_greedy(model.predict(images))
    wanted = np.full(found.shape, -1)
    wanted[:, : labels.shape[1]] = labels
    return float((found == wanted).all(1).mean())


def test_it_learns_to_read_strings() -> None:
    images, labels = digit_strings(400, most=2, width=WIDTH, seed=0)
    others, truth = digit_strings(100, most=2, width=WIDTH, seed=1)
    images, others = images / np.float32(255), others / np.float32(255)
    model = crnn(width=WIDTH, units=32).initialize(0)
    shares = [right(model, others, truth)]
    history = []
    for epochs in (3, 5):
        history += model.fit(
            (images, labels), epochs=epochs, batch_size=20, seed=0, progress=False,
            loss="ctc", optimizer=cnn.Adam(0.006),
        )  # fmt: skip
        shares.append(right(model, others, truth))
    assert shares[0] < 0.05 and shares[2] > 0.6 and shares[1] < shares[2]
    losses = [row["loss"] for row in history]
    assert losses[-1] < 0.3 * losses[0]


def test_strings_of_a_file_are_filled_up(tmp_path: Path) -> None:
    """-1 behind the labels is no class, and -1 between them is a wrong label."""
    images, labels = digit_strings(30, most=3, width=72, seed=0)
    np.savez(tmp_path / "strings.npz", images=images, labels=labels)
    train, test = cnn.data.npz(tmp_path / "strings.npz")
    assert train.ignored == test.ignored == (-1,) and len(train.classes) == 10
    model = crnn(units=4).initialize(0)
    assert model.objective == "ctc"
    told = model.fit(train, epochs=1, batch_size=8, seed=0, progress=False, loss="ctc")
    assert np.isfinite(told[0]["loss"]) and model.loss == "ctc"
    model.save(tmp_path / "reader.safetensors")
    again = cnn.load(tmp_path / "reader.safetensors")
    assert again.loss == "ctc" and np.isfinite(again.evaluate(test)["loss"])

    labels[3] = 1, -1, 2
    np.savez(tmp_path / "hole.npz", images=images, labels=labels)
    with pytest.raises(DataError, match=r"label -1 in row . at .* is out of range: 10 classes"):
        cnn.data.npz(tmp_path / "hole.npz")


def test_one_label_of_an_image_is_no_string() -> None:
    images, labels = digit_strings(8, most=1, width=28, seed=0)
    with pytest.raises(GraphError, match=r"labels must be i64\[N, labels\].*found i64\[N\]"):
        crnn(width=28, units=4).fit(
            (images / np.float32(255), labels[:, 0]), loss="ctc", epochs=1, progress=False
        )


@pytest.mark.parametrize(("blank", "range_"), [(3, "0..2"), (0, "1..3"), (1, "0, 2..3")])
def test_a_label_that_is_the_blank_is_refused(blank, range_):
    x = cnn.input("x", (4, 5))
    labels = np.array([[c for c in range(4) if c != blank][:2], [blank, -1]])
    logits = cnn.dense(cnn.reshape(x, (4 * cnn.N, 5)), 4)
    model = cnn.Model(x, cnn.reshape(logits, (cnn.N, 4, 4)))
    loss = cnn.losses.CTC(blank=blank)
    with pytest.raises(cnn.DataError, match=f"label {blank} in row 1 at ") as told:
        model.fit((np.ones((2, 4, 5), np.float32), labels), loss=loss, progress=False)
    assert f"3 classes have the labels {range_}, and -1 is ignored" in str(told.value)
