"""One connection to a remote system, as an attachment of its VM's console.

The VM's output goes to it, lossless or ended, as to `raw`; what it sends is typed at the VM. It
takes the pen when it is connected, or as soon as that is free; what it sends while an operator has
it is read, dropped and counted: old input must not run later.
"""

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from vspc.apps.console_input import OperatorInput
from vspc.apps.following import Following
from vspc.apps.verbs.context import VerbContext
from vspc.common.clock import Timer
from vspc.console.attachment import Attachment, AttachmentKind, Refusal
from vspc.console.console import Console
from vspc.console.events import HOST_CLOSED
from vspc.console.input_queue import amount
from vspc.console.notices import Notice, NoticeKind
from vspc.console.remote import REMOTE_RIGHTS, remote_session
from vspc.vm.ports import VmLine
from vspc.vm.roles import LineEvent
from vspc.wire import telnet
from vspc.wire.opening import OpeningProtocol
from vspc.wire.uri import RemoteUri

WINDOW = 64 * 1024
"""Bytes of the remote system that the console has not taken; over it nothing more is read."""

PIECE = 64 * 1024
"""Bytes of output that are written at once."""

LINGER = 5.0
"""Seconds that a remote system may take to read what was written to it before we close."""


@frozen
class BridgeEvents:
    """What a bridge reports: `made` once it is attached, `speaks_telnet` if that is what a remote
    system begins with whose URI says otherwise, `ended` with the reason; no bridge is left then.
    """

    made: Callable[[], None]
    speaks_telnet: Callable[[], None]
    ended: Callable[[str], None]


