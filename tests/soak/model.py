"""The oracle: what virtual machines, liars and operators did, and what must follow from it.

Everything here is told by the machine of `tests.soak.machine` what was done; nothing is asked of
the code under test but what people see of it.
"""

import re
from typing import Any

from attrs import define, field

from tests.fakes import FakeSink
from tests.soak.hosts import Connection, tokens
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.vm.context import Zone

_CHANGED = re.compile(r"is on (\S+) now; it was on ")
_MOVED = re.compile(r" moved from \S+ to (\S+) in ")
_DROPPED = re.compile(r": (\d+) bytes?(?: and [^:]*)? not sent$")


@define(eq=False)
class Port:
    """One serial port as its VM has it. `stream` is the name of what it prints.

    `expected` is everything that its console must have, in order, as long as nothing happened
    that leaves open who is right (`certain`).
    """

    machine: "Machine"
    uri: bytes
    stream: str
    line: Connection | None = None
    number: int = 0
    expected: bytearray = field(factory=bytearray)
    certain: bool = True
    # A vMotion under way: the target, what it has said, and the sequence.
    target: Connection | None = None
    early: bytearray = field(factory=bytearray)
    sequence: bytes = b""
    began: float = 0.0
    frozen: int | None = None  # bytes typed at the source when it began

    def words(self, count: int) -> bytes:
        """The next `count` words of its stream."""
        first, self.number = self.number, self.number + count
        return b"".join(b"<%s:%d>" % (self.stream.encode(), n) for n in range(first, self.number))


@define(eq=False)
class Machine:
    """A virtual machine: it is on one host, or powered off."""

    uuid: bytes
    name: bytes
    zone: Zone
    secure: bool
    ports: list[Port] = field(factory=list)
    address: str = ""

    @property
    def on(self) -> bool:
        return any(port.line is not None for port in self.ports)

    def doubt(self) -> None:
        """From here on it is open who is right: only what holds for everybody is checked."""
        for port in self.ports:
            port.certain = False


@define(eq=False)
class Person:
    """An operator on a console: what he was told, and what he typed since."""

    name: str
    console: Console
    attachment: Attachment
    sink: FakeSink
    start: int  # the offset from which he reads
    believes: str  # the host that he was told the VM is on
    asked: bool = True  # whether he has asked for the pen since he was told of a change
    number: int = 0
    seen: int = 0  # notices that he has read
    meant: dict[int, tuple[str, bool]] = field(factory=dict)  # what he knew when he typed a word

    def read(self) -> None:
        """Read the notices."""
        for text in self.sink.notices[self.seen :]:
            self.seen += 1
            if changed := _CHANGED.search(text):
                self.believes, self.asked = changed[1], False
            elif moved := _MOVED.search(text):
                self.believes = moved[1]

    def words(self, count: int) -> bytes:
        """The next `count` words that he types."""
        first, self.number = self.number, self.number + count
        for number in range(first, self.number):
            self.meant[number] = (self.believes, self.asked)
        return b"".join(b"<%s:%d>" % (self.name.encode(), n) for n in range(first, self.number))


@define(eq=False)
class Ledger:
    """Input of one console: what was taken, and what was told to be dropped."""

    sink: FakeSink
    taken: int = 0

    @property
    def dropped(self) -> int:
        found = (_DROPPED.search(text) for text in self.sink.notices)
        return sum(int(match[1]) for match in found if match)


def check_certain(port: Port, console: Console) -> None:
    """Every byte of a VM that nobody disturbed is in its console, once and in order."""
    history = console.history
    kept = history.read(history.start, history.end - history.start)
    assert history.end == len(port.expected), (port.stream, history.end, len(port.expected))
    assert kept == bytes(port.expected[history.start :]), port.stream


def check_streams(data: bytes, allowed: Any, where: str) -> None:
    """Words come in order, none twice, and only of streams that may be here."""
    last: dict[str, int] = {}
    for stream, number in tokens(data):
        assert allowed(stream), (where, stream)
        assert number > last.get(stream, -1), (where, stream, number, last[stream])
        last[stream] = number


def check_read(person: Person) -> None:
    """What a reader was shown, and what he was told that he lost, is all there was."""
    shown = len(person.sink.output) + sum(end - start for start, end in person.sink.losses)
    assert person.attachment.cursor.offset - person.start == shown, person.name


def check_typed(connections: list[Connection], people: list[Person], liars: set[str]) -> None:
    """Each typed word reached at most one line; a liar's only if the one who typed it knew."""
    by_name = {person.name: person for person in people}
    seen: set[tuple[str, int]] = set()
    for connection in connections:
        last: dict[str, int] = {}
        for name, number in tokens(bytes(connection.typed)):
            assert (name, number) not in seen, ("twice", name, number)
            seen.add((name, number))
            assert number > last.get(name, -1), ("order", name, number)
            last[name] = number
            if connection.address in liars:
                believed, asked = by_name[name].meant[number]
                assert asked, ("stolen", name, number)
                assert believed == connection.address, ("stolen", name, number, believed)
