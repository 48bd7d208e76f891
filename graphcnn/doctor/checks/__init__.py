"""Checks of a diagnosis: each is a function of a `Case` that gives findings."""
