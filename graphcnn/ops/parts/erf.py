"""The error function, which NumPy lacks: W. J. Cody, "Rational Chebyshev approximations for the
error function", Mathematics of Computation 23 (1969), 631-637. Accurate to about 1e-16."""

import math

import numpy as np

from graphcnn.ir.node import Array

# Coefficients of Cody's three ranges, highest power first.
_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)  # fmt: skip
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip


def erf(x: Array) -> Array:
    """2/√π times the integral of exp(-t²) from 0 to x, computed in float64."""
    z = np.asarray(x, np.float64)
    a = np.minimum(np.abs(z), 6.0)  # beyond 6 it is 1 in float64
    magnitude = np.piecewise(a, [a <= 0.46875, (a > 0.46875) & (a <= 4.0)], [_near, _middle, _far])
    return np.asarray(np.copysign(magnitude, z), x.dtype)


def _ratio(polynomials: tuple[tuple[float, ...], ...], x: Array) -> Array:
    ratio: Array = np.polyval(polynomials[0], x) / np.polyval(polynomials[1], x)
    return ratio


def _near(a: Array) -> Array:
    return a * _ratio(_SMALL, a * a)


def _middle(a: Array) -> Array:
    y: Array = 1.0 - np.exp(-a * a) * _ratio(_MIDDLE, a)
    return y


def _far(a: Array) -> Array:
    r = 1.0 / (a * a)
    tail = (1.0 / math.sqrt(math.pi) - r * _ratio(_LARGE, r)) / a
    y: Array = 1.0 - np.exp(-a * a) * tail
    return y
