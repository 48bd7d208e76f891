"""Graphs that say the same with less: one spelling, nothing unneeded, known things computed."""
