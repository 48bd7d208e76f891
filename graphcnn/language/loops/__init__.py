"""Loops over a sequence, as functions of the graph, and the layers that are made of them."""

from graphcnn.language.loops.ctc import ctc_loss
from graphcnn.language.loops.recurrent import gru, lstm, rnn
from graphcnn.language.loops.scan import scan

__all__ = ["ctc_loss", "gru", "lstm", "rnn", "scan"]
