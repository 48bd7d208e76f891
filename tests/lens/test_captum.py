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
    "resnet18": (lambda: resnet18(size=64), "stage4.block2.relu2", 11, 4, 11),
}


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
    layer, place, steps, seed = NETS[net][1:]
    model = drawn_model(net)
    module = torch_module(net, model.states).eval().double()
    shape = model.graph.inputs[0].shape[1:]
    x = np.random.default_rng(seed).random((1, *shape)).astype(np.float32)
    lens, image = model.lens(), torch.from_numpy(x.astype(np.float64))
    target = int(lens.predicted(x).argmax())

    def theirs(explain: object, **options: object) -> np.ndarray:
        return explain.attribute(image, target=target, **options).detach().numpy()

    noise = noise_of(0, 0, 4, shape) * np.float32(0.15) * (x.max() - x.min())
    noisy = torch.from_numpy((x + noise).astype(np.float64))
    smoothed = attr.Saliency(module).attribute(noisy, target=[target] * 4, abs=False)
    blank = torch.zeros_like(image)
    integrated = dict(n_steps=steps, method="gausslegendre", baselines=blank)
    middles = integrated | dict(method="riemann_middle")
    pairs = {
        "gradient": (lens.gradient(x, target), theirs(attr.Saliency(module), abs=False)),
        "times input": (
            lens.gradient(x, target, times_input=True), theirs(attr.InputXGradient(module))
        ),
        "guided": (lens.gradient(x, target, rule="guided"), theirs(attr.GuidedBackprop(module))),
        "deconv": (lens.gradient(x, target, rule="deconv"), theirs(attr.Deconvolution(module))),
        "integrated": (
            lens.integrated(x, target, steps=steps, tolerance=None),
            theirs(attr.IntegratedGradients(module), **integrated),
        ),
        "middles": (
            lens.integrated(x, target, steps=steps, tolerance=None, rule="riemann-middle"),
            theirs(attr.IntegratedGradients(module), **middles),
        ),
        "smooth": (lens.smooth(x, target, samples=4), smoothed.numpy().mean(0, keepdims=True)),
        "grad_cam": (
            lens.grad_cam(x, target, layer=layer)["cam"][:, None],
            theirs(attr.LayerGradCam(module, module[place])),
        ),
        "occlusion": (
            lens.occlude(x, target, patch=(3, 5), stride=(2, 3))["score_map"][:, None].repeat(
                shape[0], 1
            ),
            theirs(
                attr.Occlusion(module), sliding_window_shapes=(shape[0], 3, 5),
                strides=(shape[0], 2, 3), perturbations_per_eval=32,
            ),
        ),
    }  # fmt: skip
    sizes = {name: np.abs(captum).max() for name, (_, captum) in pairs.items()}
    sizes["occlusion"] = 2 * np.abs(lens.predicted(x)).max()  # the difference of two scores
    off = {
        name: float(np.abs(np.asarray(ours) - captum).max() / sizes[name])
        for name, (ours, captum) in pairs.items()
    }
    assert max(off.values()) <= 1e-6, off
