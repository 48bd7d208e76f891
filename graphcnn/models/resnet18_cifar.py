"""ResNet-18 for 32×32 colour images."""

import graphcnn as cnn
from graphcnn.models.resnet18 import four_stages


def resnet18_cifar(*, classes: int = 10) -> cnn.Model:
    """ResNet-18 with a 3×3 stem and no first pool: image (N, 3, 32, 32) to logits (N, classes).

    The stages are those of K. He et al., arXiv:1512.03385, table 1; the stem leaves small images
    their size, as section 4.2 there does. 11,173,962 parameters with 10 classes.
    """
    image = cnn.input("image", (3, 32, 32))
    with cnn.scope("stem"):
        x = cnn.conv2d(image, 64, 3, padding=1, bias=False, name="conv")
        x = cnn.relu(cnn.batch_norm(x, name="norm"), name="relu")
    x = cnn.flatten(cnn.global_avg_pool2d(four_stages(x)))
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="resnet18_cifar")
