"""What definitions of operators share: checks, and functions that NumPy lacks."""
