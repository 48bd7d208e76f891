"""Images that a network draws: one number after the other, or from a code, and what they are worth.

`Model.sample` draws; docs/drawing.md explains it.
"""

from graphcnn.generative.bounds import importance_bound
from graphcnn.generative.judgement import Judgement
from graphcnn.generative.judging import judge
from graphcnn.generative.plane import plane

__all__ = ["Judgement", "importance_bound", "judge", "plane"]
