"""Recurrent layers of ONNX: RNN, GRU and LSTM, as loops over their steps."""
