"""From the definition of a network to its training step: modes, gradients, updates."""
