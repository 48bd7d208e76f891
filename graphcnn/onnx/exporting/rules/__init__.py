"""What each of our operators is in ONNX, one family per file. Importing fills the registry."""

from graphcnn.base.modules import import_all

import_all(__name__)
