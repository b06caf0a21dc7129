"""A session channel: terminal, shell, command, window size and BREAK (RFC 4254 section 6).

Environment and signals are ignored; subsystems, agents and X11 are refused.
"""

from collections.abc import Callable

from twisted.conch.avatar import ConchUser
from twisted.conch.ssh.connection import MSG_CHANNEL_REQUEST, OPEN_CONNECT_FAILED
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.console.logins import ExecRequest, ForwardRequest, Request, ShellRequest
from vspc.console.ports import Program, Terminal
from vspc.ssh import limits
from vspc.ssh.channel import Asked, SshChannel
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

log = Logger()

HOST_LIMIT = 1024
"""Bytes of a name."""

_WORDS_LIMIT = 200


class ForwardChannel(SshChannel):
    """Exact bytes both ways (RFC 4254 section 7.2); it has no stderr and no status."""

    name = b"direct-tcpip"
    _words = b""

    def opening(self, reader: SshReader) -> None:
        """A console by the name of a host: the service decides."""
        try:
            host = reader.string(HOST_LIMIT).decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedSsh("a host name that is no text") from None
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
        self._after(limits.OPENING_PATIENCE, lambda: self.finish(1))
        self.run(ForwardRequest(host))

    def start(self, program: Program) -> None:
        """The client hears that it is connected, then the program runs."""
        if not self.confirmed and not self._over:
            self._never()
            self.confirmed = True
            self.conn.confirm(self)
        super().start(program)
        self.resume()

    def write_error(self, data: bytes) -> None:
        """Said to the client if the channel is refused; afterwards there is no place for it."""
        if not self.confirmed:
            self._words = (self._words + data)[:_WORDS_LIMIT]

    def finish(self, status: int) -> None:
        """Close the channel, or refuse it."""
        if self.confirmed or self._over:
            super().finish(status)
            return
        words = safe(self._words.strip(), _WORDS_LIMIT) or "refused"
        self.conn.refuse(self, OPEN_CONNECT_FAILED, words)


SIZE_LIMIT = 1000
"""Columns and rows of a terminal; larger ones are taken for this."""

_KIND_LIMIT = 64
_REFUSED: Asked = (False, None)


def _terminal(kind: str, columns: int, rows: int) -> Terminal:
    """A terminal of that size; 0 columns or 0 rows make it 80x24."""
    if not columns or not rows:
        return Terminal(kind, 80, 24)
    return Terminal(kind, min(columns, SIZE_LIMIT), min(rows, SIZE_LIMIT))


class SessionChannel(SshChannel):
    """A shell or a command of one operator."""

    name = b"session"
    _running = False

    def opening(self, reader: SshReader) -> None:
        """Sessions are always had; what runs in it is asked for later."""
        reader.end()
        self.confirmed = True
        self.conn.confirm(self)

    def asked(self, request: bytes, reader: SshReader) -> Asked:
        """A channel request; those that are not in the table are refused."""
        handlers: dict[bytes, Callable[[SshReader], Asked]] = {
            b"pty-req": self._asked_pty,
            b"window-change": self._asked_size,
            b"shell": self._asked_shell,
            b"exec": self._asked_exec,
            b"break": self._asked_break,
        }
        handler = handlers.get(request)
        return handler(reader) if handler is not None else _REFUSED

    def _asked_pty(self, reader: SshReader) -> Asked:
        kind = safe(reader.string(), _KIND_LIMIT)
        columns, rows = reader.uint32(), reader.uint32()
        login = self.conn.transport.login
        if self.terminal is not None or self._running or login is None or not login.limits.pty:
            return _REFUSED
        self.terminal = _terminal(kind, columns, rows)
        return True, None

    def _asked_size(self, reader: SshReader) -> Asked:
        columns, rows = reader.uint32(), reader.uint32()
        if self.terminal is None:
            return _REFUSED
        self.terminal = _terminal(self.terminal.kind, columns, rows)
        return True, self._tell_size

    def _tell_size(self) -> None:
        self.ask_program(lambda program: program.resized())

    def _asked_shell(self, reader: SshReader) -> Asked:
        reader.end()
        login = self.conn.transport.login
        return self._asked_run(ShellRequest(login.target if login is not None else None))

    def _asked_exec(self, reader: SshReader) -> Asked:
        line = reader.string()
        reader.end()
        return self._asked_run(ExecRequest(line))

    def _asked_run(self, request: Request) -> Asked:
        if self._running:
            return _REFUSED
        self._running = True
        return True, lambda: self.run(request)

    def _asked_break(self, reader: SshReader) -> Asked:
        """RFC 4335; the length in ms is the VM's business. The answer is the program's."""
        reader.uint32()
        return bool(self.ask_program(lambda program: program.break_requested())), None

    def send_status(self, status: int) -> None:
        """exit-status (RFC 4254 section 6.10)."""
        body = uint32(self.conn.remote(self)) + string(b"exit-status") + b"\0" + uint32(status)
        self.conn.transport.sendPacket(MSG_CHANNEL_REQUEST, body)


class Avatar(ConchUser):
    """One operator on one connection.

    Forwarding of ports to the server, agents, X11, subsystems: all are refused, because nothing
    here takes them.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.channelLookup = {b"session": SessionChannel, b"direct-tcpip": ForwardChannel}
        self.subsystemLookup = {}
