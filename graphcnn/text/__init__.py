"""The text form of graphs, and what reads and writes it."""
