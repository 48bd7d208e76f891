"""Inferred types against evaluated ones, and the errors of every operator."""

import numpy as np
import pytest
from samples import ErrorSample, Sample, all_errors, all_samples
from support.cases import each

from graphcnn.errors import GraphError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.node import OPS, build
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType, TensorType

SAMPLES = all_samples()


@each((sample, dtype) for sample in SAMPLES for dtype in (np.float64, np.float32, np.float16))
def test_inferred_types_are_those_of_the_results(sample: Sample, dtype: type) -> None:
    arrays = sample.arrays(dtype)
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    inferred = sample.op.infer(*sample.types(dtype))
    found = tuple(
        TensorType(np.shape(y), DType.of(np.asarray(y).dtype))
        for y in as_tuple(sample.op.evaluate(*arrays))
    )
    assert found == (inferred if isinstance(inferred, tuple) else (inferred,))
    assert len(found) == len(build(sample.op, _inputs(sample.types(dtype))).outputs)
    for a, copy in zip(arrays, copies, strict=True):
        assert np.array_equal(a, copy, equal_nan=a.dtype.kind == "f")


@each(all_errors())
def test_refused(sample: ErrorSample) -> None:
    with pytest.raises(GraphError, match=sample.match):
        build(sample.op, _inputs(sample.types))


def test_every_operator_has_a_sample() -> None:
    sources = {Input.name, State.name, Constant.name}
    sampled = {s.op.name for s in SAMPLES}
    assert {name for name, op in OPS.items() if op.__module__.startswith("graphcnn")} <= (
        sampled | sources
    )


def test_labels_of_samples_are_unique() -> None:
    labels = [s.label for s in SAMPLES]
    assert len(labels) == len(set(labels)), sorted(x for x in set(labels) if labels.count(x) > 1)


def _inputs(types: tuple[TensorType, ...]) -> list:  # type: ignore[type-arg]
    return [Input(f"x{i}", t)() for i, t in enumerate(types)]
