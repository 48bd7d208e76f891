"""Towards the machine: larger steps, other element types, operators that native code has."""
