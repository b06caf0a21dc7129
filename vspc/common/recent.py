"""The latest of what peers cause, by key: bounded in all, and for each neighbourhood of addresses,
so that one peer cannot push out what is kept of all others.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from vspc.common.addresses import rate_key

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentByAddress(Generic[Key, Value]):
    """Values by key, in the order in which they were put last; the oldest are dropped first."""

    def __init__(self, in_all: int, of_one: int) -> None:
        """`of_one`: how many one IPv4 address, or one /64 of IPv6, may have of the `in_all`."""
        self._in_all = in_all
        self._of_one = of_one
        self._kept: OrderedDict[Key, tuple[str, Value]] = OrderedDict()
        self._of: dict[str, OrderedDict[Key, None]] = {}  # by neighbourhood, oldest first

    def __iter__(self) -> Iterator[Value]:
        return iter([value for _, value in self._kept.values()])

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """What is kept under `key`."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def put(self, address: str, key: Key, value: Value) -> None:
        """Keep `value`, which `address` has caused, as the newest."""
        self.drop(key)
        neighbourhood = rate_key(address)
        neighbours = self._of.get(neighbourhood, ())
        if len(neighbours) >= self._of_one:
            self.drop(next(iter(neighbours)))
        elif len(self._kept) >= self._in_all:
            self.drop(next(iter(self._kept)))
        self._kept[key] = neighbourhood, value
        self._of.setdefault(neighbourhood, OrderedDict())[key] = None

    def replace(self, key: Key, value: Value) -> None:
        """Another value under a key that is there, at its place."""
        self._kept[key] = self._kept[key][0], value

    def drop(self, key: Key) -> None:
        """Nothing is kept under `key` any more; nothing may have been."""
        found = self._kept.pop(key, None)
        if found is None:
            return
        neighbours = self._of[found[0]]
        del neighbours[key]
        if not neighbours:
            del self._of[found[0]]
