"""Inputs out of other inputs, at random; the same random numbers give the same inputs."""

from collections.abc import Sequence
from random import Random

from attrs import frozen

MOST_STEPS = 6
"""Changes that one mutation consists of at most."""

_LIVELY = (0, 1, 10, 13, 27, 32, 127, 128, 240, 250, 254, 255)
_NUMBERS = tuple(
    number.to_bytes(size, "big")
    for size in (2, 4, 8)
    for number in (0, 1, 255, 256, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
    if number < 1 << 8 * size
)


@frozen
class Mutator:
    """Makes inputs of at most `longest` bytes out of `corpus`, with `tokens` in them."""

    random: Random
    corpus: Sequence[bytes]
    tokens: Sequence[bytes]
    longest: int

    def next(self) -> bytes:
        """An input: one of the corpus, changed in a few places."""
        data = self.random.choice(self.corpus) if self.corpus else b""
        for _ in range(self.random.randint(1, MOST_STEPS)):
            data = self._changed(data)
        return data[: self.longest]

    def _changed(self, data: bytes) -> bytes:
        """`data` after one step."""
        random = self.random
        a, b = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
        b = min(b, a + random.choice((1, 4, 64, len(data))))
        match random.randrange(8):
            case 0:
                return data[:a] + bytes((random.choice(_LIVELY),)) + data[a + 1 :]
            case 1:
                return data[:a] + random.randbytes(random.randint(1, 4)) + data[a:]
            case 2:
                return data[:a] + random.choice(self.tokens or _NUMBERS) + data[a:]
            case 3:
                return data[:a] + random.choice(_NUMBERS) + data[b:]
            case 4:
                return data[:a] + data[b:]
            case 5:
                return data[:b] + data[a:b] * random.choice((1, 1, 2, 30)) + data[b:]
            case 6:
                other = random.choice(self.corpus) if self.corpus else b""
                return data[:a] + other[random.randint(0, len(other)) :]
            case _:
                flipped = bytes(byte ^ 1 << random.randrange(8) for byte in data[a : a + 1])
                return data[:a] + flipped + data[a + 1 :]
