"""The COM-PORT option, 44: one frozen class for each command. RFC 2217.

Bodies are what stands between IAC SB 44 and IAC SE, no longer doubled: a code byte and a value. The
client, which has a use for the port, says the codes from 0 to 12; the access server, which has the
port, answers each with that code + 100 and the value in force. `requested` and `in_force` are the
server's rules for the commands that set something; the client's are `setting`.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import ClassVar, get_args

from attrs import evolve, fields, frozen

from vspc.common.serial import (
    FASTEST,
    FlowControl,
    LineState,
    ModemState,
    Parity,
    PortSettings,
    StopBits,
)

SERVER = 100
"""What the access server adds to a code."""

_SPEED_BYTES = 4


class MalformedComPort(ValueError):
    """A body that is no command: an unknown code, or too few or too many bytes."""


class Side(Enum):
    """Who says a command: the value is added to its code."""

    CLIENT = 0
    SERVER = SERVER


class Control(IntEnum):
    """Values of SET-CONTROL. `FLOW` is for both directions, or for what the port sends."""

    ASK_FLOW = 0
    FLOW_NONE = 1
    FLOW_SOFTWARE = 2
    FLOW_HARDWARE = 3
    ASK_BREAK = 4
    BREAK_ON = 5
    BREAK_OFF = 6
    ASK_DTR = 7
    DTR_ON = 8
    DTR_OFF = 9
    ASK_RTS = 10
    RTS_ON = 11
    RTS_OFF = 12
    ASK_FLOW_IN = 13
    FLOW_IN_NONE = 14
    FLOW_IN_SOFTWARE = 15
    FLOW_IN_HARDWARE = 16
    FLOW_DCD = 17
    FLOW_IN_DTR = 18
    FLOW_DSR = 19


@frozen
class Signature:
    """Who one is, in text; empty: a question for the other's."""

    CODE: ClassVar[int] = 0
    text: bytes = b""


@frozen
class SetBaudRate:
    """Bits a second, 0 to 2**32 - 1; 0 asks."""

    CODE: ClassVar[int] = 1
    value: int = 0


@frozen
class SetDataSize:
    """Data bits, 5 to 8; 0 asks. One byte, as are the values of all that follow."""

    CODE: ClassVar[int] = 2
    value: int = 0


@frozen
class SetParity:
    """1 none, 2 odd, 3 even, 4 mark, 5 space; 0 asks."""

    CODE: ClassVar[int] = 3
    value: int = 0


@frozen
class SetStopSize:
    """1 for one bit, 2 for two, 3 for one and a half; 0 asks."""

    CODE: ClassVar[int] = 4
    value: int = 0


@frozen
class SetControl:
    """A `Control`: flow control, BREAK, DTR, RTS."""

    CODE: ClassVar[int] = 5
    value: int = 0


@frozen
class NotifyLineState:
    """The server's: bits of `LineState`. From a client, also without a value, a question for it."""

    CODE: ClassVar[int] = 6
    value: int = 0

    @property
    def state(self) -> LineState:
        """The bits by name."""
        return LineState(self.value)


@frozen
class NotifyModemState:
    """The server's: bits of `ModemState`. From a client, also without a value, a question for it
    (pyserial's).
    """

    CODE: ClassVar[int] = 7
    value: int = 0

    @property
    def state(self) -> ModemState:
        """The bits by name."""
        return ModemState(self.value)


@frozen
class FlowControlSuspend:
    """Send no data until `FlowControlResume`; commands go on."""

    CODE: ClassVar[int] = 8


@frozen
class FlowControlResume:
    """Send data again."""

    CODE: ClassVar[int] = 9


@frozen
class SetLineStateMask:
    """Which bits of `LineState` the server is to notify of; none at first."""

    CODE: ClassVar[int] = 10
    value: int = 0


@frozen
class SetModemStateMask:
    """Which bits of `ModemState` the server is to notify of; all at first."""

    CODE: ClassVar[int] = 11
    value: int = 255


@frozen
class PurgeData:
    """1: what the server has received from the port; 2: what it is to send there; 3: both."""

    CODE: ClassVar[int] = 12
    value: int = 3


Setting = SetBaudRate | SetDataSize | SetParity | SetStopSize | SetControl
"""The commands that set something."""

Command = (
    Signature
    | Setting
    | NotifyLineState
    | NotifyModemState
    | FlowControlSuspend
    | FlowControlResume
    | SetLineStateMask
    | SetModemStateMask
    | PurgeData
)

_BY_CODE: Mapping[int, type[Command]] = MappingProxyType(
    {kind.CODE: kind for kind in get_args(Command)}
)


def encode(command: Command, side: Side) -> bytes:
    """The body of `command` as `side` says it."""
    code = bytes((command.CODE + side.value,))
    match command:
        case Signature(text):
            return code + text
        case SetBaudRate(value):
            return code + value.to_bytes(_SPEED_BYTES)
        case FlowControlSuspend() | FlowControlResume():
            return code
        case _:
            return code + bytes((command.value,))


def decode(body: bytes, side: Side) -> Command:
    """The command in `body`, which `side` has said. MalformedComPort, and no other exception."""
    if not body:
        raise MalformedComPort("a COM-PORT subnegotiation without a command")
    kind, value = _BY_CODE.get(body[0] - side.value), body[1:]
    if kind is None:
        raise MalformedComPort(f"unknown COM-PORT command {body[0]} from the {side.name.lower()}")
    if kind is Signature:
        return Signature(value)
    if not value and side is Side.CLIENT and kind in (NotifyLineState, NotifyModemState):
        value = b"\0"
    size = _SPEED_BYTES if kind is SetBaudRate else len(fields(kind))
    if len(value) != size:
        raise MalformedComPort(f"COM-PORT command {body[0]} has {len(value)} bytes, not {size}")
    make: Callable[..., Command] = kind
    return make(int.from_bytes(value)) if size else make()


