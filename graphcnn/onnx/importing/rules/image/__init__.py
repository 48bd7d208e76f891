"""Operators of ONNX on images and volumes."""
