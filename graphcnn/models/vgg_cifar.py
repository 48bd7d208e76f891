"""A small VGG for 32×32 colour images."""

import graphcnn as cnn


def vgg_cifar(*, classes: int = 10) -> cnn.Model:
    """Three pairs of 3×3 convolutions: image (N, 3, 32, 32) to logits (N, classes).

    The pattern of K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale
    Image Recognition", arXiv:1409.1556, at the size of CIFAR-10, with batch norm and with global
    average pooling in place of the wide dense layers. 288,746 parameters with 10 classes.
    """
    image = cnn.input("image", (3, 32, 32))
    x = image
    for stage, channels in enumerate((32, 64, 128), start=1):
        with cnn.scope(f"stage{stage}"):
            for i in (1, 2):
                x = cnn.conv2d(x, channels, 3, padding=1, bias=False, name=f"conv{i}")
                x = cnn.batch_norm(x, name=f"norm{i}")
                x = cnn.relu(x, name=f"relu{i}")
            if stage < 3:
                x = cnn.max_pool2d(x, 2, name="pool")
    x = cnn.flatten(cnn.global_avg_pool2d(x))
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="vgg_cifar")
