"""The loss of a network where none is given."""

from graphcnn.learning.aim import Losses
from graphcnn.network.network import Network


def usual_loss(model: Network, loss: Losses | None = None) -> Losses:
    """`loss`, or where it is not given the one that the network was made for or last learned by,
    else cross entropy."""
    if loss is not None:
        return loss
    return model.objective or model.loss or "cross_entropy"
