"""Random numbers as a pure function of (seed, step, stream, index): Philox 4x32-10.

J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A counter in, four 32-bit
words out; no state, so any element can be drawn on its own, in any order, on any machine.
"""

import numpy as np

from graphcnn.ir.node import Array

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85

#: Counters of which words are made at once: a word takes 4 bytes, and 20 times that on its way.
_AT_ONCE = 1 << 16

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: Array, key: tuple[int, int]) -> Array:
    """Ten rounds of Philox: counters (4, n) of uint32 to random words (4, n) of uint32."""
    c0, c1, c2, c3 = counter.astype(np.uint64)
    k0, k1 = key
    m0, m1 = map(np.uint64, MULTIPLIERS)
    for _ in range(ROUNDS):
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _HALF) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _HALF) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def words(seed: int, step: int, stream: int, count: int, start: int = 0) -> Array:
    """`count` random uint32 from word `start` on; word i is lane i mod 4 of the counter
    (i div 4, step, stream)."""
    if start % 4:  # from the word where a counter begins
        return words(seed, step, stream, count + start % 4, start - start % 4)[start % 4 :]
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    found = np.empty(-(-count // 4) * 4, np.uint32)
    for first in range(0, count, 4 * _AT_ONCE):
        part = found[first : first + 4 * _AT_ONCE]
        counter = np.empty((4, part.size // 4), np.uint64)
        counter[0] = np.arange(first // 4, (first + part.size) // 4, dtype=np.uint64)
        counter[0] += np.uint64(start // 4)
        counter[1] = step & 0xFFFFFFFF
        counter[2] = stream & 0xFFFFFFFF
        counter[3] = (step >> 32) & 0xFFFFFFFF
        part.reshape(-1, 4)[:] = philox(counter, key).T
    return found[:count]


def uniform(seed: int, step: int, stream: int, count: int, start: int = 0) -> Array:
    """`count` float64 in [0, 1), each a multiple of 2^-24: exact in float32 as well."""
    return (words(seed, step, stream, count, start) >> np.uint32(8)) * 2.0**-24


def permutation(seed: int, step: int, stream: int, count: int) -> Array:
    """A random order of `count` items: the stable sort of one random word each."""
    return np.argsort(words(seed, step, stream, count), kind="stable")
