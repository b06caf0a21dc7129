"""All lines as one value, in versioned bytes, and taken up again by another process (law 10).

The descriptors are handed over by somebody else: `TakeUp.protocols` are to be connected to
transports in their order, then `finish` gives each line its console. Nothing is said to a VM that
would not have been said; a newcomer that was being decided is decided anew.
"""

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from cattrs.preconf.json import make_converter
from twisted.internet.protocol import Protocol

from vspc.console import values as consoles
from vspc.console.console import Console
from vspc.console.ports import Line
from vspc.net.telnet_transport import LineTransport
from vspc.vm.line_observer import LineObserver, VmLine
from vspc.vm.lines.plain import RawLine, TelnetLine
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.presence import SavedLine
from vspc.vm.role import LineRole
from vspc.vm.server import LineServer
from vspc.vm.zone import Zone

MAGIC = b"vspc-lines 1\n"
"""What the bytes begin with: kind and version."""


class BadState(ValueError):
    """Bytes that are no state, or not of this version; the text says which."""


@frozen
class SavedServer:
    """Everything on the VM's side. `sessions` are numbered as they stand here, from 0.

    `consoles_of` are indexes of their consoles, where they have one.
    """

    sessions: tuple[SavedLine, ...]
    consoles_of: tuple[int | None, ...]
    consoles: consoles.SavedConsoles


_converter = make_converter(forbid_extra_keys=True)


def encode(state: SavedServer) -> bytes:
    """Versioned bytes, with a checksum."""
    body = _converter.dumps(state).encode()
    return MAGIC + b"%08x\n" % binascii.crc32(body) + body


def decode(data: bytes) -> SavedServer:
    """The state in `data`. BadState."""
    if not data.startswith(MAGIC):
        raise BadState("it begins like no state of this version")
    check, _, body = data[len(MAGIC) :].partition(b"\n")
    if check != b"%08x" % binascii.crc32(body):
        raise BadState("it is damaged, or not whole")
    try:
        return _converter.loads(body, SavedServer)
    except Exception as error:  # cattrs raises groups of what it finds
        raise BadState(f"it does not hold what it should: {type(error).__name__}") from error


def save(server: LineServer) -> SavedServer:
    """Every line that is not being closed, and all consoles."""
    kept = [a for a in server.sessions.values() if a.role is not LineRole.RETIRED]
    numbers: dict[Line, int] = {session.line: at for at, session in enumerate(kept)}

    def number(line: Line | None) -> int | None:
        return None if line is None else numbers.get(line)

    saved = consoles.save(server.roster, server.peers, number, server.clock.seconds())
    index = {console: at for at, console in enumerate(server.roster)}
    return SavedServer(
        tuple(session.state for session in kept),
        tuple(None if a.console is None else index.get(a.console) for a in kept),
        saved,
    )


class TakeUp:
    """Another process' lines on their way into an empty server."""

    def __init__(
        self,
        server: LineServer,
        state: SavedServer,
        zones: Mapping[str, Zone],
        terms: Callable[[Zone], Terms],
    ) -> None:
        """`zones` by name; one that is not there any more is a zone of its own."""
        self._server = server
        self._state = state
        self._terms = terms
        self._lines: dict[int, VmLine] = {}
        self._consoles: list[Console] = consoles.restore(state.consoles, server.roster)
        self.protocols: list[Protocol] = [
            self._protocol(number, session, zones.get(session.zone) or Zone(session.zone))
            for number, session in enumerate(state.sessions)
        ]

    def _protocol(self, number: int, state: SavedLine, zone: Zone) -> Protocol:
        def keep(line: VmLine) -> LineObserver:
            self._lines[number] = line
            return self._server.resume(line, zone, state)

        name = state.claim.name if state.claim is not None else ""
        line, now = state.line, self._server.clock.seconds
        share = self._server.scheduler.share(state.address)
        if line.kind == RawLine.kind:
            return RawLine(keep, name, share, line)

        def make() -> Any:
            if line.kind == TelnetLine.kind:
                return TelnetLine(keep, name, line)
            return VMwareLine(keep, line.secure, self._terms(zone), line)

        return LineTransport(make, now, share, line.transport)

    def finish(self) -> None:
        """All protocols are connected: give the lines their consoles, and go on."""
        server, state = self._server, self._state
        lines: dict[int, Line] = dict(self._lines)
        now = server.clock.seconds()
        consoles.adopt(state.consoles, self._consoles, server.roster, server.peers, lines, now)
        sessions = [server.sessions[self._lines[number]] for number in range(len(self.protocols))]
        for session, saved, at in zip(sessions, state.sessions, state.consoles_of, strict=True):
            session.adopted(None if at is None else self._consoles[at], saved)
        for session in sessions:
            if session.role is LineRole.STRANGER:
                session.joining.decide()
