"""ONNX, both ways, by way of standard operators.

exporting   from a graph to a file; what each operator becomes stands in the registry of
            `table`, one file per family
importing   from a file that need not be trusted to a graph; what each ONNX operator becomes
            stands in the registry of `context`, one file per family; `report` tells what was
            understood
comparing   our numbers against those of ONNX Runtime
drivers     the programs that train an exported training step
backend     the conformance suite of the onnx package runs us through it
"""
