"""What each operator of ONNX is in ours, one family per file. Importing fills the registry."""

from graphcnn.base.modules import import_all

import_all(__name__)
