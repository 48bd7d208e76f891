"""Affine maps of the plane, one for each image of a batch.

A map takes (x, y) in pixels, whose centres are whole numbers, to where the point is afterwards.
"""

from dataclasses import dataclass, fields

from graphcnn.ir.node import Array


@dataclass(frozen=True, eq=False)
class Map:
    """x' = a·x + b·y + c, y' = d·x + e·y + f, one of each number for each image, (n,)."""

    a: Array
    b: Array
    c: Array
    d: Array
    e: Array
    f: Array

    def then(self, after: "Map") -> "Map":
        """This map, and `after` of what it gives."""
        return Map(
            after.a * self.a + after.b * self.d,
            after.a * self.b + after.b * self.e,
            after.a * self.c + after.b * self.f + after.c,
            after.d * self.a + after.e * self.d,
            after.d * self.b + after.e * self.e,
            after.d * self.c + after.e * self.f + after.f,
        )

    def inverse(self) -> "Map":
        """From where a point is afterwards to where it was."""
        area = self.a * self.e - self.b * self.d
        a, b, d, e = self.e / area, -self.b / area, -self.d / area, self.a / area
        return Map(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def __getitem__(self, rows: slice) -> "Map":
        """That of some of the images."""
        return Map(*(getattr(self, field.name)[rows] for field in fields(self)))

    def of(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where points (n, ...) are afterwards."""
        shape = (len(self.a), *[1] * (x.ndim - 1))
        a, b, c, d, e, f = (
            getattr(self, field.name).astype(x.dtype).reshape(shape) for field in fields(self)
        )
        return a * x + b * y + c, d * x + e * y + f
