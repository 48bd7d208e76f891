"""Diagrams by Graphviz: `.dot` files and what becomes of them. `graphcnn.pictures` has our own."""
