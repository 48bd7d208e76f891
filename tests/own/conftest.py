"""Operators of tests are known while these run."""

from collections.abc import Iterator

import pytest

from graphcnn.ir.node import OPS


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test enters is known no longer after it."""
    before = dict(OPS)
    yield
    for name in OPS.keys() - before.keys():
        del OPS[name]
