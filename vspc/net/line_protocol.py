"""What `vspc.net.telnet_transport.LineTransport` tells the protocol on it."""

from twisted.conch.telnet import TelnetProtocol


class LineProtocol(TelnetProtocol):
    """What `LineTransport` tells its protocol: Twisted's ITelnetProtocol and more.

    Options and commands are one byte, as in Twisted; a subnegotiation's body is one bytes.
    """

    only_break = False
    """Whether of all commands only BRK has its place among data: what was said around others is
    heard as one, and those of `vspc.wire.telnet.IDLE` are not told at all."""

    def enableLocal(self, option: bytes) -> bool:
        """Whether we do what the peer asks us to."""
        return False

    def enableRemote(self, option: bytes) -> bool:
        """Whether we want what the peer offers."""
        return False

    def disableLocal(self, option: bytes) -> None:
        """We no longer do it."""

    def disableRemote(self, option: bytes) -> None:
        """The peer no longer does it."""

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        """IAC and `command`; `argument` is always None here."""

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        """IAC SB `option` `body` IAC SE."""

    def timing_mark_received(self) -> None:
        """The peer answered DO TIMING-MARK (RFC 860)."""

    def refused_remote(self, option: bytes) -> None:
        """The peer will not do what we asked it to."""

    def dropped(self, what: str) -> None:
        """Something that the peer sent meant nothing."""

    def line_failed(self, reason: str) -> None:
        """The connection is being aborted for what the peer did."""
