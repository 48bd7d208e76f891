"""Loops as operators: a body graph, computed for one slice after the other."""

from graphcnn.ops.loops.scan import Scan

__all__ = ["Scan"]
