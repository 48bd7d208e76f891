"""Training: sessions of compiled steps, `fit`, and the training step as ONNX."""
