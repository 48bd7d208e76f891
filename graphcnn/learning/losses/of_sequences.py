"""Losses of sequences whose labels have no places: what is said, and not when."""

from dataclasses import dataclass
from typing import ClassVar

from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.loops.ctc import ctc_loss
from graphcnn.learning.losses.base import Loss


@dataclass(frozen=True)
class CTC(Loss):
    """Connectionist temporal classification: `ctc_loss`.

    Predictions are logits (N, T, K), targets are whole numbers (N, L), filled up behind the labels.
    A label that is the blank, or no class, is refused.

    Attributes:
        blank: the class that stands for no label, the last by default.
        padding: what labels are filled up with.
        zero_infinity: items whose labels are too many for the steps count 0.
    """

    blank: int = -1
    padding: int = -1
    zero_infinity: bool = False

    name: ClassVar = "ctc"
    function: ClassVar = staticmethod(ctc_loss)

    def stand_in(self, prediction: TensorType) -> TensorType:
        """As many labels as there are steps: how many there are, the data say."""
        return TensorType(prediction.shape[:2], DType.INT64)
