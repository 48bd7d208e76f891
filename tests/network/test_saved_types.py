"""Every element type goes to a file and comes back: tensors, models, checkpoints."""

import json
import pickle

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.casting import converted
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.network.weights import read_tensors, write_tensors
from graphcnn.ops.elementwise import Cast
from graphcnn.training.checkpoint import Position, load_checkpoint, save_checkpoint

NUMBERS = np.array([[0, 1, 2], [0.5, 4, 1]], np.float32)


@pytest.mark.parametrize("dtype", DType, ids=str)
def test_tensors_of_every_type(dtype, tmp_path):
    arrays = {"a": converted(NUMBERS, dtype), "b": np.ones((), np.float32), "c": np.zeros(3, bool)}
    path = write_tensors(tmp_path / "t.safetensors", arrays, {"note": "kept"})
    found, metadata = read_tensors(path)
    assert metadata == {"format": "graphcnn 1", "note": "kept"}
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype and found[key].tobytes() == array.tobytes()
    first = path.read_bytes()
    assert write_tensors(path, found, {"note": "kept"}).read_bytes() == first


def weighted(dtype):
    """x times a weight of some element type."""
    x = Input("x", TensorType((N, 2, 3)))()
    weight = State("weight", TensorType((2, 3), dtype))()
    return cnn.Model(x, x * Cast(DType.FLOAT32)(weight))


@pytest.mark.parametrize("dtype", DType, ids=str)
def test_models_with_weights_of_every_type(dtype, tmp_path):
    model = weighted(dtype)
    model.replace_states({"weight": converted(NUMBERS, dtype)})
    x = np.full((2, 2, 3), 3, np.float32)
    expected = x * model.states["weight"].astype(np.float32)
    path = model.save(tmp_path / "m.safetensors")
    copied = pickle.loads(pickle.dumps(model))
    for each in (cnn.load(path), weighted(dtype).load(path), copied):
        assert each.states["weight"].dtype == dtype.numpy
        for runtime in ("native", "reference"):
            np.testing.assert_array_equal(each.predict(x, raw=True, runtime=runtime), expected)


def test_checkpoints_of_every_type(tmp_path):
    states = {str(d): converted(NUMBERS, d) for d in DType}
    save_checkpoint(tmp_path, states, Position())
    found, _ = load_checkpoint(tmp_path)
    for key, array in states.items():
        assert found[key].dtype == array.dtype and found[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("types", ["[", "[]", "1", '{"a": 1}', '{"a": "f9"}', '{"a": "f32"}',
                                   '{"b": "i4"}', '{"c": "i4"}', "[" * 100_000])  # fmt: skip
def test_damaged_types_are_refused(types, tmp_path):
    arrays = {"a": np.zeros(4, np.uint8), "c": np.zeros(4, np.float32)}
    path = write_tensors(tmp_path / "t.safetensors", arrays, {"element_types": types})
    with pytest.raises(cnn.WeightsError, match="element_types") as caught:
        read_tensors(path)
    assert len(str(caught.value)) < 500
    good = write_tensors(path, arrays, {"element_types": json.dumps({"a": "u4"})})
    assert read_tensors(good)[0]["a"].dtype == DType.UINT4.numpy
