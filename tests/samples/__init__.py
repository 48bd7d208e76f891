"""Samples and error samples, declared once per operator and used by every property test.

One file per family of operators, like `graphcnn.ops`; each has the lists SAMPLES and ERRORS.
"""

import importlib
import pkgutil
from typing import Any

from graphcnn.ir.node import OPS, Op
from graphcnn.testing.samples import Draw, ErrorSample, Sample, format_attributes

__all__ = [
    "Draw",
    "ErrorSample",
    "Sample",
    "all_errors",
    "all_samples",
    "format_attributes",
    "library",
]


def library() -> dict[str, type[Op]]:
    """The operators of the library by name, without those that tests define."""
    return {name: op for name, op in OPS.items() if op.__module__.startswith("graphcnn.")}


def _gather(kind: str) -> list[Any]:
    found = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        found += getattr(importlib.import_module(f"samples.{module}"), kind)
    return found


def all_samples() -> list[Sample]:
    return _gather("SAMPLES")


def all_errors() -> list[ErrorSample]:
    return _gather("ERRORS")
