"""What a fuzz target is, and what targets make of their bytes."""

from collections.abc import Callable, Iterator
from random import Random

from attrs import field, frozen

LONGEST = 4096
"""Bytes of an input, unless a target says otherwise."""


@frozen
class Target:
    """Drives something real with bytes. `run` raises for a finding and nothing else, so it catches
    the exceptions that are declared; the same bytes always do the same.
    """

    name: str
    """Also the name of its directory in the corpus."""

    run: Callable[[bytes], object]

    seeds: Callable[[], tuple[bytes, ...]]
    """Inputs to begin with: valid ones of each kind."""

    tokens: tuple[bytes, ...] = ()
    """What a mutation puts in, beside bytes."""

    longest: int = LONGEST
    """Bytes of an input."""

    replayed: int = field(default=300, kw_only=True)
    """Mutations that the tests run: fewer where one takes longer."""

    @property
    def room(self) -> str:
        """The module that it is in."""
        return self.run.__module__


class Choices:
    """The bytes of an input as a series of decisions; when they are used up all are 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there are more."""
        return self._at < len(self._data)

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0] if self else 0

    def below(self, limit: int) -> int:
        """A number from 0 on, less than `limit`, of up to 256."""
        return self.byte() % limit

    def take(self, count: int) -> bytes:
        """The next `count` bytes, or as many as there are."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def piece(self) -> bytes:
        """Up to 255 bytes, as many as the next byte says."""
        return self.take(self.byte())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))


def chunks(data: bytes, seed: int) -> Iterator[bytes]:
    """`data` in pieces: bytes alone where `seed` is 0, otherwise of random sizes."""
    random, at = Random(seed), 0
    while at < len(data):
        size = 1 if seed == 0 else random.choice((1, 2, 3, 5, 17, 64, 1024))
        yield data[at : at + size]
        at += size


def same(found: object, wanted: object, what: str = "") -> None:
    """A finding if the two differ."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} is not {wanted!r}"[:4096])
