"""The lens with all its doors."""

from graphcnn.lens.study.doors import Study


class Lens(Study):
    """Looks into a model: `model.lens()` makes one.

    It has the model's own states: what training changes, it sees. It computes in strict precision
    unless told otherwise, since algorithms that round more (Winograd's) break ties of max-pooling
    another way, and with them the maps.

    Every method returns a `Finding`: arrays, the facts in its caption, and a picture. Images are
    what `predict` takes, one (C, H, W) or several (n, C, H, W). Classes are numbers or names.

    Args:
        model: any network, imported ones too.
        runtime, threads, precision: as in `fit`; precision is "strict" here.
    """
