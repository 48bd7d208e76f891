"""Synthesis: images that excite a unit, share a code, dream on, or deceive."""
