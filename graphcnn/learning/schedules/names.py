"""Schedules by name."""

from graphcnn.learning.schedules.base import Constant, Schedule
from graphcnn.learning.schedules.cycles import OneCycle
from graphcnn.learning.schedules.falling import Cosine, Linear, Polynomial

#: Those that need no more than their highest rate: the command line offers them.
SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant, "linear": Linear, "polynomial": Polynomial, "cosine": Cosine,
    "one_cycle": OneCycle,
}  # fmt: skip
