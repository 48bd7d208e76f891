"""Losses and their gradients equal PyTorch's in float64, and the native ones the reference's."""

import json
from typing import Any

import numpy as np
import pytest
from support.loss_cases import CASES, STORED, Case

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.learning.losses import LOSSES
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference

OF_TORCH = json.loads(STORED.read_text())


def made(case: Case, dtype: str) -> tuple[Graph, dict[str, Array]]:
    """The loss and its gradients as a graph, and what is fed."""
    arrays, weights = case.arrays()
    kinds = [a.dtype.name if a.dtype.kind == "i" else dtype for a in arrays]
    inputs = [
        cnn.input(f"x{i}", a.shape[1:], kind)
        for i, (a, kind) in enumerate(zip(arrays, kinds, strict=True))
    ]
    given: dict[str, Any] = {}
    feeds = {v.node.name: a.astype(k) for v, a, k in zip(inputs, arrays, kinds, strict=True)}
    if weights is not None:
        given["weights"] = cnn.input("w", weights.shape[1:], dtype)
        feeds["w"] = weights.astype(dtype)
    loss = type(LOSSES[case.name])(**case.options)(*inputs, **given)
    gradients = cnn.gradients(loss, inputs[: case.predictions])
    outputs = {"loss": loss, **{f"d{i}": g for i, g in enumerate(gradients)}}
    return Graph.of([*inputs, *given.values()], outputs), feeds


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.options}")
def test_loss_and_gradients(case: Case) -> None:
    graph, feeds = made(case, "float64")
    found, _ = Reference(graph.bind(N=len(feeds["x0"]))).run(feeds, {})
    expected = OF_TORCH[case.key]
    for value, wanted in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(np.ravel(value), np.ravel(wanted), rtol=1e-12, atol=1e-14)
    graph, feeds = made(case, "float32")
    for threads in (1, 2):
        native, _ = Runner(graph, Execution.of("native", threads)).run(feeds, {})
        for key, value in found.items():
            np.testing.assert_allclose(native[key], value, rtol=2e-4, atol=2e-6, err_msg=key)


def test_every_loss_is_compared() -> None:
    assert {case.name for case in CASES} == LOSSES.keys() and len(OF_TORCH) == len(CASES)


@pytest.mark.parametrize("name", LOSSES)
def test_far_scores_lose_a_finite_number(name: str) -> None:
    """In float32, where softmax and sigmoid are 0 and 1 exactly, and with equal embeddings."""
    case = next(case for case in CASES if case.name == name)
    graph, feeds = made(case, "float32")
    arrays = case.arrays()[0]
    for i in range(case.predictions):
        feeds[f"x{i}"] = np.sign(arrays[i]).astype(np.float32) * (
            80 if name in ("poisson", "elbo") else 300  # which exp is taken of
        )
    if case.predictions > 1:
        feeds["x1"] = feeds["x0"]
    found, _ = Reference(graph.bind(N=len(feeds["x0"]))).run(feeds, {})
    assert all(np.isfinite(value).all() for value in found.values())
