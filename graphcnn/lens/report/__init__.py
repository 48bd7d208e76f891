"""Report: what the lens finds of a model and an image, on one page."""
