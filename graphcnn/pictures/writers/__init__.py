"""A scene as a file: SVG, PDF, PNG, LaTeX, a page, Graphviz, words."""
