"""Images that a network draws: one number after the other, or from a code, and what they are worth.

`Model.sample` draws; docs/drawing.md explains it.
"""

from graphcnn.generative.bounds import importance_bound
from graphcnn.generative.plane import plane

__all__ = ["importance_bound", "plane"]
