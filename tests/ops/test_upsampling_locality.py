"""A pixel of an upsampled image knows the two by two pixels that it mixes, and no others."""

from itertools import product

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.ops.resample import Upsample2d, Upsample2dGrad
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference

SCALES = ((2, 2), (3, 1), (4, 5), (1, 1), (1, 2))
SIZES = ((5, 6), (1, 1), (1, 4), (7, 3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("corners", [False, True])
def test_what_is_not_finite_stays_where_it_is_mixed_in(corners: bool, value: float) -> None:
    for scale, (h, w), kind in product(SCALES, SIZES, (Upsample2d, Upsample2dGrad)):
        op = kind(scale, "bilinear", corners)
        rows, columns = (
            op.matrix(n, s, np.float64) for n, s in zip((h, w), scale, strict=True)
        )  # fmt: skip
        if kind is Upsample2dGrad:
            rows, columns = rows.T, columns.T
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1, 2, rows.shape[1], columns.shape[1])).astype(np.float32)
        y = rows @ x @ columns.T
        odd = np.zeros(x.shape, bool)
        odd[0, 1, -1, 0] = odd[0, 0, 0, -1] = True
        reached = (rows != 0).astype(int) @ odd @ (columns != 0).astype(int).T > 0
        x[odd] = value
        image = cnn.input("x", x.shape[1:])
        graph = cnn.Model(image, op(image)).graph.bind(N=1)
        native = Prepared(graph, Execution(threads=1))
        native.bind_states({})
        for runtime in (Reference(graph).run({"x": x}, {}), native.run({"x": x})):
            (found,) = runtime[0].values()
            np.testing.assert_array_equal(np.isfinite(found), ~reached, str(op))
            np.testing.assert_array_equal(np.isinf(found), reached & np.isinf(value), str(op))
            np.testing.assert_allclose(found[~reached], y[~reached], 1e-5, 1e-5)
