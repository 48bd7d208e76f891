"""Going on from what others trained: weights from elsewhere, new heads, fine tuning."""
