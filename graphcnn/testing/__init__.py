"""Checks for operators that users define, the same functions that our own are under.

from graphcnn.testing import Draw, ErrorSample, Sample, check_operator
"""

from graphcnn.testing.operator import check_operator
from graphcnn.testing.samples import Draw, ErrorSample, Sample

__all__ = ["Draw", "ErrorSample", "Sample", "check_operator"]
