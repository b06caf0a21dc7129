"""All lines as one value, in versioned bytes, and taken up again by another process (law 10).

Nothing uses this yet but its tests; it is here whole, so that no other module of the room has a
part in it. The descriptors are handed over by other means: `TakeUp.protocols` are to be connected
to transports in their order, then `finish` gives each line its console. Nothing is sent to a VM
that would not have been sent; a line whose console was being decided is decided about anew.
"""

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen
from cattrs.preconf.json import make_converter
from twisted.internet.protocol import Protocol

from vspc.console import values as consoles
from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.console.ports import Line
from vspc.net.telnet_transport import LineTransport, TransportState
from vspc.vm.context import Zone
from vspc.vm.lines.binary import BinaryLine, LineQuestion
from vspc.vm.lines.comport import ComPortState
from vspc.vm.lines.plain import RawLine, TelnetLine
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.registration import Registration
from vspc.vm.roles import LineRole
from vspc.vm.server import LineServer
from vspc.vm.session import UNIDENTIFIED, LineSession
from vspc.vm.vmotion import Vmotion

MAGIC = b"vspc-lines 2\n"
"""What the bytes begin with: kind and version."""

_KINDS: Mapping[type, str] = {RawLine: "raw", TelnetLine: "plain", VMwareLine: "vmware"}


class BadState(ValueError):
    """Bytes that are not a state of this version, or damaged."""


@frozen
class SavedTelnet:
    """What the telnet layers of a line hold. `port`: of RFC 2217; `agreed`, `registration`: of
    VMware's extension.

    `after_cr`: the last byte of an NVT peer was a CR.
    """

    transport: TransportState
    questions: tuple[LineQuestion, ...]
    after_cr: bool
    port: ComPortState | None = None
    agreed: bool = False
    registration: Registration | None = None


@frozen
class SavedVmotion:
    """A line's part in vMotions: a BEGIN without a decision, a GOAHEAD not acknowledged yet.

    What is left of waits is in seconds; `since_goahead` are bytes written after it.
    """

    pending: bytes | None
    pending_left: float | None
    unacknowledged: bytes | None
    unacknowledged_left: float | None
    since_goahead: int
    guesses: int


@frozen
class SavedLine:
    """One line and its session; `limit_left` are seconds, `console` an index."""

    kind: str
    secure: bool
    telnet: SavedTelnet | None
    zone: str
    address: str
    role: LineRole
    claim: Claim | None
    buffered: bytes
    dropped: int
    quarantine_output: float | None
    limit_left: float | None
    vmotion: SavedVmotion
    console: int | None


@frozen
class SavedServer:
    """Everything on the VM's side. Lines are numbered as they stand here, from 0."""

    lines: tuple[SavedLine, ...]
    consoles: consoles.SavedConsoles


_converter = make_converter(forbid_extra_keys=True)


def encode(state: SavedServer) -> bytes:
    """Versioned bytes, with a checksum."""
    body = _converter.dumps(state).encode()
    return MAGIC + b"%08x\n" % binascii.crc32(body) + body


def decode(data: bytes) -> SavedServer:
    """The state in `data`. BadState."""
    if not data.startswith(MAGIC):
        raise BadState("not a state of this version")
    check, _, body = data[len(MAGIC) :].partition(b"\n")
    if check != b"%08x" % binascii.crc32(body):
        raise BadState("damaged or truncated")
    try:
        return _converter.loads(body, SavedServer)
    except Exception as error:  # cattrs raises groups of what it finds
        raise BadState(f"unexpected contents: {type(error).__name__}") from error


# Saving


def save(server: LineServer) -> SavedServer:
    """Every line that is not being closed, and all consoles.

    Telnet lines that the server has connected are not among them: they are connected anew.
    """
    open_ = [s for s in server.sessions.values() if s.role is not LineRole.RETIRED]
    kept = [session for session in open_ if type(session.line) in _KINDS]
    numbers: dict[Line, int] = {session.line: at for at, session in enumerate(kept)}

    def number(line: Line | None) -> int | None:
        return None if line is None else numbers.get(line)

    saved = consoles.save(server.roster, server.peers, number, server.clock.seconds())
    index = {console: at for at, console in enumerate(server.roster)}
    return SavedServer(tuple(_save_line(session, index) for session in kept), saved)


