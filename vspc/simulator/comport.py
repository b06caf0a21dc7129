"""A guest's UART, and what its VM says of it: RFC 2217, with the VM as the client.

A vMotion moves the UART with the guest: the target agrees on the option anew, and says nothing of
settings that the source has said.
"""

import re
from collections import Counter
from collections.abc import Iterator

from attrs import evolve, frozen

from vspc.simulator.telnet import COM_PORT, subnegotiate

BAUD, DATA, PARITY, STOP, CONTROL = 1, 2, 3, 4, 5
NOTIFY_LINE, NOTIFY_MODEM, SUSPEND, RESUME = 6, 7, 8, 9
ANSWER = 100
"""What the server adds to the code of what it answers."""

FASTEST = 2**32 - 1
"""The largest speed that can be said."""

_PARITIES = "NOEMS"
_STOPS = ("1", "2", "1.5")
_BREAK_ON, _BREAK_OFF = 5, 6
_DTR_ON, _DTR_OFF, _RTS_ON, _RTS_OFF = 8, 9, 11, 12
_LINE_BREAK = 0x10

_FORMAT = re.compile(r"([5-8])([NOEMS])(1\.5|1|2)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)

ComPortMessage = tuple[int, bytes]
"""A code and its value."""


@frozen
class UartSettings:
    """How a guest has set its UART. `parity` is a letter of `NOEMS`, `stop` "1", "1.5" or "2"."""

    speed: int = 115_200
    data: int = 8
    parity: str = "N"
    stop: str = "1"
    dtr: bool = True
    rts: bool = True

    def __str__(self) -> str:
        return f"{self.speed} {self.data}{self.parity}{self.stop}"

    def changed(self, *words: str) -> "UartSettings":
        """With what `words` set: `9600`, `7E1`, `dtr=off`, `rts=on`. Raises ValueError."""
        settings = self
        for word in words:
            if match := _FORMAT.fullmatch(word):
                data, parity, stop = match.groups()
                settings = evolve(settings, data=int(data), parity=parity, stop=stop)
            elif _NUMBER.fullmatch(word) and int(word) <= FASTEST:
                settings = evolve(settings, speed=int(word))
            elif word in ("dtr=on", "dtr=off"):
                settings = evolve(settings, dtr=word == "dtr=on")
            elif word in ("rts=on", "rts=off"):
                settings = evolve(settings, rts=word == "rts=on")
            else:
                raise ValueError(f"{word!r} is not a setting; 9600, 7E1, dtr=off, rts=on are")
        return settings

    def messages(self) -> list[ComPortMessage]:
        """What a client says to set all of it."""
        return [
            (BAUD, self.speed.to_bytes(4)),
            (DATA, bytes([self.data])),
            (PARITY, bytes([_PARITIES.index(self.parity) + 1])),
            (STOP, bytes([_STOPS.index(self.stop) + 1])),
            (CONTROL, bytes([_DTR_ON if self.dtr else _DTR_OFF])),
            (CONTROL, bytes([_RTS_ON if self.rts else _RTS_OFF])),
        ]


QUESTIONS: tuple[ComPortMessage, ...] = (
    (BAUD, bytes(4)),
    *((code, b"\0") for code in (DATA, PARITY, STOP)),
)
"""A value of 0 asks for what is in force."""

BREAK: tuple[ComPortMessage, ...] = (
    (CONTROL, bytes([_BREAK_ON])),
    (CONTROL, bytes([_BREAK_OFF])),
)
"""A BREAK from the guest."""


class ComPort:
    """The option on one connection: what was said, what the proxy has answered, and its state."""

    def __init__(self) -> None:
        self._asked: Counter[int] = Counter()
        self._answers: dict[int, int] = {}
        self.modem: int | None = None
        self.suspended = False

    def say(self, *messages: ComPortMessage) -> bytes:
        """Telnet with `messages`, each of which the proxy has to answer but SUSPEND and RESUME."""
        for code, _ in messages:
            if code in (SUSPEND, RESUME):
                self.suspended = code == SUSPEND
            else:
                self._asked[code] += 1
        return b"".join(subnegotiate(COM_PORT, bytes([code]) + value) for code, value in messages)

    def received(self, payload: bytes) -> bool:
        """Note what the proxy says; True if it is a BREAK for the guest."""
        if len(payload) < 2:
            return False
        code, value = payload[0] - ANSWER, int.from_bytes(payload[1:])
        if self._asked[code]:
            self._asked[code] -= 1
            self._answers[code] = value
            return False
        if code == NOTIFY_MODEM:
            self.modem = value
        return (code == CONTROL and value == _BREAK_ON) or (
            code == NOTIFY_LINE and bool(value & _LINE_BREAK)
        )

    def facts(self) -> dict[str, object]:
        """As `stats` prints it."""
        return {
            "com_port": " ".join(self._answered()),
            "com_port_unanswered": sorted(self._asked.elements()),
            "modem": self.modem,
            "suspended": self.suspended,
        }

    def _answered(self) -> Iterator[str]:
        """The settings that the proxy says are in force."""
        values = [self._answers.get(code, 0) for code in (BAUD, DATA, PARITY, STOP)]
        speed, data, parity, stop = values
        if speed:
            yield str(speed)
        if data and 0 < parity <= len(_PARITIES) and 0 < stop <= len(_STOPS):
            yield f"{data}{_PARITIES[parity - 1]}{_STOPS[stop - 1]}"
