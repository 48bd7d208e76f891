"""The gradient methods beside those of captum, on the same weights and images.

    pip install torch captum && pytest tests/lens/test_captum.py

captum computes in float64: what is compared is how far float32 is from what is meant. Gradients
jump where a rectifier opens or a maximum moves, and an image at such a place has two of them: the
images are ones where float32 and float64 agree on all of it.
"""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.lens.attribution.smooth import noise_of
from graphcnn.models import digits_cnn, lenet5, mnist_cnn, resnet18
from graphcnn.tools.bench.torch_nets import torch_module

torch = pytest.importorskip("torch", reason="compares with captum")
attr = pytest.importorskip("captum.attr", reason="compares with captum")

#: Our network; a layer, and the number of the torch module with its maps; how many points the path
#: of integration has; the seed of the image.
NETS = {
    "digits_cnn": (digits_cnn, "conv2", 3, 50, 10),
    "lenet5": (lenet5, "C3", 4, 50, 10),
    "mnist_cnn": (mnist_cnn, "conv2", 4, 50, 15),
    "resnet18": (lambda: resnet18(size=64), "stage4.block2.relu2", 11, 4, 15),
}
TARGET = 7


def drawn_model(net: str) -> cnn.Model:
    """The network with weights, biases and statistics that are all drawn."""
    model = NETS[net][0]().initialize(0)
    rng = np.random.default_rng(1)
    flat = {k: a for k, a in model.states.items() if a.ndim == 1}
    model.set_parameters(
        {k: a + np.abs(rng.normal(0, 0.1, a.shape)).astype(np.float32) for k, a in flat.items()}
    )
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net", NETS)
def test_gradients_are_those_of_captum(net: str) -> None:
    steps, seed = NETS[net][3:]
    model = drawn_model(net)
    module = torch_module(net, model.states).eval().double()
    shape = model.graph.inputs[0].shape[1:]
    x = np.random.default_rng(seed).random((1, *shape)).astype(np.float32)
    lens, image = model.lens(), torch.from_numpy(x.astype(np.float64))

    def theirs(explain: object, **options: object) -> np.ndarray:
        return explain.attribute(image, target=TARGET, **options).detach().numpy()

    noise = noise_of(0, 0, 4, shape) * np.float32(0.15) * (x.max() - x.min())
    noisy = torch.from_numpy((x + noise).astype(np.float64))
    smoothed = attr.Saliency(module).attribute(noisy, target=[TARGET] * 4, abs=False)
    blank = torch.zeros_like(image)
    integrated = dict(n_steps=steps, method="gausslegendre", baselines=blank)
    middles = integrated | dict(method="riemann_middle")
    pairs = {
        "gradient": (lens.gradient(x, TARGET), theirs(attr.Saliency(module), abs=False)),
        "times input": (
            lens.gradient(x, TARGET, times_input=True), theirs(attr.InputXGradient(module))
        ),
        "guided": (lens.gradient(x, TARGET, rule="guided"), theirs(attr.GuidedBackprop(module))),
        "deconv": (lens.gradient(x, TARGET, rule="deconv"), theirs(attr.Deconvolution(module))),
        "integrated": (
            lens.integrated(x, TARGET, steps=steps, tolerance=None),
            theirs(attr.IntegratedGradients(module), **integrated),
        ),
        "middles": (
            lens.integrated(x, TARGET, steps=steps, tolerance=None, rule="riemann-middle"),
            theirs(attr.IntegratedGradients(module), **middles),
        ),
        "smooth": (lens.smooth(x, TARGET, samples=4), smoothed.numpy().mean(0, keepdims=True)),
    }  # fmt: skip
    off = {
        name: float(np.abs(np.asarray(ours) - captum).max() / np.abs(captum).max())
        for name, (ours, captum) in pairs.items()
    }
    assert max(off.values()) <= 1e-6, off