@implementer(IPushProducer)
class RemoteBridge:
    """A `LineObserver` for the connection, a `Sink` and `FollowReader` for the console."""

    def __init__(
        self,
        context: VerbContext,
        console: Console,
        uri: RemoteUri,
        events: BridgeEvents,
        begins: int | None,
    ) -> None:
        """`begins`: the offset of the first byte for the remote system; None: the next one."""
        self._begins = begins
        self._context = context
        self._console = console
        self._uri = uri
        self._events = events
        self._line: VmLine
        self._attachment: Attachment
        self._output: Following
        self._input: OperatorInput
        self._opening: bytes | None = None if uri.scheme.telnet else b""
        self._unconsumed = 0
        self._refused_by = ""  # whose pen it was
        self._refused = 0  # bytes, since it had the pen last
        self._is_paused = False  # whether reading is
        self._is_full = False  # whether the remote system takes no more output
        self._reason = ""  # why we close
        self._linger = Timer(context.clock)

    def connected(self, line: VmLine) -> "RemoteBridge":
        """`line` is the connection: attach."""
        self._line = line
        console = self._console
        session = remote_session(self._uri, self._context.clock.wall())
        begins = console.history.end if self._begins is None else self._begins
        self._attachment = console.attach(
            session, REMOTE_RIGHTS, self, begins, AttachmentKind.REMOTE
        )
        self._output = Following(self._context, self._attachment, self)
        self._input = OperatorInput(self, self._attachment, self._refuse)
        transport: Any = line
        transport.transport.registerProducer(self, True)
        self.pen_freed()
        self._events.made()
        return self

    # `LineObserver`

    def handle(self, event: LineEvent, *facts: object) -> None:
        """Of what a line can report, a remote system sends bytes and BREAKs."""
        if self._reason:
            return
        if event is LineEvent.OUTPUT and isinstance(facts[0], bytes):
            self._received(facts[0])
        elif event is LineEvent.BREAK:
            self._input.send_break()

    def _received(self, data: bytes) -> None:
        if self._opening is not None:
            self._examine(data)
        self._unconsumed += len(data)
        self._input.received(len(data))
        self._input.type(data)
        self._input.settle()
        if self._unconsumed > WINDOW and not self._is_paused:
            self._is_paused = True
            self._line.pause_reading()

    def _examine(self, data: bytes) -> None:
        """Telnet begins with a negotiation."""
        opening = (self._opening or b"") + data[:2]
        self._opening = opening if len(opening) < 2 else None
        verbs = (telnet.WILL, telnet.WONT, telnet.DO, telnet.DONT)
        if len(opening) >= 2 and opening[0] == telnet.IAC and opening[1] in verbs:
            self._events.speaks_telnet()

    def traffic(self) -> bool:
        return False

    def other_protocol(self, spoken: OpeningProtocol) -> None:
        """Only VMware's lines recognise others."""

    def dropped(self, what: str) -> None:
        """Telnet that makes no sense costs nothing but itself."""

    def failed(self, reason: str) -> None:
        self._reason = self._reason or reason

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        del error
        self._stop()
        if reason == HOST_CLOSED:
            reason = "it closed the connection"
        self._events.ended(self._reason or reason)

    # `IPushProducer`: the connection's buffers are full, or have room again

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        if not self._reason:
            self._output.go_on()

    def stopProducing(self) -> None:
        self._is_full = True

    # `Sink`

    def ready(self) -> None:
        self._output.go_on()

    def writable(self) -> None:
        self._input.pump()
        self._input.settle()

    def host_changed(self, old: str, new: str) -> None:
        del old
        self.close(f"the VM is on {new} now, and this was not a vMotion")

    def ended(self, reason: str) -> None:
        self.close(reason)

    # `FollowReader`

    def room(self) -> int:
        """A piece, unless the remote system does not read: then it falls behind into the log."""
        return 0 if self._is_full or self._reason else PIECE

    def take_output(self, _offset: int, data: bytes) -> None:
        self._line.send(data)

    def missing(self, start: int, end: int, why: str) -> None:
        why = why or "it read too slowly"
        self.close(f"{why}: offsets {start} to {end} are no longer kept")

    def notice(self, notice: Notice) -> None:
        """Notices are for operators; a BREAK of the VM is a BREAK."""
        if notice.kind is NoticeKind.BREAK and self._line.carries_break:
            self._line.send_break()

    def output_ended(self, reason: str) -> None:
        self.close(reason)

    # What `OperatorInput` calls

    def consumed(self, count: int) -> None:
        """As much may be read again."""
        self._unconsumed -= count
        if self._is_paused and self._unconsumed <= WINDOW // 2:
            self._is_paused = False
            self._line.resume_reading()

    def _refuse(self, refusal: Refusal, count: int, breaks: int) -> None:
        """Input that goes nowhere: an operator has the pen, or nobody may type now."""
        del breaks
        holder = self._console.pen.holder
        if refusal is Refusal.PEN and holder is not None:
            self._refused_by = f"{holder.operator.name} typed"
        else:
            self._refused_by = f"input was refused ({refusal.value})"
        self._refused += count
        self._count(count)

    def _count(self, unsent: int) -> None:
        remote = self._console.remote
        if remote is not None:
            self._console.remote = evolve(remote, unsent=remote.unsent + unsent)

    # The pen

    def pen_freed(self) -> None:
        """Take the pen if it is free."""
        if self._console.pen.holder is not None or self._attachment.take_pen() is not None:
            return
        if self._refused:
            unsent, self._refused = self._refused, 0
            self._tell(f"{self._refused_by} meanwhile, and {self._uri} has the pen again", unsent)

    def _tell(self, why: str, unsent: int) -> None:
        notice = NoticeKind.UNSENT.notice(why=why, unsent=amount(unsent, 0))
        self._console.attachments.show(notice)

    # The end

    def close(self, reason: str) -> None:
        """End the connection, after what the VM has said until now; `ended` follows."""
        if not self._reason and self._attachment in self._console.attachments:
            self._output.go_on()  # which may end it for another reason
        if self._reason:
            return
        self._reason = reason
        self._stop()
        if self._is_paused:  # TLS ends with an answer
            self._line.resume_reading()
        transport: Any = self._line
        transport.transport.unregisterProducer()  # TLS does not close while there is one
        self._line.close(reason)
        self._linger.start(LINGER, self._line.abort)

    def _stop(self) -> None:
        self._linger.stop()
        self._output.stop()
        unsent = self._input.close()
        self._attachment.detach()
        if unsent:
            self._count(unsent)
            self._tell(f"{self._uri} is disconnected", unsent)
