"""The access server's end of RFC 2217, for a program that takes the socket for a serial port.

What can be set at the VM's side is set there. What cannot is answered with what is in force: speed,
data bits, parity and stop bits as the VM says, all else as the client wishes. A console that is
away is a port without a carrier.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import evolve, frozen

from vspc.common.clock import Clock, Timer
from vspc.common.serial import LineState, ModemState, PortSettings
from vspc.wire import comport
from vspc.wire.comport import Control, Side

SIGNATURE = b"vspc"
"""What a client is told that asks who we are."""

SET_TIMEOUT = 2.0
"""Seconds in which the device at the other end has to set what a client asks for; pyserial waits
for 3."""

POLL = 0.02
"""Seconds between looks at whether it has."""

UNANSWERED = 64
"""Commands that wait for that; of more, each is answered with what is in force now."""

_DELTAS = (
    (ModemState.CTS, ModemState.DELTA_CTS),
    (ModemState.DSR, ModemState.DELTA_DSR),
    (ModemState.DCD, ModemState.DELTA_DCD),
)


class ServedPort(Protocol):
    """The console, as a serial port."""

    @property
    def settings(self) -> PortSettings | None:
        """Of the port at the VM's side; None: not known."""

    @property
    def modem(self) -> ModemState:
        """Its modem lines."""

    def set_port(self, settings: PortSettings) -> bool:
        """Set it; `settings` are so some time later. False: that cannot be set."""

    def break_received(self) -> None:
        """The client sent a BREAK."""

    def suspend(self, suspended: bool) -> None:
        """Whether the client takes no output now."""

    def purge(self, output: bool, typed: bool) -> None:
        """Drop output that was not sent, and input that did not go to the VM."""


@frozen
class _Waiting:
    """A command that is answered when what it sets is in force, or at `until`."""

    command: comport.Setting
    until: float


class ComPortServer:
    """One client's serial port. Bodies are those of subnegotiations."""

    def __init__(self, port: ServedPort, clock: Clock, say: Callable[[bytes], None]) -> None:
        self._port = port
        self._clock = clock
        self._say_body = say
        self._wished = PortSettings()  # what the client has set, as far as it has
        self._is_settable = False  # whether the VM's side took what was set last
        self._has_break = False
        self._line_mask = LineState(0)
        self._modem_mask = 255
        self._modem: ModemState | None = None  # as the client was told
        self._waiting: deque[_Waiting] = deque()
        self._poll = Timer(clock)

    def _say(self, command: comport.Command) -> None:
        self._say_body(comport.encode(command, Side.SERVER))

    def close(self) -> None:
        """Nothing more is said."""
        self._poll.stop()

    def begin(self) -> None:
        """The option is agreed on."""
        self.notify_modem()

    # What happens at the VM's side

    def notify_modem(self) -> None:
        """The modem lines may have changed."""
        now, before = self._port.modem, self._modem
        if now == before:
            return
        self._modem = now
        changed = ModemState(0) if before is None else now ^ before
        state = now & ~_ALL_DELTAS
        for line, delta in _DELTAS:
            state |= delta if line in changed else ModemState(0)
        if before is None or state & self._modem_mask or changed & self._modem_mask:
            self._say(comport.NotifyModemState(state & self._modem_mask))

    def _say_modem(self) -> None:
        state = self._port.modem & ~_ALL_DELTAS
        self._say(comport.NotifyModemState(state & self._modem_mask))

    def notify_break(self) -> bool:
        """The VM sent a BREAK; False if the client does not want to be told so."""
        if LineState.BREAK in self._line_mask:
            self._say(comport.NotifyLineState(LineState.BREAK))
        return LineState.BREAK in self._line_mask

    # What the client says

    def received(self, body: bytes) -> None:
        """One command; nonsense is dropped."""
        try:
            command = comport.decode(body, Side.CLIENT)
        except comport.MalformedComPort:
            return
        match command:
            case comport.Signature(text):
                if not text:
                    self._say(comport.Signature(SIGNATURE))
            case comport.FlowControlSuspend() | comport.FlowControlResume():
                self._port.suspend(isinstance(command, comport.FlowControlSuspend))
            case comport.SetLineStateMask(mask):
                self._line_mask = LineState(mask)
                self._say(command)
            case comport.SetModemStateMask(mask):
                self._modem_mask = mask
                self._say(command)
                self._say_modem()
            case comport.NotifyLineState():
                self._say(comport.NotifyLineState(0))
            case comport.NotifyModemState():
                self._say_modem()
            case comport.PurgeData(which):
                self._port.purge(which in (1, 3), which in (2, 3))
                self._say(command)
            case _:
                self._set(command)

    def _set(self, command: comport.Setting) -> None:
        if isinstance(command, comport.SetControl):
            self._set_break(command.value)
        if not self._waiting:
            self._wished = self._in_force
        settings = comport.requested(command, self._wished)
        if settings is not None:
            self._wished = settings
            if not self._is_in_force(command):
                self._is_settable = self._port.set_port(settings)
        if self._waiting or (self._is_settable and not self._is_in_force(command)):
            self._wait(command)
        else:
            self._say(self._answer(command))

    def _wait(self, command: comport.Setting) -> None:
        """Answers come in the order of the commands."""
        if len(self._waiting) < UNANSWERED:
            self._waiting.append(_Waiting(command, self._clock.seconds() + SET_TIMEOUT))
            self._look()
        else:
            self._say(self._answer(command))

    def _set_break(self, value: int) -> None:
        had = self._has_break
        self._has_break = value == Control.BREAK_ON or (had and value != Control.BREAK_OFF)
        if self._has_break and not had:
            self._port.break_received()

    def _is_in_force(self, command: comport.Setting) -> bool:
        settings = self._port.settings
        if settings is None:
            return False
        return comport.in_force(command, settings) == comport.in_force(command, self._wished)

    def _answer(self, command: comport.Setting) -> comport.Setting:
        return comport.in_force(command, self._in_force, self._has_break)

    @property
    def _in_force(self) -> PortSettings:
        known = self._port.settings
        if known is None:
            return self._wished
        if self._is_settable:
            return known
        return evolve(
            self._wished,
            speed=known.speed,
            data_bits=known.data_bits,
            parity=known.parity,
            stop_bits=known.stop_bits,
        )

    def _look(self) -> None:
        """Answer those, in order, whose setting is in force, or whose time is over."""
        now = self._clock.seconds()
        while self._waiting:
            first = self._waiting[0]
            if now < first.until and not self._is_in_force(first.command):
                self._poll.start(POLL, self._look)
                return
            self._waiting.popleft()
            self._say(self._answer(first.command))


_ALL_DELTAS = (
    ModemState.DELTA_CTS | ModemState.DELTA_DSR | ModemState.RING_ENDED | ModemState.DELTA_DCD
)
