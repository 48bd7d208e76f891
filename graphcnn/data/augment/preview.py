"""Looking at what training will see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture


def preview(
    data: Any, items: int | Sequence[int] = 8, epochs: int = 4, *, seed: int = 0
) -> "Picture":
    """Images of an augmented data set in each of the first epochs, as a picture.

        cnn.augment.preview(train.augmented(flip(), crop(4), cutout(8))).save("seen.svg")

    See `graphcnn.pictures.augmented_picture`.
    """
    from graphcnn.pictures.results.augmented import augmented_picture

    return augmented_picture(data, items, epochs, seed=seed)
