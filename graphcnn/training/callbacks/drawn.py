"""What a network draws as it learns: a sheet after every epoch, and all of them as a film."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import DataError
from graphcnn.generative.sampling import Sampling
from graphcnn.network.feeding import at_least_one
from graphcnn.pictures.picture import check_target
from graphcnn.pictures.results.drawn import drawn_film
from graphcnn.training.callbacks.log_file import Row
from graphcnn.training.checkpoint import make_folder
from graphcnn.training.run import Run, Watcher

#: Frames of a film, at most: of more every second one is left out.
_MOST = 48


class Drawn(Watcher):
    """Draws images after epochs and keeps a picture of them: as SVG or HTML a film, in the other
    formats some frames side by side.

        model.fit(..., callbacks=[cnn.callbacks.Drawn("drawn.svg")])

    The same random numbers are behind every frame, so that one sees the same images get better.
    A run that goes on goes on with the film.

    Args:
        n: images of a frame.
        every: epochs from one frame to the next.
        options: those of `Model.sample`, such as `temperature`, or a label.
    """

    writes: ClassVar = True

    def __init__(
        self, path: str | os.PathLike[str], *, n: int = 16, every: int = 1, **options: Any
    ) -> None:
        self.path, self.n, self.every = Path(path), at_least_one(n, "n"), every
        at_least_one(every, "every")
        check_target(self.path)
        self.options = options
        self._frames: list[tuple[int, Any]] = []

    def start(self, run: Run) -> None:
        if not isinstance(run.model, Sampling) or run.model.sampler is None:
            raise DataError(f"{run.model.name} does not draw: it has no sampler; see cnn.samplers")
        make_folder(self.path.parent)

    def epoch(self, run: Run, row: Row) -> None:
        number = run.position.epoch
        if number % self.every:
            return
        assert isinstance(run.model, Sampling)
        images = run.model.sample(self.n, **self.options)
        pixels = np.rint(images * 255).clip(0, 255).astype(np.uint8)
        self._frames.append((number, pixels))
        if len(self._frames) > _MOST:
            self._frames = self._frames[::-2][::-1]
        self._write(run)

    def _write(self, run: Run) -> None:
        words = [f"epoch {number}" for number, _ in self._frames]
        frames = [pixels / 255 for _, pixels in self._frames]
        drawn_film(frames, words, run.model.name, "what it draws as it learns").save(self.path)

    def state(self) -> Any:
        return {"numbers": [n for n, _ in self._frames], "frames": [p for _, p in self._frames]}

    def restore(self, state: Any) -> None:
        self._frames = list(zip(state["numbers"], state["frames"], strict=True))
