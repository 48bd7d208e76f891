"""A generator of images and a critic, which learn from each other: DCGAN and WGAN-GP."""

import graphcnn as cnn
from graphcnn.errors import GraphError


def dcgan(*, in_channels: int = 1, size: int = 28, z: int = 64, features: int = 32) -> cnn.Model:
    """Image (N, in_channels, size, size) to what a critic says of it, and of one that is drawn.

    I. Goodfellow et al., arXiv:1406.2661, with the convolutions of A. Radford et al.,
    arXiv:1511.06434: the generator makes a code of normal numbers larger by transposed convolutions
    with batch normalisation, the critic makes images smaller by strides, with leaky ReLU. Other
    than there the critic has no normalisation: what it says of an image is of that image alone.

    Outputs: `real` and `fake` (N, 1), logits that an image is no drawn one, of the image that is
    fed and of `drawn`, which the generator makes of the value `code`. Trained with the goals `gan`.
    The generator's parameters are G.*, the critic's D.*. 270,690 parameters by default.

    Raises:
        GraphError: `size` is not divisible by 4.
    """
    return _players("dcgan", "gan", in_channels, size, z, features)


def wgan_gp(*, in_channels: int = 1, size: int = 28, z: int = 64, features: int = 32) -> cnn.Model:
    """Image (N, in_channels, size, size) to what a critic says of it, and of one that is drawn.

    I. Gulrajani et al., arXiv:1704.00028. The networks are those of `dcgan`; here too the critic
    has no batch normalisation, as its slope is one of each image alone.

    Outputs: `real` and `fake` (N, 1), what the critic says of the image that is fed and of `drawn`,
    which the generator makes of the value `code`. Trained with the goals `wgan_gp`, which hold the
    critic's slope at 1. The generator's parameters are G.*, the critic's D.*.
    270,690 parameters by default.

    Raises:
        GraphError: `size` is not divisible by 4.
    """
    return _players("wgan_gp", "wgan_gp", in_channels, size, z, features)


def _players(
    name: str, goals: str, in_channels: int, size: int, z: int, features: int
) -> cnn.Model:
    """Both networks as one, to be trained with these goals."""
    if size % 4:
        raise GraphError(f"{name}: size must be divisible by 4, found {size}")
    image, noise = cnn.input("image", (in_channels, size, size)), cnn.input("noise", (z,))
    side, wide = size // 4, 2 * features
    with cnn.scope("D"):
        x = cnn.conv2d(image, features, 4, stride=2, padding=1, name="conv1")
        x = cnn.conv2d(cnn.leaky_relu(x, 0.2), wide, 4, stride=2, padding=1, name="conv2")
        x = cnn.dense(cnn.flatten(cnn.leaky_relu(x, 0.2)), 1, name="score")
    critic = cnn.Model(image, x, name="critic")
    with cnn.scope("G"):
        x = cnn.dense(noise, wide * side * side, bias=False, name="dense")
        x = cnn.reshape(x, (cnn.N, wide, side, side))
        x = cnn.relu(cnn.batch_norm(x, name="bn1"))
        x = cnn.conv_transpose2d(x, features, 4, stride=2, padding=1, bias=False, name="up1")
        x = cnn.relu(cnn.batch_norm(x, name="bn2"))
        x = cnn.conv_transpose2d(x, in_channels, 4, stride=2, padding=1, name="up2")
        x = cnn.sigmoid(x)
    generator = cnn.Model(noise, x, name="generator")
    code = cnn.normal(cnn.zeros((cnn.N, z)), 1.0, predict="draw", name="code")
    drawn = generator(code)
    outputs = {"real": critic(image), "fake": critic(drawn), "drawn": drawn}
    model = cnn.Model(image, outputs, name=name)
    model.objective = goals
    model.sampler = cnn.samplers.Codes("code", image="drawn")
    return model
