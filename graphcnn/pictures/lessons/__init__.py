"""Worked examples: what an operator does, shown with numbers that the operator itself gave."""
