"""The line editor of a toy guest: echo, Backspace, ^U, ^C, Enter."""

LINE = 4096
"""Bytes of a command line; what is typed beyond rings the bell."""

_CR, _LF, _BELL = 0x0D, 0x0A, b"\a"
_ERASE = (0x08, 0x7F)
_KILL, _INTERRUPT = 0x15, 0x03
_RUBOUT = b"\b \b"


class LineEditor:
    """Takes keys, gives back what to echo; CR, LF and CR LF are one Enter each."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False

    def reset(self, after_cr: bool = False) -> None:
        """An empty line. `after_cr`: a LF that comes next belongs to the last Enter."""
        self._line.clear()
        self._after_cr = after_cr

    def take(self, keys: bytearray) -> tuple[bytes, str | None]:
        """Consume keys up to Enter or ^C; the echo, and the line that was entered."""
        echo = bytearray()
        for at, key in enumerate(keys):
            if key == _LF and self._after_cr:
                self._after_cr = False
            elif key in (_CR, _LF, _INTERRUPT):
                line = "" if key == _INTERRUPT else self._line.decode("utf-8", "replace")
                echo += b"^C\r\n" if key == _INTERRUPT else b"\r\n"
                self.reset(after_cr=key == _CR)
                del keys[: at + 1]
                return bytes(echo), line
            else:
                self._after_cr = False
                echo += self._key(key)
        keys.clear()
        return bytes(echo), None

    def _key(self, key: int) -> bytes:
        if key in _ERASE:
            return self._erase()
        if key == _KILL:
            shown = len(self._line.decode("utf-8", "replace"))
            self._line.clear()
            return _RUBOUT * shown
        if key < 0x20:
            return b""
        if len(self._line) >= LINE:
            return _BELL
        self._line.append(key)
        return bytes([key])

    def _erase(self) -> bytes:
        if not self._line:
            return b""
        while self._line and self._line.pop() & 0xC0 == 0x80:
            pass  # a character of several bytes goes as one
        return _RUBOUT
