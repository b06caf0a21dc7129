"""Lines as values (law 10), by the names under which they are handed over to another process.

As in `vspc.console.values`, a reader takes what it does not find as its default. Lines with TLS are
not among them: what OpenSSL holds is no value. `vspc.vm.take_up` goes on from these values.
"""

from collections.abc import Mapping

from attrs import evolve
from msgspec import Struct

from vspc.console.identity import Claim
from vspc.console.ports import Line
from vspc.console.values import LineNames, SavedConsoles
from vspc.console.values import save as save_consoles
from vspc.net.ledger import TrafficAccount
from vspc.net.telnet_transport import LineTransport, TransportState
from vspc.vm.lines.binary import BinaryLine, LineQuestion
from vspc.vm.lines.comport import ComPortState
from vspc.vm.lines.plain import DialledTelnetLine, RawLine, TelnetLine
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.ports import VmLine
from vspc.vm.registration import RegistrationState
from vspc.vm.roles import LineRole
from vspc.vm.server import LineServer
from vspc.vm.session import LineSession
from vspc.vm.vmotion import Vmotion

KINDS: Mapping[type, str] = {
    RawLine: "raw",
    TelnetLine: "plain",
    DialledTelnetLine: "dialled",
    VMwareLine: "vmware",
}
"""The lines that are handed over, and what they are called."""


class SavedTelnet(Struct, frozen=True, omit_defaults=True):
    """What the telnet layers of a line hold. `port`: of RFC 2217; `agreed`, `registration`: of
    VMware's extension.

    `after_cr`: the last byte of an NVT peer was a CR.
    """

    transport: TransportState = TransportState()
    questions: tuple[LineQuestion, ...] = ()
    after_cr: bool = False
    port: ComPortState | None = None
    agreed: bool = False
    registration: RegistrationState | None = None


class SavedVmotion(Struct, frozen=True, omit_defaults=True):
    """A line's part in vMotions: a BEGIN without a decision, a GOAHEAD not acknowledged yet.

    `since_goahead` are bytes written after it.
    """

    pending: bytes | None = None
    pending_due: float | None = None
    unacknowledged: bytes | None = None
    unacknowledged_due: float | None = None
    since_goahead: int = 0
    guesses: int = 0


NO_VMOTION = SavedVmotion()


class SavedLine(Struct, frozen=True, omit_defaults=True):
    """One line and its session. `limit_due`: when the time limit of its role is over.

    `name` is that of its listener, for a line without the extension; `unread` is what of a raw one
    waits for its turn; `number` is that of the last progress that is in it; `console` an id.
    """

    kind: str
    role: LineRole
    zone: str
    address: str
    name: str = ""
    telnet: SavedTelnet | None = None
    claim: Claim | None = None
    buffered: bytes = b""
    dropped: int = 0
    quarantine_output: float | None = None
    limit_due: float | None = None
    unread: bytes = b""
    account: TrafficAccount | None = None
    number: int = 0
    vmotion: SavedVmotion = NO_VMOTION
    console: str | None = None


class SavedServer(Struct, frozen=True):
    """Everything on the VMs' side. `zero`: what a clock that all processes of this machine share
    shows more than the one that this process measures with, in seconds.
    """

    lines: dict[str, SavedLine] = {}
    consoles: SavedConsoles = SavedConsoles()
    zero: float = 0.0


def connection_of(line: Line) -> LineTransport | RawLine:
    """What counts the bytes of a line that `may_be_saved`."""
    if isinstance(line, BinaryLine):
        return line.transport
    assert isinstance(line, RawLine)
    return line


def may_be_saved(session: LineSession) -> bool:
    """Whether its line can be handed over: neither TLS nor about to be closed.

    Lines that the server has connected with RFC 2217 cannot: they are connected anew.
    """
    line = session.line
    return session.role is not LineRole.RETIRED and type(line) in KINDS and not line.secure


def save(server: LineServer, name: LineNames, zero: float = 0.0) -> SavedServer:
    """All consoles, and every line that has a `name`."""
    found = {
        key: save_line(session)
        for session in server.sessions.values()
        if (key := name(session.line)) is not None
    }
    return SavedServer(found, save_consoles(server.roster, server.peers, name), zero)


def save_line(
    session: LineSession, account: TrafficAccount | None = None, number: int = 0
) -> SavedLine:
    """One line, of a session that `may_be_saved`; `account` is that of its connection."""
    line = session.line
    return SavedLine(
        KINDS[type(line)],
        session.role,
        session.zone.name,
        line.address,
        line.name if isinstance(line, RawLine | TelnetLine) else "",
        _save_telnet(line) if isinstance(line, BinaryLine) else None,
        # A copy: without what it has worked out of itself.
        None if session.claim is None else evolve(session.claim),
        bytes(session.early_output.kept),
        session.early_output.dropped,
        session.early_output.quarantined_at,
        session.limit.due,
        line.tail if isinstance(line, RawLine) else b"",
        account,
        number,
        _save_vmotion(session.vmotion, line),
        None if session.console is None else session.console.id,
    )


def _save_telnet(line: BinaryLine) -> SavedTelnet:
    transport, questions = line.transport.value, tuple(line.questions)
    if not isinstance(line, VMwareLine):
        return SavedTelnet(transport, questions, line.after_cr)
    registration = line.registration.value
    return SavedTelnet(transport, questions, line.after_cr, line.port, line.agreed, registration)


def _save_vmotion(vmotion: Vmotion | None, line: VmLine) -> SavedVmotion:
    if vmotion is None:
        return NO_VMOTION
    since = 0
    if vmotion.unacknowledged is not None and isinstance(line, VMwareLine):
        since = line.transport.written - line.written_to_goahead
    return SavedVmotion(
        vmotion.pending,
        vmotion.pending_timer.due,
        vmotion.unacknowledged,
        vmotion.unacknowledged_timer.due,
        since,
        vmotion.guesses,
    )
