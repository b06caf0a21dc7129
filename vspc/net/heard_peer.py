"""What a peer is, by the first bytes that it sends: telnet, SSH, HTTP, raw TCP, an echo. Pure."""

from enum import Enum

from vspc.wire import telnet
from vspc.wire.opening import OpeningProtocol, recognise

KEPT = 4096
"""Bytes of what a peer says that are kept."""

OFFERS = (
    (telnet.WILL, telnet.VMWARE),
    (telnet.WILL, telnet.COM_PORT),
    (telnet.WILL, telnet.BINARY),
    (telnet.DO, telnet.BINARY),
    (telnet.DO, telnet.SGA),
)
"""What is offered to it; one that is no telnet echoes it, or does not answer."""

_ALERT = b"\x15\x03"
"""How an alert of TLS begins."""


class Answer(Enum):
    """What answered."""

    UNKNOWN_NAME = "unknown-name"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    SILENT = "silent"
    ECHO = "echo"
    TELNET = "telnet"
    TLS_FAILED = "tls-failed"
    SSH = "ssh"
    HTTP = "http"
    OTHER = "other"


class HeardPeer:
    """What a peer has said so far, and whether it has ended the connection."""

    def __init__(self) -> None:
        self.raw = b""
        self.text = b""
        self.heard: set[tuple[int, int]] = set()
        self.closed = False
        self._decoder = telnet.Decoder()

    @property
    def is_telnet(self) -> bool:
        """Whether it has said anything of telnet's."""
        return bool(self.heard)

    @property
    def is_settled(self) -> bool:
        """Whether both offers that matter were answered."""
        answers = (telnet.DO, telnet.DONT)
        return all(
            any((verb, option) in self.heard for verb in answers)
            for option in (telnet.VMWARE, telnet.COM_PORT)
        )

    @property
    def first_line(self) -> bytes:
        """The first line of its text that has any; what it sent where none of it is text."""
        return (self.text.strip() or self.raw).partition(b"\n")[0].rstrip()

    @property
    def may_be_tls(self) -> bool:
        """Whether it may speak TLS: it has said nothing, or an alert of TLS."""
        return not self.raw or self.raw.startswith(_ALERT)

    def take(self, data: bytes) -> None:
        """It said `data`."""
        self.raw = (self.raw + data)[:KEPT]
        self._decoder.receive(data)
        while (event := self._decoder.next_event()) is not None:
            if isinstance(event, telnet.Negotiation):
                self.heard.add((event.verb, event.option))
            elif isinstance(event, telnet.Data):
                self.text = (self.text + event.data)[:KEPT]
            elif isinstance(event, telnet.Overlong):
                return

    def answer(self) -> Answer:
        """What it is."""
        if self.heard:
            return Answer.TELNET if self.heard - set(OFFERS) else Answer.ECHO
        if recognise(self.raw) is OpeningProtocol.SSH:
            return Answer.SSH
        if self.raw.startswith(b"HTTP/"):
            return Answer.HTTP
        if self.raw and not self.raw.startswith(_ALERT):
            return Answer.OTHER
        return Answer.CLOSED if self.closed else Answer.SILENT
