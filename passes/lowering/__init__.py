"""Towards the machine: larger steps, wider types, operators that native code has."""
