"""Images drawn as black and white."""

import numpy as np
import pytest

import graphcnn as cnn


def test_a_number_is_white_with_the_probability_of_its_grey_value():
    levels = np.array([0, 51, 128, 255], np.uint8)
    grey = np.broadcast_to(levels[:, None], (3000, 1, 4, 4)).copy()
    data = cnn.data.Dataset(grey, np.zeros(3000), normalisation=cnn.data.Normalisation((0.3,)))
    drawn = cnn.data.binarised(data)
    assert drawn.images.dtype == np.uint8
    assert set(np.unique(drawn.images)) == {0, 255}
    shares = (drawn.images / 255).mean((0, 1, 3))
    np.testing.assert_allclose(shares, levels / 255, atol=0.02)
    assert shares[0] == 0
    assert shares[3] == 1
    assert drawn.normalisation is None
    again = cnn.data.binarised(drawn)
    assert np.array_equal(again.images, drawn.images)  # black and white stay


def test_the_draw_depends_on_seed_and_place_alone():
    images = np.random.default_rng(0).integers(0, 256, (1500, 1, 6, 6)).astype(np.uint8)
    data = cnn.data.Dataset(images, np.zeros(1500))
    drawn = cnn.data.binarised(data)
    assert np.array_equal(cnn.data.binarised(data[:1100]).images, drawn.images[:1100])
    assert not np.array_equal(cnn.data.binarised(data, seed=1).images, drawn.images)
    alike = cnn.data.Dataset(np.full((1500, 1, 6, 6), 128, np.uint8), np.zeros(1500))
    assert len(np.unique(cnn.data.binarised(alike).images, axis=0)) == 1500
    floats = cnn.data.Dataset(images / np.float32(255), np.zeros(1500))
    same = cnn.data.binarised(floats).images == drawn.images / 255
    assert same.mean() > 0.999  # a grey value that is rounded may meet its number


def test_what_is_no_grey_value_is_told():
    data = cnn.data.Dataset(np.full((2, 1, 3, 3), 1.5, np.float32), np.zeros(2))
    with pytest.raises(cnn.DataError, match=r"in \[0, 1\], found 1.5 to 1.5"):
        cnn.data.binarised(data)
