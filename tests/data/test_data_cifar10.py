import numpy as np
import pytest
from support.data_files import picture, real

from graphcnn.data import cifar10
from graphcnn.errors import DataError

NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def batch(first_label: int, n: int = 2) -> bytes:
    """Record i has the label first + i; its planes have the levels 10, 20, 30 + label."""
    labels = np.arange(first_label, first_label + n)
    planes = np.repeat([10, 20, 30], 1024)[None] + labels[:, None]
    return np.hstack([labels[:, None], planes]).astype(np.uint8).tobytes()


BATCHES = {name: batch(i) for i, name in enumerate(NAMES)}


def refuses(path, match):
    with pytest.raises(DataError, match=match):
        cifar10(path)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin/"])
def test_binary_batches(store, below):
    train, test = cifar10(store({below + name: data for name, data in BATCHES.items()}))
    assert train.images.shape == (10, 3, 32, 32) and train.images.dtype == np.uint8
    assert train.labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert test.labels.tolist() == [5, 6] and test.images[1, :, 0, 0].tolist() == [16, 26, 36]
    assert train.classes == tuple(CLASSES) and len(train.normalisation.mean) == 3


def test_missing_batches_are_listed(store):
    path = store({name: BATCHES[name] for name in (NAMES[0], NAMES[2], NAMES[5])})
    refuses(path, "lacks data_batch_2.bin, data_batch_4.bin, data_batch_5.bin")
    refuses(store({"cifar-10-batches-bin/data_batch_1.bin": batch(0)}), "lacks")


@pytest.mark.parametrize(("cut", "record", "found"), [(1, 1, 3072), (3073, 1, 0), (6000, 0, 146)])
def test_truncated_batch_names_the_record(store, cut, record, found):
    path = store(BATCHES | {NAMES[3]: batch(3)[: 6146 - cut]})
    if found:
        refuses(path, rf"{NAMES[3]} is truncated .* record {record} is incomplete .* found {found}")
    else:
        assert len(cifar10(path)[0]) == 9


def test_empty_batch(store):
    refuses(store(BATCHES | {"test_batch.bin": b""}), "test_batch.bin is truncated")


def test_label_out_of_range(store):
    path = store(BATCHES | {NAMES[1]: batch(9)})
    refuses(path, f"{NAMES[1]}: label 10 in record 1 is not in 0..9")


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py/"])
def test_the_pickle_is_never_read(store, below):
    refuses(store({f"{below}data_batch_1": b"\x80\x02"}), "pickle, which can run any code")


def test_an_archive_must_be_unpacked(tmp_path):
    refuses(tmp_path / "cifar-10-binary.tar.gz", "unpack it")


@pytest.mark.parametrize("as_zip", [False, True])
def test_pictures(store, as_zip):
    files = {
        f"{part}/{c}/0.jpg": picture(50, (32, 32)) for part in ("train", "test") for c in CLASSES
    }
    train, test = cifar10(store(files, as_zip))
    assert train.images.shape == test.images.shape == (10, 3, 32, 32)
    assert train.labels.tolist() == list(range(10)) and train.normalisation.mean[0] == 0.4914


def test_pictures_of_something_else(store):
    path = store({f"{part}/cat/0.jpg": picture(50) for part in ("train", "test")})
    refuses(path, r"is not CIFAR-10: expected images \(3, 32, 32\) .* found \(3, 6, 5\) of cat")


def test_real_cifar10():
    pytest.importorskip("PIL")
    train, test = cifar10(real("cifar10/cifar10-jpg.zip"))
    assert train.images.shape == (20000, 3, 32, 32) and test.images.shape == (5000, 3, 32, 32)
    assert train.classes == tuple(CLASSES)
    assert np.bincount(train.labels).tolist() == [2000] * 10
    assert np.bincount(test.labels).tolist() == [500] * 10
    measured = train.normalisation.of(train.images)
    np.testing.assert_allclose(measured.mean, train.normalisation.mean, atol=0.01)
    np.testing.assert_allclose(measured.std, train.normalisation.std, atol=0.01)
