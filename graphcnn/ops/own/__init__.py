"""Operators that users define: what they are to the compiler."""
