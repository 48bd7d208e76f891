"""Vectors of a fixed size among the inputs of a model: whole, or one number for each item."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType


def test_a_vector_is_no_batch_of_its_numbers_but_may_have_one_for_each_item():
    v, x = Input("v", TensorType((2,)))(), Input("x", TensorType((2, 4, 6)))()
    with pytest.raises(GraphError, match=r"must be f32\[2\], found float32\[3\]"):
        cnn.Model(v, v * 2.0).predict(np.ones(3, np.float32))
    images = np.random.default_rng(0).normal(size=(7, 4, 6)).astype(np.float32)
    model = cnn.Model([x, v], {"x": x * 2.0, "v": v * 2.0})
    found = model.predict({"x": images, "v": np.arange(7, dtype=np.float32)})
    np.testing.assert_array_equal(found["v"], 2 * np.arange(7))
    np.testing.assert_array_equal(found["x"], 2 * images)
