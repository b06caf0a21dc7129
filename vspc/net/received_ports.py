"""Listening sockets that the service manager has handed over: from an earlier process of ours, by
way of its store, or of its socket units.
"""

import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress

from attrs import define, field

from vspc.common.addresses import parse_address
from vspc.common.text import safe
from vspc.config.listening import ListeningAddress, listening
from vspc.config.values import Endpoint
from vspc.net.adoption import INTERNET
from vspc.net.descriptor_store import port_name


@define(eq=False)
class ReceivedPort:
    """One of them. `kept`: it is in the store, as `name`; else `name` is the socket unit's."""

    name: str
    socket: socket.socket
    kept: bool

    @property
    def where(self) -> str:
        """Its address, to be shown."""
        here = self.socket.getsockname()
        text = f"{here[0]} port {here[1]}" if self.socket.family in INTERNET else str(here)
        return safe(text)

    @property
    def is_there(self) -> bool:
        """Whether it can be reached: nobody has removed the file of a Unix socket."""
        if self.socket.family in INTERNET:
            return True
        with suppress(OSError, ValueError):
            return stat.S_ISSOCK(os.stat(self.socket.getsockname()).st_mode)
        return False

    def close(self) -> None:
        """Nobody wants it: its address is free for others. That of a socket unit stays open."""
        if self.kept:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def is_at(self, description: str) -> bool:
        """Whether it listens where the endpoint `description` does."""
        return self.listens_at(listening(Endpoint(description)))

    def listens_at(self, wanted: ListeningAddress) -> bool:
        """The same of an address."""
        here = self.socket.getsockname()
        if self.socket.family not in INTERNET:
            return wanted.kind == "unix" and here == wanted.host and self.is_there
        if wanted.kind not in ("tcp", "tcp6") or here[1] != wanted.port:
            return False
        address, there = parse_address(here[0]), parse_address(wanted.host)
        if there is None:
            return wanted.host == "" and address is not None and address.is_unspecified
        return address == there


@define(eq=False)
class ReceivedPorts:
    """Those that no listener has taken yet."""

    unclaimed: list[ReceivedPort] = field(factory=list)
    _named: dict[str, ReceivedPort] = field(factory=dict, init=False)
    _claimed: dict[tuple[str, str], ReceivedPort] = field(factory=dict, init=False)

    def claim_named(self, wanted: Iterable[tuple[str, ListeningAddress]]) -> None:
        """Of those in the store, leave the ones with these names at these addresses to
        `take_named`. Call it before `claim`, which looks at addresses alone.
        """
        addresses = dict(wanted)
        for each in list(self.unclaimed):
            address = addresses.get(each.name)
            if each.kept and address is not None and each.listens_at(address):
                self.unclaimed.remove(each)
                self._named[each.name] = each

    def take_named(self, name: str) -> ReceivedPort | None:
        """The one of that name that `claim_named` has found, once."""
        return self._named.pop(name, None)

    def named_rest(self) -> list[ReceivedPort]:
        """Those that nobody has taken; they are not left any more."""
        rest, self._named = list(self._named.values()), {}
        return rest

    def claim(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Give one to each of `wanted`, pairs of an endpoint and what listens there, that has one:
        the same listener as before, else one with the same address.
        """
        missing = list[tuple[str, str]]()
        for description, what in wanted:
            name = port_name(what, description)
            its = (each for each in self.unclaimed if each.kept and each.name == name)
            found = next((each for each in its if each.is_there), None)
            self._pair((description, what), found, missing)
        for description, what in missing:
            found = next((each for each in self.unclaimed if each.is_at(description)), None)
            self._pair((description, what), found, [])

    def _pair(
        self, key: tuple[str, str], found: ReceivedPort | None, missing: list[tuple[str, str]]
    ) -> None:
        if found is None:
            missing.append(key)
        else:
            self.unclaimed.remove(found)
            self._claimed[key] = found

    def take(self, description: str, what: str) -> ReceivedPort | None:
        """The one that `claim` has given to this listener, once."""
        return self._claimed.pop((description, what), None)
