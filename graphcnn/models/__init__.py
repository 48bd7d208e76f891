"""Networks to start from. Each file reads like the code a user would write.

`MODELS` maps a name to the function that builds it; `build("resnet18", classes=10)` calls one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from graphcnn.language.arguments import choose
from graphcnn.models.autoencoder import autoencoder
from graphcnn.models.cifar_fast import cifar_fast
from graphcnn.models.crnn import crnn
from graphcnn.models.digits_cnn import digits_cnn
from graphcnn.models.gan import dcgan, wgan_gp
from graphcnn.models.lenet5 import lenet5
from graphcnn.models.mnist_cnn import mnist_cnn
from graphcnn.models.mnist_fast import mnist_fast
from graphcnn.models.mobilenet_v2 import mobilenet_v2
from graphcnn.models.pixel_rnn import diagonal_lstm, row_lstm
from graphcnn.models.pixelcnn import pixelcnn
from graphcnn.models.resnet9 import resnet9
from graphcnn.models.resnet18 import resnet18
from graphcnn.models.resnet18_cifar import resnet18_cifar
from graphcnn.models.squeezenet import squeezenet
from graphcnn.models.unet import unet
from graphcnn.models.vae import vae
from graphcnn.models.vgg16 import vgg16
from graphcnn.models.vgg_cifar import vgg_cifar

if TYPE_CHECKING:
    from graphcnn.model import Model

MODELS: Final[dict[str, "Callable[..., Model]"]] = {
    "lenet5": lenet5,
    "mnist_cnn": mnist_cnn,
    "mnist_fast": mnist_fast,
    "digits_cnn": digits_cnn,
    "vgg_cifar": vgg_cifar,
    "cifar_fast": cifar_fast,
    "resnet9": resnet9,
    "resnet18_cifar": resnet18_cifar,
    "resnet18": resnet18,
    "squeezenet": squeezenet,
    "vgg16": vgg16,
    "mobilenet_v2": mobilenet_v2,
    "unet": unet,
    "autoencoder": autoencoder,
    "crnn": crnn,
    "pixelcnn": pixelcnn,
    "row_lstm": row_lstm,
    "diagonal_lstm": diagonal_lstm,
    "vae": vae,
    "dcgan": dcgan,
    "wgan_gp": wgan_gp,
}

__all__ = [
    "MODELS",
    "autoencoder",
    "build",
    "cifar_fast",
    "crnn",
    "dcgan",
    "diagonal_lstm",
    "digits_cnn",
    "lenet5",
    "mnist_cnn",
    "mnist_fast",
    "mobilenet_v2",
    "pixelcnn",
    "resnet9",
    "resnet18",
    "resnet18_cifar",
    "row_lstm",
    "squeezenet",
    "unet",
    "vae",
    "vgg16",
    "vgg_cifar",
    "wgan_gp",
]


def build(name: str, **options: Any) -> "Model":
    """The built-in network `name`. Raises `GraphError` with the nearest known name."""
    return choose(MODELS, name, "model")(**options)
