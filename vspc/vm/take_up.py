"""The lines of another process, taken up from their values (law 10).

The descriptors are handed over by other means: the protocols of `TakeUp.lines` are to be connected
to transports, then `finish` gives each line its console. Nothing is sent to a VM that would not
have been sent; a line whose console was being decided is decided about anew.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from twisted.internet.protocol import Protocol

from vspc.console import values as consoles
from vspc.console.migration import Released
from vspc.console.ports import Line
from vspc.net.telnet_transport import LineTransport
from vspc.vm.context import Zone
from vspc.vm.lines.binary import BinaryLine
from vspc.vm.lines.comport import ComPortState
from vspc.vm.lines.plain import DialledTelnetLine, RawLine, TelnetLine
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.roles import LineRole
from vspc.vm.server import LineServer
from vspc.vm.session import UNIDENTIFIED, LineSession
from vspc.vm.values import (
    NO_VMOTION,
    SavedLine,
    SavedServer,
    SavedTelnet,
    SavedVmotion,
    connection_of,
)
from vspc.vm.vmotion import Vmotion


class TakeUp:
    """Another process' lines on their way into an empty server.

    `lines` are those that can be taken up, by name.
    """

    def __init__(
        self,
        server: LineServer,
        state: SavedServer,
        zones: Mapping[str, Zone],
        terms: Callable[[Zone], Terms],
        zero: float = 0.0,
        resend: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """`zones` by name; one that is not there any more is a zone of its own. `zero`: as that of
        the state, of this process. `resend`: what a line is sent before all else.
        """
        self._server = server
        self._state = state
        self._terms = terms
        self._shift = state.zero - zero
        self._resend = resend
        self._sessions: dict[str, LineSession] = {}
        self._consoles = consoles.restore(state.consoles, server.roster)
        self.lines: dict[str, Protocol] = {}
        for name, line in state.lines.items():
            zone = zones.get(line.zone) or Zone(line.zone)
            with suppress(ValueError):  # a table of options that this version cannot read
                self.lines[name] = self._protocol(name, line, zone)

    def _protocol(self, name: str, saved: SavedLine, zone: Zone) -> Protocol:
        def observe(line: VmLine) -> LineObserver:
            session = self._sessions[name] = self._session(line, zone, saved)
            rest = self._resend.get(name)
            if rest:
                connection_of(line).write_encoded(rest)
            return session

        share = self._server.scheduler.share(saved.address)
        telnet = saved.telnet
        if telnet is None:
            raw = RawLine(observe, saved.name, share)
            raw.continues = True
            raw.unread = saved.unread
            return raw

        def make() -> Any:
            return self._telnet_line(observe, saved, telnet, zone)

        return LineTransport(make, self._server.clock.seconds, share, telnet.transport)

    def _telnet_line(
        self,
        observe: Callable[[VmLine], LineObserver],
        saved: SavedLine,
        telnet: SavedTelnet,
        zone: Zone,
    ) -> BinaryLine:
        line: BinaryLine
        if telnet.registration is None:
            kind = DialledTelnetLine if saved.kind == "dialled" else TelnetLine
            line = kind(observe, saved.name)
        else:
            line = VMwareLine(observe, False, self._terms(zone))
            line.opening, line.agreed = None, telnet.agreed
            line.registration.restore(telnet.registration)
            line.port = telnet.port or ComPortState()
        line.continues, line.after_cr = True, telnet.after_cr
        line.questions.extend(telnet.questions)
        return line

    def _session(self, line: VmLine, zone: Zone, saved: SavedLine) -> LineSession:
        """The session of `line`, without its console."""
        server = self._server
        session = LineSession(server.context, line, zone, saved.role)
        session.claim = saved.claim
        session.early_output.restore(saved.buffered, saved.dropped, saved.quarantine_output)
        if saved.limit_due is not None:
            session.start_limit(self._left(saved.limit_due))
        if session.role in UNIDENTIFIED:
            server.unidentified.admit(line, line.address, server.clock.seconds())
        else:
            line.identified()
        server.add(session)
        return session

    def line(self, name: str) -> VmLine:
        """The line of that name, which is connected."""
        return self._sessions[name].line

    def _left(self, due: float) -> float:
        """What is left of a wait of the other process, in seconds."""
        return max(0.0, due + self._shift - self._server.clock.seconds())

    def finish(self) -> None:
        """All protocols are connected: give the lines their consoles, and go on."""
        server, state = self._server, self._state
        lines: dict[str, Line] = {name: each.line for name, each in self._sessions.items()}
        known = self._consoles
        without_target = consoles.adopt(
            state.consoles,
            known,
            server.roster,
            server.peers,
            lines,
            self._shift,
            server.clock.seconds(),
        )
        for name, session in self._sessions.items():
            saved = state.lines[name]
            session.console = None if saved.console is None else known.get(saved.console)
            if saved.vmotion != NO_VMOTION:
                self._resume_vmotion(session.take_part(), session.line, saved.vmotion)
            if session.role is LineRole.SUSPECT and session.console is not None:
                server.context.suspects.add(session.console, session.line)
        for session in list(self._sessions.values()):
            if isinstance(session.line, RawLine):
                session.line.resume()
        for console in without_target:
            server.context.release(Released(console, None, "the target is gone"))
        for session in list(self._sessions.values()):
            if session.role is LineRole.CLAIMANT:
                session.assignment.decide()

    def _resume_vmotion(self, vmotion: Vmotion, line: VmLine, saved: SavedVmotion) -> None:
        vmotion.guesses = saved.guesses
        if saved.pending is not None and saved.pending_due is not None:
            vmotion.wait_for_decision(saved.pending, self._left(saved.pending_due))
        if saved.unacknowledged is not None and saved.unacknowledged_due is not None:
            assert isinstance(line, VMwareLine)
            line.written_to_goahead = line.transport.written - saved.since_goahead
            left = self._left(saved.unacknowledged_due)
            vmotion.await_acknowledgement(saved.unacknowledged, left)
