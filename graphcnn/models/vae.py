"""A variational autoencoder of convolutions."""

import graphcnn as cnn
from graphcnn.errors import GraphError


def vae(
    *,
    in_channels: int = 1,
    size: int = 28,
    z: int = 20,
    channels: tuple[int, int] = (16, 32),
    units: int = 256,
) -> cnn.Model:
    """Image (N, in_channels, size, size) to a distribution of codes, and a code that is drawn from
    it to logits of the image: D. Kingma and M. Welling, arXiv:1312.6114. With a code of z = 2 all
    that it draws lies in a plane, which `cnn.generative.plane` draws.

    Outputs: `logits` of the pixels, which are taken for bits; `mean` and `log_variance` (N, z) of
    the codes; `drawn`, the probabilities of the pixels. The value `code` is drawn from the codes'
    distribution wherever the network is computed, in predictions too, so that a bound that is
    measured is one. Trained with `elbo`, the image being its own target.
    837,257 parameters by default.

    Raises:
        GraphError: `size` is not divisible by 4.
    """
    if size % 4:
        raise GraphError(f"vae: size must be divisible by 4, found {size}")
    image, side = cnn.input("image", (in_channels, size, size)), size // 4
    with cnn.scope("encoder"):
        x = cnn.conv2d(image, channels[0], 4, stride=2, padding=1, activation="relu", name="conv1")
        x = cnn.conv2d(x, channels[1], 4, stride=2, padding=1, activation="relu", name="conv2")
        x = cnn.dense(cnn.flatten(x), units, activation="relu", name="dense")
        mean = cnn.dense(x, z, name="mean")
        log_variance = cnn.dense(x, z, name="log_variance")
    code = cnn.normal(mean, cnn.exp(log_variance * 0.5), predict="draw", name="code")
    with cnn.scope("decoder"):
        x = cnn.dense(code, units, activation="relu", name="dense1")
        x = cnn.dense(x, channels[1] * side * side, activation="relu", name="dense2")
        x = cnn.reshape(x, (cnn.N, channels[1], side, side), name="maps")
        x = cnn.conv_transpose2d(
            x, channels[0], 4, stride=2, padding=1, activation="relu", name="up1"
        )
        logits = cnn.conv_transpose2d(x, in_channels, 4, stride=2, padding=1, name="up2")
        drawn = cnn.sigmoid(logits, name="drawn")
    outputs = {"logits": logits, "mean": mean, "log_variance": log_variance, "drawn": drawn}
    model = cnn.Model(image, outputs, name="vae")
    model.objective = "elbo"
    model.sampler = cnn.samplers.Codes("code", image="drawn")
    return model
