"""A serial port's settings as values, and as people write them: `115200 8N1`."""

import re
from collections.abc import Callable
from enum import Enum, IntFlag

from attrs import field, frozen

from vspc.common.values import InvalidValue

FASTEST = 12_000_000
"""Bits a second; no serial port that is sold is faster."""


class Parity(Enum):
    """The value is the letter in `8N1`."""

    NONE = "N"
    ODD = "O"
    EVEN = "E"
    MARK = "M"
    SPACE = "S"


class StopBits(Enum):
    """The value is the end of `8N1`."""

    ONE = "1"
    ONE_AND_HALF = "1.5"
    TWO = "2"


class FlowControl(Enum):
    """The value is what people call it. DTR is for what the port receives, DCD and DSR are not."""

    NONE = "none"
    SOFTWARE = "xon/xoff"
    HARDWARE = "rts/cts"
    DCD = "dcd"
    DTR = "dtr"
    DSR = "dsr"


class ModemState(IntFlag):
    """Lines of a modem, with the bits of a UART's register and of RFC 2217; the lower four: that
    one has changed.
    """

    DELTA_CTS = 1
    DELTA_DSR = 2
    RING_ENDED = 4
    DELTA_DCD = 8
    CTS = 16
    DSR = 32
    RING = 64
    DCD = 128


class LineState(IntFlag):
    """What a receiver has met, with the bits of a UART's register and of RFC 2217."""

    DATA_READY = 1
    OVERRUN = 2
    PARITY_ERROR = 4
    FRAMING_ERROR = 8
    BREAK = 16
    HOLDING_EMPTY = 32
    SHIFT_EMPTY = 64
    TIMEOUT = 128


ALLOWED = "SPEED, data bits 5 to 8, parity N, O, E, M or S, stop bits 1, 1.5 or 2: 115200 8N1"

_WRITTEN = re.compile(
    r"([0-9]{1,8}) ([5-8])([NOEMS])(1|1\.5|2)(?: (none|xon/xoff|rts/cts|dcd|dtr|dsr))?", re.ASCII
)


def _in(allowed: range, what: str) -> Callable[[object, object, int], None]:
    def check(_instance: object, _attribute: object, value: int) -> None:
        if value not in allowed:
            last = allowed.stop - 1
            raise InvalidValue(f"{value} {what}", f"{allowed.start} to {last} {what}")

    return check


@frozen
class PortSettings:
    """`speed` in bits a second, 1 to `FASTEST`; `data_bits` 5 to 8. InvalidValue for others.

    `flow` is for both directions unless `flow_in` (what the port receives) has its own. `dtr` and
    `rts`: whether those lines are on; None: not known, or left alone.
    """

    speed: int = field(default=9600, validator=_in(range(1, FASTEST + 1), "bits a second"))
    data_bits: int = field(default=8, validator=_in(range(5, 9), "data bits"))
    parity: Parity = Parity.NONE
    stop_bits: StopBits = StopBits.ONE
    flow: FlowControl = FlowControl.NONE
    flow_in: FlowControl | None = None
    dtr: bool | None = None
    rts: bool | None = None

    def __str__(self) -> str:
        """`115200 8N1`, and its flow control if it has one: `9600 7E1 rts/cts`."""
        flow = "" if self.flow is FlowControl.NONE else f" {self.flow.value}"
        return f"{self.speed} {self.data_bits}{self.parity.value}{self.stop_bits.value}{flow}"

    @classmethod
    def parse(cls, text: str) -> "PortSettings":
        """What `str` writes. InvalidValue."""
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise InvalidValue(f"invalid port settings {text!r}", ALLOWED)
        speed, data_bits, parity, stop_bits, flow = match.groups(FlowControl.NONE.value)
        return cls(
            int(speed), int(data_bits), Parity(parity), StopBits(stop_bits), FlowControl(flow)
        )


def modem_of(settings: PortSettings) -> ModemState:
    """The modem lines that a port set so shows to the other end of its cable, a null modem."""
    dtr = ModemState.DSR | ModemState.DCD if settings.dtr is not False else ModemState(0)
    return dtr | (ModemState.CTS if settings.rts is not False else ModemState(0))
