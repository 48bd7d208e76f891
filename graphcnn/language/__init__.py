"""What users write: functions that build the graph. One family per file, like `graphcnn.ops`.

Tensors first, then the operator's size, then keywords with the field's standard names.
"""
