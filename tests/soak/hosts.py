"""Hosts as the model has them: what one line was told, and whether anybody there answers."""

import re
from collections.abc import Iterator

from tests.vm.support import Host, Scene
from vspc.vm.context import Zone
from vspc.wire.telnet import VMWARE, Data, Decoder, Subnegotiation, subnegotiation
from vspc.wire.vmware import DoProxy, GetVmVcUuid, VmName, VMotionGoahead, VmVcUuid, encode

TOKEN = re.compile(rb"<(\w+):(\d+)>")
"""One numbered word of a stream: whose it is, and its number."""


def tokens(data: bytes) -> list[tuple[str, int]]:
    """The words in `data`, in order."""
    return [(match[1].decode(), int(match[2])) for match in TOKEN.finditer(data)]


class Connection:
    """One line at its host's end. `typed` is every data byte that we sent to it."""

    def __init__(
        self, scene: Scene, address: str, uuid: bytes, zone: Zone, secure: bool = False
    ) -> None:
        self.host = Host(scene, address, zone=zone, secure=secure)
        self.address = address
        self.uuid = uuid
        self.typed = bytearray()
        self.answers = True  # False: stunned, or its host is dead
        self.dead = False  # its host vanished: nothing will ever come from it
        self.lost = False
        self.credential: bytes | None = None
        self._decoder = Decoder()
        self._unanswered = 0

    @property
    def open(self) -> bool:
        """Whether it can say something that is heard."""
        return not (self.lost or self.dead or self.host.closed)

    def hear(self) -> None:
        """Read what was sent, and answer it, if anybody does. What a dead host got counts, too."""
        if self.lost:
            return
        self._decoder.receive(self.host.wire.take())
        for event in self._events():
            if isinstance(event, Data):
                self.typed += event.data
            elif isinstance(event, Subnegotiation) and event.body:
                self._message(event.body)
        if self.answers and self.open:
            while self._unanswered:
                self._unanswered -= 1
                self.host.say_quietly(self._answer)

    def _events(self) -> Iterator[object]:
        while (event := self._decoder.next_event()) is not None:
            yield event

    def _message(self, body: bytes) -> None:
        if body[0] == GetVmVcUuid.CODE:
            self._unanswered += 1
        elif body[0] == VMotionGoahead.CODE:
            self.credential = body[1:]

    @property
    def _answer(self) -> bytes:
        return subnegotiation(VMWARE, encode(VmVcUuid(self.uuid)))

    def register(self, name: bytes, uri: bytes) -> None:
        """Say who it is; what comes back is read with all else."""
        self.host.agree()
        self.host.say_quietly(DoProxy(b"S", uri), VmVcUuid(self.uuid), VmName(name))

    def say(self, data: bytes, pieces: int = 1) -> None:
        """The guest prints `data`; it arrives in `pieces`."""
        size = max(1, -(-len(data) // pieces))
        for at in range(0, len(data), size):
            self.host.say_quietly(data[at : at + size])

    def lose(self) -> None:
        """The connection is gone."""
        if not self.lost:
            self.hear()
            self.answers = False  # what is under way is read, and not answered any more
            self.hear()
            self.lost = True
            self.host.lose()