def _save_line(session: LineSession, index: Mapping[Console, int]) -> SavedLine:
    line = session.line
    return SavedLine(
        _KINDS[type(line)],
        line.secure,
        _save_telnet(line) if isinstance(line, BinaryLine) else None,
        session.zone.name,
        line.address,
        session.role,
        session.claim,
        bytes(session.buffered),
        session.dropped_bytes,
        session.quarantine_output,
        session.limit.left,
        _save_vmotion(session.vmotion, line),
        None if session.console is None else index.get(session.console),
    )


def _save_telnet(line: BinaryLine) -> SavedTelnet:
    saved = SavedTelnet(line.transport.value, tuple(line.questions), line.after_cr)
    if isinstance(line, VMwareLine):
        agreed, registration = line.agreed, line.registration
        return evolve(saved, port=line.port, agreed=agreed, registration=registration)
    return saved


def _save_vmotion(vmotion: Vmotion, line: VmLine) -> SavedVmotion:
    since = 0
    if vmotion.unacknowledged is not None and isinstance(line, VMwareLine):
        since = line.transport.written - line.written_to_goahead
    return SavedVmotion(
        vmotion.pending,
        vmotion.pending_timer.left,
        vmotion.unacknowledged,
        vmotion.unacknowledged_timer.left,
        since,
        vmotion.guesses,
    )


# Taking up


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
        self._sessions: dict[int, LineSession] = {}
        self._consoles: list[Console] = consoles.restore(state.consoles, server.roster)
        self.protocols: list[Protocol] = [
            self._protocol(number, line, zones.get(line.zone) or Zone(line.zone))
            for number, line in enumerate(state.lines)
        ]

    def _protocol(self, number: int, saved: SavedLine, zone: Zone) -> Protocol:
        def observe(line: VmLine) -> LineObserver:
            session = self._sessions[number] = self._session(line, zone, saved)
            return session

        name = saved.claim.name if saved.claim is not None else ""
        share = self._server.scheduler.share(saved.address)
        telnet = saved.telnet
        if telnet is None:
            raw = RawLine(observe, name, share)
            raw.continues = True
            return raw

        def make() -> Any:
            line: BinaryLine
            if telnet.registration is None:
                line = TelnetLine(observe, name)
            else:
                line = VMwareLine(observe, saved.secure, self._terms(zone))
                line.opening, line.agreed = None, telnet.agreed
                line.registration = telnet.registration
                line.port = telnet.port or ComPortState()
            line.continues, line.after_cr = True, telnet.after_cr
            line.questions.extend(telnet.questions)
            return line

        return LineTransport(make, self._server.clock.seconds, share, telnet.transport)

    def _session(self, line: VmLine, zone: Zone, saved: SavedLine) -> LineSession:
        """The session of `line`, without its console."""
        server = self._server
        session = LineSession(server.context, line, zone, saved.role)
        session.claim = saved.claim
        session.buffered += saved.buffered
        session.dropped_bytes = saved.dropped
        session.quarantine_output = saved.quarantine_output
        if saved.limit_left is not None:
            session.start_limit(saved.limit_left)
        if session.role in UNIDENTIFIED:
            server.unidentified.admit(line, line.address, server.clock.seconds())
        else:
            line.identified()
        server.add(session)
        return session

    def finish(self) -> None:
        """All protocols are connected: give the lines their consoles, and go on."""
        server, state = self._server, self._state
        sessions = [self._sessions[number] for number in range(len(self.protocols))]
        lines: dict[int, Line] = {number: s.line for number, s in enumerate(sessions)}
        now = server.clock.seconds()
        consoles.adopt(state.consoles, self._consoles, server.roster, server.peers, lines, now)
        for session, saved in zip(sessions, state.lines, strict=True):
            session.console = None if saved.console is None else self._consoles[saved.console]
            _resume_vmotion(session.vmotion, session.line, saved.vmotion)
            if session.role is LineRole.SUSPECT and session.console is not None:
                server.context.suspects.add(session.console, session.line)
        for session in sessions:
            if session.role is LineRole.CLAIMANT:
                session.assignment.decide()


def _resume_vmotion(vmotion: Vmotion, line: VmLine, saved: SavedVmotion) -> None:
    vmotion.guesses = saved.guesses
    if saved.pending is not None and saved.pending_left is not None:
        vmotion.wait_for_decision(saved.pending, saved.pending_left)
    if saved.unacknowledged is not None and saved.unacknowledged_left is not None:
        assert isinstance(line, VMwareLine)
        line.written_to_goahead = line.transport.written - saved.since_goahead
        vmotion.await_acknowledgement(saved.unacknowledged, saved.unacknowledged_left)
