"""Images that a network draws: one number after the other, or from a code, and what they are worth.

See `Model.sample` and docs/drawing.md.
"""
