"""Operators that ONNX had on trial until opset 9: files of that time have them, from CoreML above
all, and ONNX Runtime reads them still."""

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.onnx.importing.context import Call, imports
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.activation import Softplus, Tanh


def _line(x: Value, factor: float, plus: float) -> Value:
    x = x if factor == 1.0 else x * factor
    return x if plus == 0.0 else x + plus


@imports("ImageScaler")
def image_scaler(call: Call) -> Value:
    """scale · x, plus a bias for each channel."""
    x, bias = call.value(0), list(call.attribute("bias", ()))
    if x.type.rank != 4 or len(bias) != size_of(x, 1):
        raise ImportModelError(f"attribute 'bias' has {len(bias)} numbers for {x.type}")
    return _line(x, float(call.attribute("scale", 1.0)), 0.0) + constant_of(
        [[[b]] for b in bias], x.dtype
    )


@imports("Crop")
def crop(call: Call) -> Value:
    """An image without its border (left, top, right, bottom), or with `scale` rows and columns."""
    x = call.value(0)
    if x.type.rank != 4:
        raise ImportModelError(f"expected an image (N, C, H, W), found {x.type}")
    left, top, right, bottom = call.ints("border", (), 4)
    rows, columns = size_of(x, 2) - top - bottom, size_of(x, 3) - left - right
    if "scale" in call.attributes:
        rows, columns = call.ints("scale", (), 2)
    fits = top + rows <= size_of(x, 2) and left + columns <= size_of(x, 3)
    if min(left, top, right, bottom) < 0 or min(rows, columns) < 1 or not fits:
        raise ImportModelError(f"{rows} rows and {columns} columns at ({top}, {left}) of {x.type}")
    return cut(cut(x, 2, top, rows), 3, left, columns)


@imports("Affine")
def affine(call: Call) -> Value:
    x = call.value(0)
    return _line(x, float(call.attribute("alpha", 1.0)), float(call.attribute("beta", 0.0)))


@imports("Scale")
def scale(call: Call) -> Value:
    return _line(call.value(0), float(call.attribute("scale", 1.0)), 0.0)


@imports("ScaledTanh")
def scaled_tanh(call: Call) -> Value:
    """alpha · tanh(beta · x)."""
    alpha, beta = _pair(call)
    return _line(Tanh()(_line(call.value(0), beta, 0.0)), alpha, 0.0)


@imports("ParametricSoftplus")
def parametric_softplus(call: Call) -> Value:
    """alpha · log(1 + e^(beta · x))."""
    alpha, beta = _pair(call)
    return _line(Softplus()(_line(call.value(0), beta, 0.0)), alpha, 0.0)


def _pair(call: Call) -> tuple[float, float]:
    missing = [name for name in ("alpha", "beta") if name not in call.attributes]
    if missing:
        raise ImportModelError(f"attribute {missing[0]!r} is missing, expected one")
    return float(call.attributes["alpha"]), float(call.attributes["beta"])
