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

STATE = "state"
"""The name of the memfd in the store."""

_SYSTEMD = re.compile(r"systemd:.*?\b(name|index)=([^:]+)")


@define(eq=False)
class Received:
    """`state` is its descriptor; `lines` are connections by their names in the store; `unusable`
    are names in the store of what is none of these, and closed already.
    """

    state: int | None = None
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
        if each.name == STATE and self.state is None:
            self.state = each.number
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
