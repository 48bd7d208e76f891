"""From an ONNX file to a model: read, check, evaluate what is known, translate the rest."""
