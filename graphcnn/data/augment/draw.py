"""Random numbers of images: each a pure function of seed, epoch, image and transform.

Philox 4x32-10 (`graphcnn.ir.philox`) takes 64 bits of key, the seed, and four words of counter: the
number of the block, the index of the image, the place of the transform, and the epoch. So it does
not matter in which batch an image comes, who asks for its numbers, or how often.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.philox import philox

#: The first byte of the third word: no stream of another part of the product begins with it.
_STREAM = 0xA5
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Draw:
    """The numbers that one transform draws for each image of a batch.

    Attributes:
        seed, epoch: those of the run.
        index: which images of the data set, (n,).
        repeat: how many times each came before in the same epoch, as samplers let them, (n,).
        place: of the transform among those of the data set, from 0.
    """

    seed: int
    epoch: int
    index: Array
    repeat: Array
    place: int = 0

    def __len__(self) -> int:
        return len(self.index)

    def at(self, place: int) -> Self:
        """The numbers of another transform."""
        return replace(self, place=place)

    def of_epoch(self, epoch: int) -> Self:
        """The numbers of another epoch."""
        return replace(self, epoch=epoch)

    def part(self, rows: slice | Array) -> Self:
        """The numbers of some of the images."""
        return replace(self, index=self.index[rows], repeat=self.repeat[rows])

    def of_images(self, index: Array) -> Self:
        """The numbers of other images, each as it is when it comes first."""
        return replace(self, index=index, repeat=np.zeros(len(index), np.int64))

    def words(self, count: int) -> Array:
        """Random uint32 (n, count); row i is a pure function of its image."""
        blocks = -(-count // 4)
        counter = np.zeros((4, len(self), blocks), np.uint64)
        counter[0] = np.arange(blocks, dtype=np.uint64)
        counter[1] = (self.index & _WORD)[:, None]
        counter[2] = self._stream()[:, None]
        counter[3] = self.epoch & _WORD
        key = (self.seed & _WORD, (self.seed >> 32) & _WORD)
        lanes = philox(counter.reshape(4, -1), key).T  # lane i of block b is word 4·b + i
        return lanes.reshape(len(self), -1)[:, :count]

    def uniform(self, count: int) -> tuple[Array, ...]:
        """`count` arrays (n,) of float64 in [0, 1), each number a multiple of 2^-32."""
        return tuple(self.words(count).T * 2.0**-32)

    def between(self, low: float, high: float) -> Array:
        """One number in [low, high) for each image."""
        return low + (high - low) * self.uniform(1)[0]

    def generators(self) -> list[np.random.Generator]:
        """A generator of NumPy's for each image, for functions that draw as they like."""
        seed = self.seed & ((1 << 64) - 1)
        rows = zip(self.index.tolist(), self._stream().tolist(), strict=True)
        return [
            np.random.Generator(
                np.random.Philox(key=seed, counter=[0, index, stream, self.epoch & _WORD])
            )
            for index, stream in rows
        ]

    def _stream(self) -> Array:
        stream: Array = (_STREAM << 24 | self.place << 16) + (self.repeat & 0xFFFF)
        return stream


def below(u: Array, count: Array | int) -> Array:
    """Numbers in [0, 1) as whole numbers 0..count - 1, equally likely."""
    found: Array = np.floor(u * count).astype(np.int64)
    return found


def repeats(order: Array) -> Array:
    """How often each entry of `order` came before it: 0 everywhere in a permutation."""
    rows = np.arange(len(order))
    if not len(order) or np.bincount(order).max() == 1:
        return np.zeros(len(order), np.int64)
    by_value = np.argsort(order, kind="stable")
    values = order[by_value]
    first = np.concatenate([[True], values[1:] != values[:-1]])
    count = np.empty(len(order), np.int64)
    count[by_value] = rows - np.maximum.accumulate(np.where(first, rows, 0))
    return count
