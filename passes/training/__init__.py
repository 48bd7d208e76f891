"""From the definition of a network to its training step: modes, gradients, updates."""

from graphcnn.passes.training import named_goals as named_goals  # whose names `loss=` takes
