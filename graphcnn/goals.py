"""Goals with a name, as `loss=` takes them: several losses in a step, each with its parameters.

    model.fit(images, loss="wgan_gp", optimizer=cnn.Adam(1e-4, beta1=0.0, beta2=0.9))
    model.fit(images, loss=cnn.goals.WGANGP(every=3), optimizer=cnn.Adam(1e-4, beta1=0.5))

`cnn.Goal` makes such of functions of one's own.
"""

from graphcnn.learning.named_goals import GAN, GOALS, NamedGoals
from graphcnn.passes.training.wgan_gp import WGANGP

__all__ = ["GAN", "GOALS", "WGANGP", "NamedGoals"]
