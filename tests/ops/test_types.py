"""Inferred types against evaluated ones, and the errors of every operator."""

import numpy as np
from samples import ErrorSample, Sample, all_errors, all_samples
from support.cases import each

from graphcnn.ir.node import OPS
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.testing.types import check_refused, check_types

SAMPLES = all_samples()


@each((sample, dtype) for sample in SAMPLES for dtype in (np.float64, np.float32, np.float16))
def test_inferred_types_are_those_of_the_results(sample: Sample, dtype: type) -> None:
    check_types(sample, dtype)


@each(all_errors())
def test_refused(sample: ErrorSample) -> None:
    check_refused(sample)


def test_every_operator_has_a_sample() -> None:
    sources = {Input.name, State.name, Constant.name}
    sampled = {s.op.name for s in SAMPLES}
    assert {name for name, op in OPS.items() if op.__module__.startswith("graphcnn")} <= (
        sampled | sources
    )


def test_labels_of_samples_are_unique() -> None:
    labels = [s.label for s in SAMPLES]
    assert len(labels) == len(set(labels)), sorted(x for x in set(labels) if labels.count(x) > 1)
