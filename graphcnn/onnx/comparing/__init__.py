"""Our numbers against those of ONNX Runtime."""
