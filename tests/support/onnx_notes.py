"""ONNX files of ours without the text of the graph in them."""

import onnx

from graphcnn.onnx.exporting.export import NOTE


def without_note(model):
    """The model without the text of our graph, as any other program would write it."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    kept = [p for p in model.metadata_props if p.key != NOTE]
    del other.metadata_props[:]
    other.metadata_props.extend(kept)
    return other.SerializeToString(deterministic=True)