# What is set, and what is answered

_PARITIES: Mapping[int, Parity] = MappingProxyType(dict(enumerate(Parity, 1)))

_STOP_SIZES: Mapping[int, StopBits] = MappingProxyType(
    {1: StopBits.ONE, 2: StopBits.TWO, 3: StopBits.ONE_AND_HALF}
)

_FLOWS: Mapping[int, FlowControl] = MappingProxyType(
    {
        Control.FLOW_NONE: FlowControl.NONE,
        Control.FLOW_SOFTWARE: FlowControl.SOFTWARE,
        Control.FLOW_HARDWARE: FlowControl.HARDWARE,
        Control.FLOW_DCD: FlowControl.DCD,
        Control.FLOW_DSR: FlowControl.DSR,
    }
)

_FLOWS_IN: Mapping[int, FlowControl] = MappingProxyType(
    {
        Control.FLOW_IN_NONE: FlowControl.NONE,
        Control.FLOW_IN_SOFTWARE: FlowControl.SOFTWARE,
        Control.FLOW_IN_HARDWARE: FlowControl.HARDWARE,
        Control.FLOW_IN_DTR: FlowControl.DTR,
    }
)

_ABOUT: Mapping[int, Control] = MappingProxyType(
    {
        **dict.fromkeys((Control.ASK_FLOW, *_FLOWS), Control.ASK_FLOW),
        **dict.fromkeys((Control.ASK_FLOW_IN, *_FLOWS_IN), Control.ASK_FLOW_IN),
        **dict.fromkeys(
            (Control.ASK_BREAK, Control.BREAK_ON, Control.BREAK_OFF), Control.ASK_BREAK
        ),
        **dict.fromkeys((Control.ASK_DTR, Control.DTR_ON, Control.DTR_OFF), Control.ASK_DTR),
        **dict.fromkeys((Control.ASK_RTS, Control.RTS_ON, Control.RTS_OFF), Control.ASK_RTS),
    }
)
"""The question that asks for what a value of SET-CONTROL sets."""


def _code(values: Mapping[int, object], value: object) -> int:
    return next((code for code, each in values.items() if each is value), 0)


def requested(command: Setting, settings: PortSettings) -> PortSettings | None:
    """`settings` with what the client sets; None for a question, BREAK, and nonsense."""
    match command:
        case SetBaudRate(value) if 1 <= value <= FASTEST:
            return evolve(settings, speed=value)
        case SetDataSize(5 | 6 | 7 | 8 as value):
            return evolve(settings, data_bits=value)
        case SetParity(value) if value in _PARITIES:
            return evolve(settings, parity=_PARITIES[value])
        case SetStopSize(value) if value in _STOP_SIZES:
            return evolve(settings, stop_bits=_STOP_SIZES[value])
        case SetControl(value) if value in _FLOWS:
            return evolve(settings, flow=_FLOWS[value], flow_in=None)
        case SetControl(value) if value in _FLOWS_IN:
            return evolve(settings, flow_in=_FLOWS_IN[value])
        case SetControl(Control.DTR_ON | Control.DTR_OFF as value):
            return evolve(settings, dtr=value == Control.DTR_ON)
        case SetControl(Control.RTS_ON | Control.RTS_OFF as value):
            return evolve(settings, rts=value == Control.RTS_ON)
    return None


def in_force(command: Setting, settings: PortSettings, has_break: bool = False) -> Setting:
    """The server's answer to `command`: what it is about, as it is in `settings` now.

    `has_break`: whether a BREAK that was set on is not set off yet. DTR and RTS that are not known
    are on. A value of SET-CONTROL that is not defined is answered with the flow control.
    """
    match command:
        case SetBaudRate():
            return SetBaudRate(settings.speed)
        case SetDataSize():
            return SetDataSize(settings.data_bits)
        case SetParity():
            return SetParity(_code(_PARITIES, settings.parity))
        case SetStopSize():
            return SetStopSize(_code(_STOP_SIZES, settings.stop_bits))
    match _ABOUT.get(command.value):
        case Control.ASK_BREAK:
            return SetControl(Control.BREAK_ON if has_break else Control.BREAK_OFF)
        case Control.ASK_DTR:
            return SetControl(Control.DTR_OFF if settings.dtr is False else Control.DTR_ON)
        case Control.ASK_RTS:
            return SetControl(Control.RTS_OFF if settings.rts is False else Control.RTS_ON)
        case Control.ASK_FLOW_IN:
            flow = settings.flow if settings.flow_in is None else settings.flow_in
            return SetControl(_code(_FLOWS_IN, flow) or Control.FLOW_IN_NONE)
    return SetControl(_code(_FLOWS, settings.flow) or Control.FLOW_NONE)


def setting(settings: PortSettings) -> Iterator[Setting]:
    """The client's commands that set all of `settings`, in a fixed order."""
    yield SetBaudRate(settings.speed)
    yield SetDataSize(settings.data_bits)
    yield SetParity(_code(_PARITIES, settings.parity))
    yield SetStopSize(_code(_STOP_SIZES, settings.stop_bits))
    yield SetControl(_code(_FLOWS, settings.flow) or Control.FLOW_NONE)
    if settings.flow_in is not None:
        yield SetControl(_code(_FLOWS_IN, settings.flow_in) or Control.FLOW_IN_NONE)
    if settings.dtr is not None:
        yield SetControl(Control.DTR_ON if settings.dtr else Control.DTR_OFF)
    if settings.rts is not None:
        yield SetControl(Control.RTS_ON if settings.rts else Control.RTS_OFF)
