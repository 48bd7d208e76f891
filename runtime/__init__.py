"""Executes graphs: the reference runtime, training data, checkpoints, progress."""
