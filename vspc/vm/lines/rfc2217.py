"""Lines that the server connects to a device server with RFC 2217: we are the client, the device
has the port. What is configured is set, the rest asked for; what the device answers is in force.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from vspc.common.clock import Clock, Timer
from vspc.common.serial import LineState, ModemState, PortSettings
from vspc.config.dialling import PortWishes
from vspc.vm.lines.binary import LineOption, LineOptions
from vspc.vm.lines.comport import BREAK_SECONDS, SIGNATURE, read_command
from vspc.vm.lines.plain import DialledTelnetLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.roles import LineEvent
from vspc.wire import comport, telnet
from vspc.wire.comport import Control, Side

_OPTION = bytes((telnet.COM_PORT,))

ANSWER = 10.0
"""Seconds in which the device has to answer the offer of the option, then what was set and asked.
"""

DECLINED = "it declined RFC 2217: the settings of its serial port are not known, and not set"

NO_ANSWER = (
    "it does not answer the offer of RFC 2217: the settings of its serial port are not known, and "
    "not set"
)

_QUESTIONS: Mapping[str, comport.Setting] = MappingProxyType(
    {
        "speed": comport.SetBaudRate(),
        "data_bits": comport.SetDataSize(),
        "parity": comport.SetParity(),
        "stop_bits": comport.SetStopSize(),
        "flow": comport.SetControl(Control.ASK_FLOW),
    }
)
"""In the order of the commands that set them."""

_WORDS: Mapping[str, str] = MappingProxyType(
    {"data_bits": "data bits", "stop_bits": "stop bits", "flow": "flow control"}
)


def differences(wishes: PortWishes, settings: PortSettings) -> str:
    """What is in force and not as it was wished; empty if nothing is."""
    found = list[str]()
    for name in _QUESTIONS:
        wish, given = getattr(wishes, name), getattr(settings, name)
        if wish not in (None, given):
            values = [getattr(each, "value", each) for each in (given, wish)]
            found.append(f"{_WORDS.get(name, name)} {values[0]}, not {values[1]}")
    return ", ".join(found)


class Rfc2217Line(DialledTelnetLine):
    """`settings` and `modem` are as the device has said; None: it has not said all of it."""

    def __init__(
        self,
        observe: Callable[[VmLine], LineObserver],
        name: str,
        wishes: PortWishes,
        clock: Clock,
        remark: Callable[[str], None],
    ) -> None:
        """`remark` is called with what is wrong with the port."""
        super().__init__(observe, name)
        self._wishes = wishes
        self._remark = remark
        self._answer = Timer(clock)
        self._port = PortSettings()
        self._unanswered = dict.fromkeys(_QUESTIONS)
        self._is_known = False
        self._modem: ModemState | None = None
        self._suspended = False

    def negotiate(self) -> None:
        super().negotiate()
        self._answer.start(ANSWER, self._report_unanswered)
        self.transport.will(_OPTION).addCallback(self._agreed)

    def _agreed(self, agreed: bool) -> None:
        if self.transport.protocol is None:  # it is over
            return
        if not agreed:
            self._answer.stop()
            self._remark(DECLINED)
            return
        self._set(self._wishes)
        self._say(comport.SetLineStateMask(LineState.BREAK))
        self._say(comport.SetModemStateMask())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._answer.stop()
        super().connectionLost(reason)

    # The port, as its console sees it

    @property
    def settings(self) -> PortSettings | None:
        return self._port if self._is_known else None

    @property
    def modem(self) -> ModemState | None:
        return self._modem

    @property
    def suspended(self) -> bool:
        return self._suspended

    @property
    def _speaks_comport(self) -> bool:
        return self.transport.negotiation.states.enabled(True, telnet.COM_PORT)

    def set_port(self, settings: PortSettings) -> bool:
        if not self._speaks_comport:
            return False
        self._set(PortWishes(**{name: getattr(settings, name) for name in _QUESTIONS}))
        for command in [*comport.setting(settings)][len(_QUESTIONS) :]:  # DTR, RTS and so on
            self._say(command)
        return True

    def send_break(self) -> float:
        if not self._speaks_comport:
            return super().send_break()
        self._say(comport.SetControl(Control.BREAK_ON))
        return BREAK_SECONDS

    def end_break(self) -> None:
        if self._speaks_comport:
            self._say(comport.SetControl(Control.BREAK_OFF))

    # What is said

    def _say(self, command: comport.Command) -> None:
        self.transport.requestNegotiation(_OPTION, comport.encode(command, Side.CLIENT))

    def _set(self, wishes: PortWishes) -> None:
        """Set what `wishes` has, and ask for the rest."""
        self._wishes, self._unanswered = wishes, dict.fromkeys(_QUESTIONS)
        self._answer.start(ANSWER, self._report_unanswered)
        for command in _commands(wishes):
            self._say(command)

    # What the device says

    def _received(self, body: bytes) -> None:
        command = read_command(self, self._speaks_comport, body, Side.SERVER)
        match command:
            case comport.Signature(b""):
                self._say(comport.Signature(SIGNATURE))
            case comport.NotifyLineState() if LineState.BREAK in command.state:
                self.observer.handle(LineEvent.BREAK)
            case comport.NotifyModemState():
                self._modem = command.state & ~_DELTAS
                self.observer.handle(LineEvent.MODEM_CHANGED)
            case comport.FlowControlSuspend() | comport.FlowControlResume():
                self._suspended = isinstance(command, comport.FlowControlSuspend)
                self.observer.handle(LineEvent.FLOW_CHANGED)
            case (
                comport.SetBaudRate()
                | comport.SetDataSize()
                | comport.SetParity()
                | comport.SetStopSize()
                | comport.SetControl()
            ):
                self._in_force(command)

    def _in_force(self, command: comport.Setting) -> None:
        settings = comport.requested(command, self._port)
        if settings is None:  # a BREAK, or a value without a meaning
            return
        self._port = settings
        about = next((name for name, each in _QUESTIONS.items() if type(each) is type(command)), "")
        self._unanswered.pop(about, None)
        self._is_known = self._is_known or not self._unanswered
        if self._is_known:
            self.observer.handle(LineEvent.PORT_SET, settings)
        if not self._unanswered:
            self._answer.stop()
            other = differences(self._wishes, settings)
            self._remark(f"its serial port has {other}" if other else "")

    def _report_unanswered(self) -> None:
        if not self._speaks_comport:
            self._remark(NO_ANSWER)
            return
        missing = ", ".join(_WORDS.get(name, name) for name in self._unanswered)
        self._remark(f"it does not say what its serial port has in force: {missing}")
        if "flow" in self._unanswered and len(self._unanswered) == 1:
            # Some know no flow control; what they have said is shown all the same.
            self._is_known = True
            self.observer.handle(LineEvent.PORT_SET, self._port)

    def disableLocal(self, option: bytes) -> None:
        if option == _OPTION:
            self._remark(DECLINED)
            if self._suspended:
                self._suspended = False
                self.observer.handle(LineEvent.FLOW_CHANGED)


_DELTAS = ModemState.DELTA_CTS | ModemState.DELTA_DSR | ModemState.RING_ENDED | ModemState.DELTA_DCD


def _commands(wishes: PortWishes) -> Iterator[comport.Setting]:
    """What sets or asks for each of the five."""
    given = {name: getattr(wishes, name) for name in _QUESTIONS}
    known = {name: value for name, value in given.items() if value is not None}
    commands = comport.setting(PortSettings(**known))
    for (name, question), command in zip(_QUESTIONS.items(), commands, strict=True):
        yield command if name in known else question


Rfc2217Line.OPTIONS = LineOptions(
    *DialledTelnetLine.OPTIONS,
    LineOption(
        telnet.COM_PORT, offered=True, accept=lambda _line: True, received=Rfc2217Line._received
    ),
)
