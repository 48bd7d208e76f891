import gzip
from pathlib import Path

import numpy as np
import pytest
from support.data_files import idx, real

from graphcnn.data import mnist
from graphcnn.errors import DataError

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"


def refuses(folder: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        mnist(folder)


def test_reads_gzip_and_plain_files(mnist_folder):
    train, test = mnist(mnist_folder)
    assert train.images.shape == (5, 1, 4, 3) and train.images.dtype == np.uint8
    assert train.labels.tolist() == [0, 1, 2, 3, 4] and test.labels.tolist() == [0, 1]
    assert train.classes == tuple("0123456789") and train.image_shape == (1, 4, 3)
    assert train.normalisation.mean == (0.1307,) and train.normalisation.std == (0.3081,)
    raw = gzip.decompress((mnist_folder / IMAGES).read_bytes())
    assert train.images.tobytes() == raw[16:]


def test_reads_names_with_a_dot_and_unpacked_files_that_kept_their_name(mnist_folder):
    (mnist_folder / LABELS).rename(mnist_folder / "train-labels.idx1-ubyte")
    unpacked = gzip.decompress((mnist_folder / IMAGES).read_bytes())
    (mnist_folder / IMAGES).write_bytes(unpacked)
    assert len(mnist(mnist_folder)[0]) == 5


def test_missing_file_lists_what_was_looked_for(mnist_folder):
    (mnist_folder / LABELS).unlink()
    refuses(mnist_folder, "lacks a file; looked for train-labels-idx1-ubyte, .*ubyte.gz")


def test_no_folder(tmp_path):
    refuses(tmp_path / "nowhere", "nowhere is not a folder")


def test_wrong_magic(mnist_folder):
    (mnist_folder / LABELS).write_bytes(idx(np.zeros((5, 4, 3))))
    refuses(mnist_folder, f"{LABELS} .* begin with 00 00 08 01, found 00 00 08 03")


@pytest.mark.parametrize("data", [b"", b"<html>"])
def test_no_idx_file_at_all(mnist_folder, data):
    (mnist_folder / LABELS).write_bytes(data)
    refuses(mnist_folder, f"{LABELS} is no IDX file .* found {data[:4].hex(' ') or 'nothing'}")


def test_truncated_header(mnist_folder):
    (mnist_folder / LABELS).write_bytes(bytes([0, 0, 8, 1, 0]))
    refuses(mnist_folder, f"{LABELS} is truncated: a header of 8 bytes, found 5")


@pytest.mark.parametrize(("cut", "record"), [(1, 4), (12, 4), (20, 3), (60, 0)])
def test_truncated_records(mnist_folder, cut, record):
    whole = idx(np.zeros((5, 4, 3)))
    (mnist_folder / IMAGES).write_bytes(gzip.compress(whole[:-cut]))
    refuses(
        mnist_folder,
        rf"{IMAGES} is truncated: record {record} of 5 is incomplete "
        rf"\(header \+ 5 × 4 × 3 = 76 bytes, found {76 - cut}\)",
    )


def test_truncated_gzip(mnist_folder):
    rng = np.random.default_rng(0)
    whole = gzip.compress(idx(rng.integers(0, 256, (5, 4, 3))))
    (mnist_folder / IMAGES).write_bytes(whole[:-30])
    refuses(mnist_folder, f"{IMAGES} is truncated: record . of 5 .*gzip stream stops early")


def test_gzip_without_its_check_sum(mnist_folder):
    whole = (mnist_folder / IMAGES).read_bytes()
    (mnist_folder / IMAGES).write_bytes(whole[:-8])
    refuses(mnist_folder, f"{IMAGES} has an unfinished gzip stream")


def test_damaged_gzip(mnist_folder):
    whole = bytearray((mnist_folder / IMAGES).read_bytes())
    whole[-6] ^= 0xFF  # in the check sum
    (mnist_folder / IMAGES).write_bytes(whole)
    refuses(mnist_folder, f"{IMAGES}: the gzip data is damaged: .*incorrect data check")


def test_gzip_that_grows_beyond_the_limit(mnist_folder, monkeypatch):
    monkeypatch.setattr("graphcnn.data.idx.MAX_BYTES", 50)
    refuses(mnist_folder, f"{IMAGES} decompresses to more than 50 bytes")


def test_trailing_bytes(mnist_folder):
    with (mnist_folder / LABELS).open("ab") as file:
        file.write(b"abc")
    refuses(mnist_folder, rf"{LABELS} has 3 bytes too many: header \+ 5 = 13 bytes, found 16")


def test_trailing_bytes_after_gzip(mnist_folder):
    with (mnist_folder / IMAGES).open("ab") as file:
        file.write(b"abc")
    refuses(mnist_folder, f"{IMAGES}: 3 bytes follow the gzip stream")


def test_other_number_of_labels(mnist_folder):
    (mnist_folder / LABELS).write_bytes(idx(np.zeros(4)))
    refuses(mnist_folder, f"{IMAGES} has 5 images, but .*{LABELS} has 4 labels")


def test_label_out_of_range(mnist_folder):
    (mnist_folder / LABELS).write_bytes(idx(np.array([0, 1, 9, 12, 200])))
    refuses(mnist_folder, f"{LABELS}: label 12 in record 3 is not in 0..9")


def test_no_images(mnist_folder):
    (mnist_folder / IMAGES).write_bytes(idx(np.zeros((0, 4, 3))))
    (mnist_folder / LABELS).write_bytes(idx(np.zeros(0)))
    refuses(mnist_folder, "no images")


def test_real_mnist():
    train, test = mnist(real("mnist"))
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(test.labels)[0] == 980 and np.bincount(train.labels)[9] == 5949
    measured = train.normalisation.of(train.images)
    np.testing.assert_allclose(measured.mean, train.normalisation.mean, atol=1e-4)
    np.testing.assert_allclose(measured.std, train.normalisation.std, atol=1e-4)
