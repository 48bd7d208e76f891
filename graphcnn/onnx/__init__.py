"""ONNX, both ways, by way of standard operators.

Out: `export.export_graph` writes a file, `parity.compare` runs it against our own executor. What
each operator becomes stands in the registry of `table`, one file per family.

In: `importer.import_onnx` reads a file that need not be trusted. What each ONNX operator becomes
stands in the registry of `context`, one file per family (`import_image`, `import_tensor`, ...);
`report` tells what was understood, `backend` runs the conformance suite of the onnx package.
"""
