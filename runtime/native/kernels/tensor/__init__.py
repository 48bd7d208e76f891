"""Operators on tensors of any rank."""
