"""ONNX out: any graph in standard operators, checked, and compared with ONNX Runtime.

`export_graph` writes a file, `compare` runs it against our own executor. What each operator
becomes stands in the registry of `graphcnn.onnx.table`, one file per family.
"""
