"""All methods of the lens that show one thing; `graphcnn.lens.lens` adds the page of them all."""

from graphcnn.lens.attribution.doors import Attribution
from graphcnn.lens.study.doors import Study
from graphcnn.lens.synthesis.doors import Synthesis


class Methods(Attribution, Study, Synthesis):
    """Everything that the report is made of: a base for each folder of methods."""
