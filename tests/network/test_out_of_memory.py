"""Memory that the system refuses to NumPy is one clear error, whatever runs."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.philox import philox, words
from graphcnn.ops.activation import Relu

ROWS = np.ones((4, 3), np.float32)


def test_the_error_says_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cnn.input("x", (3,))
    model = cnn.Model(x, cnn.dense(cnn.relu(x), 2), name="small")

    def refused(self: Relu, x: object) -> None:
        raise MemoryError("Unable to allocate 8 GiB")

    monkeypatch.setattr(Relu, "evaluate", refused)
    labels = np.zeros(4, np.int64)
    for doing, run in (
        ("predicts", lambda: model.predict(ROWS, runtime="reference")),
        ("is evaluated", lambda: model.evaluate((ROWS, labels), runtime="reference")),
        ("is trained", lambda: model.fit((ROWS, labels), runtime="reference", progress=False)),
    ):
        with pytest.raises(cnn.OutOfMemoryError) as caught:
            run()
        said = f"small {doing}: the memory does not suffice: unable to allocate 8 GiB"
        assert str(caught.value).startswith(said)
        assert isinstance(caught.value, MemoryError)


def test_random_words_are_the_same_in_pieces() -> None:
    for count in (0, 1, 5, (1 << 18) - 1, (1 << 18) + 1, (1 << 19) + 6):
        blocks = -(-count // 4)
        counter = np.zeros((4, blocks), np.uint64)
        counter[0], counter[1:] = np.arange(blocks), [[3], [9], [2]]
        whole = philox(counter, (7, 1)).T.reshape(-1)[:count]
        found = words(7 + (1 << 32), 3 + (2 << 32), 9, count)
        np.testing.assert_array_equal(found, whole)
