"""Convolutions and their gradients: one file per algorithm."""
