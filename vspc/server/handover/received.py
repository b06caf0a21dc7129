"""What the service manager has handed over, sorted: the state, lines, listeners."""

import os
import re
import socket
from collections.abc import Iterable

from attrs import define, field

from vspc.net.adoption import is_listening, opened
from vspc.net.descriptor_store import LINE, PORT, is_name
from vspc.net.notify import FIRST, ReceivedDescriptor
from vspc.net.received_ports import ReceivedPort, ReceivedPorts

STATES = ("state0", "state1")
"""Names of a state in the store: each process uses the one that the process before did not."""

_SYSTEMD = re.compile(r"systemd:.*?\b(name|index)=([^:]+)")


@define(eq=False)
class Received:
    """`state` is its descriptor, and `state_name` its name; `lines` are connections by their names
    in the store; `unusable` are names in the store of what is none of these, and closed already.
    """

    state: int | None = None
    state_name: str | None = None
    lines: dict[str, socket.socket] = field(factory=dict)
    ports: ReceivedPorts = field(factory=ReceivedPorts)
    unusable: list[str] = field(factory=list)

    @classmethod
    def of(cls, descriptors: Iterable[ReceivedDescriptor], endpoints: Iterable[str]) -> "Received":
        """`descriptors`, less those that `endpoints` of the kind `systemd:` ask for themselves."""
        found = cls()
        asked = [match.groups() for each in endpoints if (match := _SYSTEMD.match(each))]
        for each in descriptors:
            index = str(each.number - FIRST)
            if ("name", each.name) not in asked and ("index", index) not in asked:
                found._sort(each)
        return found

    def _sort(self, each: ReceivedDescriptor) -> None:
        if each.name in STATES:
            self._take_state(each)
            return
        sock = opened(each.number)
        if sock is None:
            os.close(each.number)
        elif is_name(LINE, each.name) and each.name not in self.lines and not is_listening(sock):
            self.lines[each.name] = sock
            return
        elif is_listening(sock) and not is_name(LINE, each.name):
            self.ports.unclaimed.append(ReceivedPort(each.name, sock, is_name(PORT, each.name)))
            return
        else:
            sock.close()
        self.unusable.append(each.name)

    def _take_state(self, each: ReceivedDescriptor) -> None:
        """Of two the one that was written last: the process before was killed while it began."""
        number, name = self.state, self.state_name
        if number is not None and os.fstat(number).st_mtime_ns > os.fstat(each.number).st_mtime_ns:
            number, name = each.number, each.name
        else:
            self.state, self.state_name = each.number, each.name
        if number is not None and name is not None:
            os.close(number)
            self.unusable.append(name)
