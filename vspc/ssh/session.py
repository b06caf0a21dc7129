"""The types of channels that a client can open (RFC 4254 sections 6 and 7).

Sessions have terminal, shell, command, window size and BREAK; environment and signals are ignored;
subsystems, agents and X11 are refused. `ssh -W NAME:1` and `-L PORT:NAME:1` forward to a console
by its name as if it were a host.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from twisted.conch.ssh.connection import MSG_CHANNEL_REQUEST, OPEN_CONNECT_FAILED
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.console.logins import ExecRequest, ForwardRequest, Request, ShellRequest
from vspc.console.ports import Program, Terminal
from vspc.ssh import limits
from vspc.ssh.channel import REFUSED, Granted, SshChannel
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

log = Logger()

HOST_LIMIT = 1024
"""Bytes of the name of a host."""

_REASON_LIMIT = 200

SIZE_LIMIT = 1000
"""Columns and rows of a terminal; larger ones are cut to this."""

_KIND_LIMIT = 64


class ForwardChannel(SshChannel):
    """Exact bytes both ways (RFC 4254 section 7.2); it has no stderr and no status.

    The port is ignored. The channel is confirmed when a program is started on it, and refused with
    what the program wrote to stderr if it is finished before that.
    """

    _reason = b""

    def opened(self, reader: SshReader) -> None:
        """The client asks for a console by the name of a host."""
        try:
            host = reader.string(HOST_LIMIT).decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedSsh("a host name that is not UTF-8") from None
        reader.uint32()
        originator = reader.string(HOST_LIMIT)
        port = reader.uint32()
        reader.end()
        log.debug(
            "forward-asked",
            address=self.address,
            host=safe(host),
            originator=safe(originator),
            port=port,
        )
        self._timers.later("open", limits.OPEN_TIMEOUT, self.finish, 1)
        self.run(ForwardRequest(host))

    def start(self, program: Program) -> None:
        """The client hears that it is connected, then the program runs."""
        if not self.confirmed and not self._over:
            self._timers.cancel("open")
            self.confirm()
        super().start(program)
        self.resume()

    def write_error(self, data: bytes) -> None:
        """The reason if the channel is refused; dropped once it is confirmed."""
        if not self.confirmed:
            self._reason = (self._reason + data)[:_REASON_LIMIT]

    def finish(self, status: int) -> None:
        """Close the channel, or refuse it."""
        if self.confirmed or self._over:
            super().finish(status)
            return
        reason = safe(self._reason.strip(), _REASON_LIMIT) or "refused"
        self._table.refuse(self, OPEN_CONNECT_FAILED, reason)


def _terminal(kind: str, columns: int, rows: int) -> Terminal:
    """A terminal of that size; 0 columns or 0 rows make it 80x24."""
    if not columns or not rows:
        return Terminal(kind, 80, 24)
    return Terminal(kind, min(columns, SIZE_LIMIT), min(rows, SIZE_LIMIT))


class SessionChannel(SshChannel):
    """A shell or a command."""

    _running = False

    def opened(self, reader: SshReader) -> None:
        """Always confirmed; what runs in it is requested later."""
        reader.end()
        self.confirm()

    def requested(self, request: bytes, reader: SshReader) -> Granted:
        """A channel request; those that are not in the table are refused."""
        handlers: dict[bytes, Callable[[SshReader], Granted]] = {
            b"pty-req": self._request_terminal,
            b"window-change": self._request_size,
            b"shell": self._request_shell,
            b"exec": self._request_exec,
            b"break": self._request_break,
        }
        handler = handlers.get(request)
        return handler(reader) if handler is not None else REFUSED

    def _request_terminal(self, reader: SshReader) -> Granted:
        kind = safe(reader.string(), _KIND_LIMIT)
        columns, rows = reader.uint32(), reader.uint32()
        login = self._transport.login
        if self.terminal is not None or self._running or login is None or not login.limits.pty:
            return REFUSED
        self.terminal = _terminal(kind, columns, rows)
        return True, None

    def _request_size(self, reader: SshReader) -> Granted:
        columns, rows = reader.uint32(), reader.uint32()
        if self.terminal is None:
            return REFUSED
        self.terminal = _terminal(self.terminal.kind, columns, rows)
        return True, lambda: self.ask_program(lambda program: program.resized())

    def _request_shell(self, reader: SshReader) -> Granted:
        reader.end()
        login = self._transport.login
        return self._request_run(ShellRequest(login.target if login is not None else None))

    def _request_exec(self, reader: SshReader) -> Granted:
        line = reader.string()
        reader.end()
        return self._request_run(ExecRequest(line))

    def _request_run(self, request: Request) -> Granted:
        if self._running:
            return REFUSED
        self._running = True
        return True, lambda: self.run(request)

    def _request_break(self, reader: SshReader) -> Granted:
        """RFC 4335; its length in ms is not used. The program's answer is the reply."""
        reader.uint32()
        return bool(self.ask_program(lambda program: program.break_requested())), None

    def send_status(self, status: int) -> None:
        """exit-status (RFC 4254 section 6.10)."""
        self.send(MSG_CHANNEL_REQUEST, string(b"exit-status") + b"\0" + uint32(status))


Channel = SessionChannel | ForwardChannel

CHANNEL_TYPES: Mapping[bytes, type[SessionChannel] | type[ForwardChannel]] = MappingProxyType(
    {b"session": SessionChannel, b"direct-tcpip": ForwardChannel}
)
