"""The middle layer of a VM's line: RFC 2217 COM-PORT-OPTION, of which we are the access server.

The VM is the client. It offers the option after WILL-PROXY and says how its guest has set the
UART. There is no other port behind us that could be set, so what it says is in force at once.
"""

from collections.abc import Callable

from attrs import define, frozen

from vspc.common.serial import ModemState, PortSettings, modem_of
from vspc.net.limits import TokenBucket
from vspc.net.scheduler import PORT_CHANGE
from vspc.vm.lines.binary import BinaryLine, LineOption, LineOptions
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.roles import LineEvent
from vspc.wire import comport, telnet
from vspc.wire.comport import Control, Side

_OPTION = bytes((telnet.COM_PORT,))

SIGNATURE = b"vspc"
"""What a VM is told that asks who we are."""

BREAK_SECONDS = 0.25
"""How long a BREAK by SET-CONTROL lasts."""

ANSWERS = 512
"""Commands of a VM that are answered at once, whatever it reads."""

ANSWER_RATE = 32.0
"""The same a second, for ever."""

UNREAD = 4096
"""Bytes that its host may not have acknowledged while more commands than those are answered."""

ALWAYS_ON = ModemState.CTS | ModemState.DSR | ModemState.DCD
"""Modem lines as the VM sees them: a guest with hardware flow control must not wait for ever."""


@frozen
class ComPortTerms:
    """`accepted`: whether a VM may use the option; `breaks`: whether it gets BREAKs by that."""

    accepted: bool = True
    breaks: bool = False


@define
class ComPortState:
    """What a VM has said in this option, on one line.

    `settings` None: nothing yet. `suspended`: it takes no input now; `has_break`: it has set a
    BREAK on, and not off yet.
    """

    settings: PortSettings | None = None
    suspended: bool = False
    has_break: bool = False


def read_command(line: BinaryLine, agreed: bool, body: bytes, side: Side) -> comport.Command | None:
    """What `side` says on `line`, where the option was `agreed` on; None: it is dropped."""
    if not agreed:
        line.observer.dropped("a COM-PORT command, although the option was not agreed on")
        return None
    try:
        return comport.decode(body, side)
    except comport.MalformedComPort as malformed:
        line.observer.dropped(str(malformed))
        return None


class ComPortLine(BinaryLine):
    """A line whose peer may offer to negotiate a serial port's settings."""

    def __init__(
        self,
        observe: Callable[[VmLine], LineObserver],
        secure: bool,
        now: Callable[[], float],
        terms: ComPortTerms,
    ) -> None:
        """`now` is time in seconds."""
        super().__init__(observe, secure)
        self.port = ComPortState()
        self._port_terms = terms
        self._seconds = now
        self._answers: TokenBucket | None = None  # made for the first command

    @property
    def suspended(self) -> bool:
        return self.port.suspended

    @property
    def settings(self) -> PortSettings | None:
        return self.port.settings

    @property
    def modem(self) -> ModemState | None:
        return None if self.port.settings is None else modem_of(self.port.settings)

    def keep_settings(self, settings: PortSettings) -> None:
        self.port.settings = settings

    def send_break(self) -> float:
        if not (self._port_terms.breaks and self._speaks_comport):
            return super().send_break()
        self._say_port(comport.SetControl(Control.BREAK_ON))
        return BREAK_SECONDS

    def end_break(self) -> None:
        if self._speaks_comport:
            self._say_port(comport.SetControl(Control.BREAK_OFF))

    @property
    def _speaks_comport(self) -> bool:
        return self.transport.negotiation.states.enabled(False, telnet.COM_PORT)

    def _accept_comport(self) -> bool:
        if self._port_terms.accepted:
            self._say_port(comport.NotifyModemState(ALWAYS_ON))
        return self._port_terms.accepted

    def _end_comport(self) -> None:
        """The VM goes on without it: nothing that it suspended can be resumed."""
        self.port.has_break = False
        self._suspend(False)

    def _say_port(self, command: comport.Command) -> None:
        self.transport.requestNegotiation(_OPTION, comport.encode(command, Side.SERVER))

    def _receive_port(self, body: bytes) -> None:
        command = read_command(self, self._speaks_comport, body, Side.CLIENT)
        for answer in () if command is None else self._obey(command):
            self._answer(answer)

    def _answer(self, command: comport.Command) -> None:
        if self._answers is None:
            self._answers = TokenBucket(ANSWER_RATE, ANSWERS)
        if self._answers.take(self._seconds()) or self._reads_answers:
            self._say_port(command)
        else:
            self.observer.dropped("COM-PORT commands over the limit, which were not answered")

    @property
    def _reads_answers(self) -> bool:
        unread = self.unacknowledged()
        return unread is not None and unread < UNREAD

    def _obey(self, command: comport.Command) -> tuple[comport.Command, ...]:
        """The answers: the command itself, with what is in force now.

        There is none to FLOWCONTROL-SUSPEND and -RESUME: from us they would suspend the VM.
        """
        match command:
            case comport.Signature(text):
                return () if text else (comport.Signature(SIGNATURE),)
            case comport.FlowControlSuspend() | comport.FlowControlResume():
                self._suspend(isinstance(command, comport.FlowControlSuspend))
                return ()
            case comport.SetModemStateMask(mask):
                state = ALWAYS_ON & mask
                return (command, comport.NotifyModemState(state)) if state else (command,)
            case comport.SetLineStateMask() | comport.PurgeData():
                return (command,)  # what was typed for it is not dropped (law 2)
            case comport.NotifyLineState():
                return (comport.NotifyLineState(),)
            case comport.NotifyModemState():
                return (comport.NotifyModemState(ALWAYS_ON),)
            case _:
                return (self._set(command),)

    def _set(self, command: comport.Setting) -> comport.Setting:
        before = self.port.settings or PortSettings()
        settings = comport.requested(command, before)
        if settings is not None and settings != self.port.settings:
            self.port.settings = settings
            self.transport.surcharge(1 + PORT_CHANGE)
            self.observer.handle(LineEvent.PORT_SET, settings)
        if isinstance(command, comport.SetControl):
            self._set_break(command.value)
        return comport.in_force(command, settings or before, self.port.has_break)

    def _set_break(self, value: int) -> None:
        had, port = self.port.has_break, self.port
        port.has_break = value == Control.BREAK_ON or (had and value != Control.BREAK_OFF)
        if port.has_break and not had:
            self.observer.handle(LineEvent.BREAK)

    def _suspend(self, suspended: bool) -> None:
        if suspended is not self.port.suspended:
            self.port.suspended = suspended
            self.observer.handle(LineEvent.FLOW_CHANGED)


ComPortLine.OPTIONS = LineOptions(
    *BinaryLine.OPTIONS,
    LineOption(
        telnet.COM_PORT,
        accept=ComPortLine._accept_comport,
        ended=ComPortLine._end_comport,
        received=ComPortLine._receive_port,
    ),
)
