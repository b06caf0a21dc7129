"""`ssh -W NAME:1` and `-L PORT:NAME:1`: a console by its name as if it were a host.

The port is ignored. The channel is confirmed when the service starts a program on it, and refused
to the client, with the service's words, when it is finished before that.
"""

from twisted.conch.ssh.connection import OPEN_CONNECT_FAILED
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.console.logins import ForwardRequest
from vspc.console.ports import Program
from vspc.ssh import limits
from vspc.ssh.channel import SshChannel
from vspc.wire.ssh import MalformedSsh, SshReader

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
