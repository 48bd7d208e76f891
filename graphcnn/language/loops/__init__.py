"""Loops over a sequence, as functions of the graph."""

from graphcnn.language.loops.scan import scan

__all__ = ["scan"]
