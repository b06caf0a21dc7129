"""One program's connection to a console: it waits until the console is there, then is attached.

A telnet client is told in words what happens. On the others only bytes of the VM go out, and what
cannot be told is shown by closing the connection: output that is kept nowhere, input that does not
go to the VM.
"""

from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from vspc.apps.debugger import SplitBreak
from vspc.apps.exact import BridgeRules, ExactBridge
from vspc.apps.forms import PLAIN
from vspc.apps.verbs.context import FAILED, Call, VerbContext
from vspc.common.clock import Timer
from vspc.common.serial import ModemState, PortSettings
from vspc.console.attachment import Refusal
from vspc.console.console import Console
from vspc.console.input_queue import amount
from vspc.console.ports import Program, Terminal
from vspc.console.session import Session

WINDOW = 64 * 1024
"""Bytes of input that the console has not taken; over it nothing more is read."""

PIECE = 64 * 1024
"""Bytes of output that are written at once."""

CLOSE_TIMEOUT = 5.0
"""Seconds in which a client has to take what was written before its connection is closed, and the
VM what a client wrote before it closed."""

CONNECTED = ModemState.CTS | ModemState.DSR | ModemState.DCD
"""Modem lines of a console with a line that does not say which are on."""

_EVERY_REFUSAL = frozenset(Refusal)

_log = Logger(namespace="vspc.doors.programs")


class ProgramWire(Protocol):
    """The protocol of a connection, as its channel needs it."""

    tells: bool
    """Whether its client is a person, who is told what happens in words."""

    def send(self, data: bytes) -> None:
        """Output of the VM."""

    def tell(self, text: str) -> None:
        """Lines for a person, on lines of their own; nothing where `tells` is false."""

    def send_break(self) -> None:
        """The VM sent a BREAK."""

    def port_changed(self) -> None:
        """The console went away, came back, or its serial port has other modem lines."""

    def pause(self) -> None:
        """Read nothing more until `resume`."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Send what is written, then close."""


@frozen
class ChannelContext:
    """What a channel needs of its socket, whose address `socket` is, as logs name it.

    `name` is what is typed for the console, empty while no console has the port; `find` gives it,
    if it is there and the caller may read it; `begins` is the offset at which an attachment begins;
    `waiting` are the channels whose console is not there.
    """

    verbs: VerbContext
    socket: str
    name: Callable[[], str]
    find: Callable[[Call], Console | None]
    begins: Callable[[Console], int]
    waiting: dict["ProgramChannel", None]


