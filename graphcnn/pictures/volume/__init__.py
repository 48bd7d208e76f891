"""Volume figures: tensors as bodies in a row."""
