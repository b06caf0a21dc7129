"""RFC 2217 from the side of the VM: it is the client, and tells what its guest's UART is set to."""

from vspc.simulator.wire import COM_PORT, subnegotiate

_SET_BAUDRATE, _SET_DATASIZE, _SET_PARITY, _SET_STOPSIZE, _SET_CONTROL = 1, 2, 3, 4, 5
_NOTIFY_LINESTATE = 106
_ANSWER = 100  # what the server adds to the code of what it answers
_LINE_BREAK = 0x10
_BREAK_ON, _BREAK_OFF = 5, 6

BAUDRATE = 115_200

_SETTINGS = (
    (_SET_BAUDRATE, BAUDRATE.to_bytes(4, "big")),
    (_SET_DATASIZE, b"\x08"),
    (_SET_PARITY, b"\x01"),
    (_SET_STOPSIZE, b"\x01"),
)

BREAK = b"".join(
    subnegotiate(COM_PORT, bytes([_SET_CONTROL, word])) for word in (_BREAK_ON, _BREAK_OFF)
)
"""A BREAK from the guest, in RFC 2217's words."""


class ComPort:
    """What one connection said and heard about its port's settings."""

    def __init__(self) -> None:
        self.unanswered: set[int] = set()

    def settings(self) -> bytes:
        """115200 8N1, as four messages that the proxy has to answer (RFC 2217 section 3)."""
        self.unanswered = {code for code, _ in _SETTINGS}
        return b"".join(subnegotiate(COM_PORT, bytes([code]) + value) for code, value in _SETTINGS)

    def heard(self, payload: bytes) -> bool:
        """Note an answer; True if this is a BREAK on the line towards the VM."""
        if not payload:
            return False
        self.unanswered.discard(payload[0] - _ANSWER)
        state = payload[1] if len(payload) > 1 else 0
        return payload[0] == _NOTIFY_LINESTATE and bool(state & _LINE_BREAK)
