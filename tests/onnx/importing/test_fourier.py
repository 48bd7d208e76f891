"""Fourier transforms of ONNX, whole and by frames, by everybody."""

import numpy as np
import pytest
from onnx import numpy_helper
from support.agreement import check_agreement, everybody
from support.malformed_models import integers, model, node

from graphcnn.compile.runner import Runner
from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.execution import Execution


def drawn(*shape):
    return lambda n: {"x": np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)}


def scalar(name, value):
    return numpy_helper.from_array(np.array(value), name)


#: The shape of an item, the attributes, the length that is asked for.
TRANSFORMS = {
    "real": ((10, 1), {}, None),
    "complex": ((9, 2), {}, None),
    "inverse": ((10, 2), {"inverse": 1}, None),
    "inverse_real": ((7, 1), {"inverse": 1}, None),
    "half": ((10, 1), {"onesided": 1}, None),
    "half_odd": ((9, 1), {"onesided": 1}, None),
    "shorter": ((10, 1), {"onesided": 1}, 7),
    "longer": ((10, 2), {}, 13),
    "middle": ((4, 6, 2), {"axis": 1}, None),
    "last": ((4, 6, 1), {"axis": -2, "onesided": 1}, None),
    "back": ((6, 2), {"inverse": 1, "onesided": 1}, None),
    "back_odd": ((6, 2), {"inverse": 1, "onesided": 1}, 11),
}


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name, opset):
    shape, how, length = TRANSFORMS[name]
    inputs, stored = ["x"], []
    if length is not None:
        inputs, stored = ["x", "n"], [scalar("n", length)]
    if opset == 20:
        stored.append(scalar("axis", how.get("axis", 1)))
        inputs = [*inputs, *[""] * (2 - len(inputs)), "axis"]
        how = {k: v for k, v in how.items() if k != "axis"}
    content = model([node("DFT", *inputs, **how)], ("N", *shape), stored, opset=opset)
    check_agreement(content.SerializeToString(), drawn(*shape))


@pytest.mark.parametrize("length", [6, 7, 9, 12])
def test_half_spectra_of_other_lengths(length):
    """Cut, or with zeros behind, as in NumPy: ONNX Runtime mirrors these at another place."""
    one = node("DFT", "x", "n", inverse=1, onesided=1)
    graph = import_graph(model([one], ("N", 6, 2), [scalar("n", length)]).SerializeToString()).graph
    x = drawn(6, 2)(2)["x"]
    expected = np.fft.irfft(x[..., 0] + 1j * x[..., 1], length)[..., None]
    for runtime in ("reference", "native"):
        found = Runner(graph, Execution(runtime)).run({"x": x}, {})[0]["y"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_there_and_back():
    """Over both axes of a picture, as a layer with Fourier units does it: half a spectrum, and the
    picture again."""
    nodes = [
        node("DFT", "x", "", "two", outputs=("a",), onesided=1),
        node("DFT", "a", "", "one", outputs=("b",)),
        node("DFT", "b", "", "one", outputs=("c",), inverse=1),
        node("DFT", "c", "eight", "two", outputs=("y",), inverse=1, onesided=1),
    ]
    stored = [scalar("one", 1), scalar("two", 2), scalar("eight", 8)]
    content = model(nodes, ("N", 6, 8, 1), stored, opset=20).SerializeToString()
    check_agreement(content, drawn(6, 8, 1))
    x = drawn(6, 8, 1)(2)
    np.testing.assert_allclose(everybody(content, x)["native"]["y"], x["x"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_frames(parts):
    """With a window or a length; of real signals, with one axis less too, and of complex ones."""
    shape = (40, parts) if parts else (40,)
    window = numpy_helper.from_array(np.hanning(8).astype(np.float32), "w")
    for inputs, stored in (
        (("x", "step", "w"), [window]),
        (("x", "step", "", "n"), [scalar("n", 16)]),
        (("x", "step", "w", "n"), [window, scalar("n", 8)]),
    ):
        halves = (0,) if parts == 2 else (0, 1)
        for half in halves:
            one = node("STFT", *inputs, onesided=half)
            content = model([one], ("N", *shape), [scalar("step", 5), *stored]).SerializeToString()
            check_agreement(content, drawn(*shape))


def test_a_mel_spectrogram_before_a_convolution():
    """Frames, power, bands, logarithm, as an image of one channel."""
    rng = np.random.default_rng(0)
    numbers = {"step": 16, "bands": 6, "length": 32, "rate": 8000}
    stored = [scalar(k, v) for k, v in numbers.items()]
    stored += [scalar(k, np.float32(v)) for k, v in (("low", 20), ("high", 4000), ("tiny", 1e-3))]
    stored += [
        numpy_helper.from_array(rng.normal(size=(2, 1, 3, 3)).astype(np.float32), "k"),
        integers("last", 3), integers("channel", 1),
    ]  # fmt: skip
    nodes = [
        node("HannWindow", "length", outputs=("w",)),
        node("STFT", "x", "step", "w", outputs=("s",)),
        node("Mul", "s", "s", outputs=("squares",)),
        node("ReduceSum", "squares", "last", outputs=("power",), keepdims=0),
        node("MelWeightMatrix", "bands", "length", "rate", "low", "high", outputs=("m",)),
        node("MatMul", "power", "m", outputs=("mel",)),
        node("Add", "mel", "tiny", outputs=("above",)),
        node("Log", "above", outputs=("log",)),
        node("Unsqueeze", "log", "channel", outputs=("image",)),
        node("Conv", "image", "k"),
    ]
    content = model(nodes, ("N", 160, 1), stored).SerializeToString()
    check_agreement(content, drawn(160, 1))


def test_mel_weights():
    """Those of ONNX Runtime, for narrow bands as well, which have one bin or none."""
    for n, bands, rate, low, high in ((16, 8, 8192, 0, 4096), (32, 20, 16000, 60, 7600)):
        numbers = [scalar(k, v) for k, v in (("n", n), ("b", bands), ("r", rate))]
        ends = [scalar("l", np.float32(low)), scalar("h", np.float32(high))]
        nodes = [
            node("MelWeightMatrix", "b", "n", "r", "l", "h", outputs=("m",)),
            node("MatMul", "x", "m"),
        ]
        made = model(nodes, ("N", n // 2 + 1), [*numbers, *ends]).SerializeToString()
        check_agreement(made, drawn(n // 2 + 1))


def test_what_is_refused():
    def refused(one, shape, *stored, opset=17, limits=None):
        made = model([one], shape, stored, opset=opset)
        with pytest.raises(ImportModelError) as caught:
            import_graph(made.SerializeToString(), limits=limits)
        return str(caught.value)

    assert "expected (..., 1) or (..., 2)" in refused(node("DFT", "x"), ("N", 4, 3))
    assert "onesided needs real" in refused(node("DFT", "x", onesided=1), ("N", 4, 2))
    text = refused(node("STFT", "x", "s", "", "n"), ("N", 9, 1), scalar("s", 2), scalar("n", 10))
    assert "frames of 10 at steps of 2" in text and "f32[N,9,1]" in text
    few = Limits(folded_bytes=1000)
    assert "limits.folded_bytes" in refused(node("DFT", "x"), ("N", 64, 1), limits=few)
