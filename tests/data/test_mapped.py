"""Arrays that stay in their NumPy files."""

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.data import arrays, npz

DATA = stripes()


def trained(data):
    model = small()
    model.fit(data, epochs=2, batch_size=16, seed=3, progress=False)
    return model


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_array_trains_to_the_bits_of_one_in_memory(tmp_path, order):
    np.save(tmp_path / "x.npy", np.asarray(DATA.images, order=order))
    np.save(tmp_path / "y.npy", DATA.labels)
    data = arrays(tmp_path / "x.npy", str(tmp_path / "y.npy"))
    assert isinstance(data.images, np.memmap) and data.costly and not DATA.costly
    assert same_bits(trained(data), trained(DATA))
    rest, _ = data.split(0.25)
    plain, _ = DATA.split(0.25)
    assert not isinstance(rest.images, np.ndarray) and same_bits(trained(rest), trained(plain))
    assert data.digest == DATA.digest


def test_arrays_of_an_npz_file_are_mapped_unless_compressed(tmp_path):
    path = tmp_path / "set.npz"
    named = dict(x_train=DATA.images, y_train=DATA.labels, x_test=DATA.images[:9])
    np.savez(path, **named, y_test=DATA.labels[:9])
    mapped, read = npz(path, mmap=True), npz(path)
    assert isinstance(mapped.train.images, np.memmap) and isinstance(mapped.test.images, np.memmap)
    assert (mapped.test.images[:] == read.test.images).all()
    assert same_bits(trained(mapped.train), trained(read.train))
    held_out = npz(path, mmap=True).train.split(0.5)[1]
    assert held_out.images[:3].shape == (3, 1, 8, 8)
    np.savez_compressed(path, x=DATA.images, y=DATA.labels)
    with pytest.raises(cnn.DataError, match=r"the array 'x' is compressed, so it cannot be mapped"):
        npz(path, mmap=True)
    np.savez(path, x=np.array([{}, {}]), y=[0, 1])
    with pytest.raises(cnn.DataError, match="pickled objects are never loaded"):
        npz(path, mmap=True)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00garbage")
    with pytest.raises(cnn.DataError, match=r"x.npy is no NumPy file that can be mapped"):
        arrays(tmp_path / "x.npy", DATA.labels)
    with pytest.raises(cnn.DataError, match=r"cannot read .*none.npy"):
        arrays(tmp_path / "none.npy", DATA.labels)


def test_numbers_of_a_mapped_array_are_looked_at_batch_by_batch(tmp_path):
    bad = DATA.images.copy()
    bad[77, 0, 3, 4] = np.nan
    np.save(tmp_path / "x.npy", bad)
    data = arrays(tmp_path / "x.npy", DATA.labels)
    with pytest.raises(cnn.DataError, match=r"image .* holds NaN"):
        trained(data)
