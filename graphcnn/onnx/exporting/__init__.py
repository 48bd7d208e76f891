"""From a graph to an ONNX file: the mapping of every operator, and what a file must fulfil."""
