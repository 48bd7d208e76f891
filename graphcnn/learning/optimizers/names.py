"""Optimisers by name."""

from graphcnn.learning.optimizers.adagrad import Adadelta, Adagrad
from graphcnn.learning.optimizers.adam import Adam, AdamW
from graphcnn.learning.optimizers.averaging import EMA, SWA
from graphcnn.learning.optimizers.base import Optimizer
from graphcnn.learning.optimizers.lamb import LAMB
from graphcnn.learning.optimizers.lion import Lion
from graphcnn.learning.optimizers.lookahead import Lookahead
from graphcnn.learning.optimizers.muon import Muon
from graphcnn.learning.optimizers.rmsprop import RMSProp
from graphcnn.learning.optimizers.sgd import SGD
from graphcnn.learning.optimizers.wrapper import Wrapper

#: What `optimizer=` accepts as a name, with default settings.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD, "rmsprop": RMSProp, "adam": Adam, "adamw": AdamW, "adagrad": Adagrad,
    "adadelta": Adadelta, "lion": Lion, "lamb": LAMB, "muon": Muon,
}  # fmt: skip
#: What goes around an optimiser.
WRAPPERS: dict[str, type[Wrapper]] = {"ema": EMA, "swa": SWA, "lookahead": Lookahead}