@implementer(IPushProducer)
class ProgramChannel:
    """Implements `vspc.console.ports.Channel` for the bridge, and `IPushProducer` for the transport
    of the connection.
    """

    terminal: Terminal | None = None

    def __init__(
        self,
        context: ChannelContext,
        session: Session,
        wire: ProgramWire,
        left: Callable[["ProgramChannel"], None],
        splits: bool = False,
    ) -> None:
        """`left` is called when it is over. `splits`: the client is GDB, kgdb is on the console."""
        self._context = context
        self._left = left
        self._splits = splits
        self._wire = wire
        self._call = Call(context.verbs, session, self, verb="socket")
        self._program: Program | None = None
        self._unconsumed = 0
        self._is_paused = False  # whether reading is
        self._is_full = False  # whether the connection takes no more output
        self._is_held = False  # whether nothing is read until it does
        self._is_suspended = False  # whether the client wants no output
        self._bridge: ExactBridge | None = None
        self._is_over = False
        self._closed = Timer(context.verbs.clock)  # the connection: what it had sent is typed
        self._untyped = 0  # bytes that were typed before there was a console
        self._said = ""  # the last thing that was to be told
        self.console: Console | None = None
        self.address = session.address

    @property
    def session(self) -> Session:
        """The login of this connection."""
        return self._call.session

    @property
    def idle(self) -> bool:
        """Whether nothing runs on it."""
        return self._program is None

    @property
    def over(self) -> bool:
        """Whether it has been ended; its connection may still be open."""
        return self._is_over

    @property
    def about(self) -> str:
        """One line about it, for a person who asks."""
        if self.console is None:
            return f"{self._context.name() or 'this port'}: waiting for the console"
        return f"{self.console.title} is {self.console.state.value}"

    def begin(self) -> None:
        """The client is connected, and may be."""
        self._context.waiting[self] = None
        self.look()
        if self.console is None:
            name = self._context.name()
            told = f"{name} is not there yet" if name else "no console has this port yet"
            self._tell(f"[{told}; this connection waits for it]")

    def look(self) -> None:
        """Attach if the console is there now."""
        if self.console is not None or self._is_over:
            return
        console = self._context.find(self._call)
        if console is None:
            return
        self.console = console
        self._context.waiting.pop(self, None)
        if self._said:
            self._tell(f"[{console.title} is there{self._lost_input()}]")
        if not console.live:
            self._tell(f"[{console.title} is away]")
        begins = self._context.begins(console)
        form = SplitBreak() if self._splits else PLAIN
        self._bridge = ExactBridge(self._call, console, begins, rules=self._rules, form=form)
        self._bridge.begin()
        self._wire.port_changed()

    def _lost_input(self) -> str:
        return f"; {amount(self._untyped, 0)} not sent" if self._untyped else ""

    @property
    def _rules(self) -> BridgeRules:
        wire = self._wire
        if wire.tells:
            return BridgeRules(frozenset(), on_break=wire.send_break)
        return BridgeRules(_EVERY_REFUSAL, self._splits, unsent=True, on_break=wire.send_break)

    # The console as a serial port (`vspc.doors.programs.comport.ServedPort`)

    @property
    def settings(self) -> PortSettings | None:
        """Of the port at the VM's side."""
        return None if self.console is None else self.console.link.port.settings

    @property
    def modem(self) -> ModemState:
        """Its modem lines, as far as they are known; none is on while the console is away."""
        if self.console is None or not self.console.live:
            return ModemState(0)
        known = self.console.link.port.modem
        return CONNECTED if known is None else known

    def set_port(self, settings: PortSettings) -> bool:
        """Set it, if this client could type: nobody else has the pen."""
        if self.console is None or self._bridge is None or self.console.link.line is None:
            return False
        attachment = self._bridge.attachment
        is_free = attachment.has_pen or not self.console.pen.holders
        may_write = "write" in attachment.rights and not attachment.must_ask
        approvals = self.console.attachments.approvals
        may_write = may_write and approvals.refusal(attachment) is None
        return is_free and may_write and self.console.link.line.set_port(settings)

    def suspend(self, suspended: bool) -> None:
        """Whether the client wants no output now: it stays in the console, and in its log."""
        self._is_suspended = suspended
        if not suspended:
            self._drained()

    def purge(self, output: bool, typed: bool) -> None:
        """Drop output that was not sent, and input that did not go to the VM."""
        if self._bridge is not None:
            self._bridge.purge(output, typed)

    def port_changed(self) -> None:
        """The console went away, came back, or its serial port has other modem lines."""
        self._wire.port_changed()

    # What the wire calls

    def received(self, data: bytes) -> None:
        """The client typed `data`."""
        if self._is_over:
            return
        if self._program is None:
            self._refuse(len(data))
            return
        self._unconsumed += len(data)
        self._guard(lambda program: program.received(data))
        if self._unconsumed > WINDOW and not self._is_paused:
            self._is_paused = True
            self._wire.pause()

    def _refuse(self, count: int) -> None:
        """Nothing is typed before there is a console: nobody knows when that is."""
        if not self._wire.tells:
            self._said = "input while the console is not there"
            self.finish(FAILED)
            return
        if not self._untyped:
            self._tell("[nothing is sent before the console is there]")
        self._untyped += count

    def break_received(self) -> None:
        """The client sent a BREAK."""
        if self._program is None:
            self._tell("[no BREAK is sent before the console is there]")
        self._guard(lambda program: program.break_requested())

    def failed(self, reason: str) -> None:
        """The connection is cut off for what its client did."""
        self._said = reason
        self.finish(FAILED)

    def lost(self) -> None:
        """The connection is closed. What a program had sent before is typed all the same."""
        self._is_over = True
        if self._unconsumed and self._program is not None and not self._wire.tells:
            self._closed.start(CLOSE_TIMEOUT, self._leave)
        else:
            self._leave()

    def _leave(self) -> None:
        self._closed.stop()
        if self._program is not None and self._unconsumed:
            self._log_end("input-lost", bytes=self._unconsumed)
        self._release()
        self._left(self)

    def _release(self) -> None:
        """Nothing is typed or shown any more, however long the connection takes to close."""
        self._context.waiting.pop(self, None)
        self._guard(lambda program: program.closed())
        self._program = None

    def _guard(self, call: Callable[[Program], Any]) -> None:
        """Call the program, if one runs; one that raises ends this connection and no other."""
        if self._program is None:
            return
        try:
            call(self._program)
        except Exception:
            _log.failure("program-failed")
            self.finish(FAILED)

    # `IPushProducer`

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        if self._is_held:
            self._is_held = False
            self._resume()
        self._drained()

    def _drained(self) -> None:
        if not self._is_over:
            self._guard(lambda program: program.drained())

    def answered(self) -> None:
        """The client was answered. One that asks and does not read the answers is not read."""
        if self._is_full and not self._is_held:
            self._is_held = True
            self._wire.pause()

    def _resume(self) -> None:
        if not (self._is_held or self._is_paused or self._is_over):
            self._wire.resume()

    def stopProducing(self) -> None:
        self._is_full = True

    # `Channel`

    def start(self, program: Program) -> None:
        """The bridge runs from now on."""
        self._program = program

    def room(self) -> int:
        """A piece, unless the client does not read."""
        return 0 if self._is_full or self._is_suspended or self._is_over else PIECE

    def write(self, data: bytes) -> None:
        """Output of the VM."""
        if not self._is_over:
            self._wire.send(data)

    def write_error(self, data: bytes) -> None:
        """Lines about it."""
        self._tell(data.decode().rstrip("\n"))

    def _tell(self, text: str) -> None:
        self._said = text
        if not self._is_over:
            self._wire.tell(text)

    def consumed(self, count: int) -> None:
        """As much may be read again."""
        self._unconsumed -= count
        if self._closed.left is not None and not self._unconsumed:
            self._leave()
        if self._is_paused and self._unconsumed <= WINDOW // 2:
            self._is_paused = False
            self._resume()

    def finish(self, status: int) -> None:
        """Close; a socket has no exit status, the log has the reason."""
        if not self._is_over:
            self._is_over = True
            self._log_end("program-closed", reason=self._said.strip("[]"), status=status)
            self._wire.close()
            self._release()
        elif self._closed.left is not None:
            self._leave()

    def _log_end(self, event: str, **facts: object) -> None:
        name = self.session.operator.name
        socket = self._context.socket
        _log.info(event, socket=socket, operator=name, address=self.address, **facts)

    def disconnect(self, text: str) -> None:
        """End it for a reason of the server: what was typed and still waits is taken back."""
        if self._bridge is not None and self._program is not None:
            self._bridge.attachment.expel(text)
        self._tell(f"[{text}]")
        self.finish(FAILED)
