"""Display-safe text: the one way of text from outside to a log, a terminal or a file (law 6).

`safe` is for names, URIs and other words, `safe_output` for the output of consoles.
"""

import re
import unicodedata
from codecs import getincrementaldecoder

SAFE_LIMIT = 200
"""Characters of a word that are shown; what is beyond is counted."""


def _longest(limit: int) -> int:
    """Characters of the longest result of `safe` with `limit`."""
    return 10 * limit + 20


SAFE_AGAIN = _longest(SAFE_LIMIT)
"""Characters of the longest result of `safe`."""

# Control, format (direction overrides, zero width, BOM, tags), surrogate, private and unassigned
# characters, line and paragraph separators: whatever could move a cursor or turn a line about.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _visible(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, kept by surrogateescape
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str | bytes, limit: int = SAFE_LIMIT) -> str:
    """One line of about `limit` characters at most, without effect on terminals and log parsers.

    Bytes are read as UTF-8; what is not UTF-8, control and direction characters and the
    backslash itself are shown as `\\xNN` or `\\uNNNN`. What is cut is counted: `name...(+3800)`.
    """
    word = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    cut = word[:limit]
    shown = cut if cut.isascii() and cut.isprintable() and "\\" not in cut else None
    if shown is None:
        shown = "".join(map(_visible, cut))
    return shown if len(word) <= limit else f"{shown}...(+{len(word) - limit})"


def ensure_safe(text: str, limit: int = SAFE_AGAIN) -> str:
    """As `safe` for text that is safe already, such as VM names: its escapes stay as they are."""
    if text.isprintable() and len(text) <= limit:
        return text
    return safe(text, limit).replace("\\\\", "\\")


_SHOWN = re.compile(r"[^\\]|\\(?:\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_SHOWN_WORD = re.compile(rf"(?:{_SHOWN.pattern})*")
_COUNT_OF_CUT = re.compile(r"\.\.\.\(\+[0-9]{1,12}\)\Z")


def safe_once(text: str | bytes, limit: int = SAFE_LIMIT) -> str:
    """As `safe` for text that may be its result already: with no other backslashes than those of
    escapes it stays as it is.
    """
    return text if isinstance(text, str) and _is_safe(text, limit) else safe(text, limit)


def _is_safe(text: str, limit: int) -> bool:
    """Whether it could be what `safe` has made of something."""
    if len(text) > _longest(limit) or not _SHOWN_WORD.fullmatch(text):
        return False
    if not (text.isprintable() or all(unicodedata.category(c) not in _HIDDEN for c in text)):
        return False
    return len(text) <= limit or len(_SHOWN.findall(_COUNT_OF_CUT.sub("", text))) <= limit


# What a replay leaves out: every escape sequence but SGR, colours and weights, with bounded
# numbers. What it keeps is passed over inside `re`.
_OUTPUT = re.compile(
    rb"\x1b(?!\[[0-9;:]{0,64}m)(?:"
    # Control sequences, strings and short escapes as a whole: the contents of an OSC are not text.
    rb"\[[0-?]*[ -/]*[@-~]"
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|(?=\x1b)|$)"
    rb"|[ -/]*[0-~]?"
    rb")"
    rb"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
    # C1 controls as UTF-8 (U+0080 to U+009F): 8-bit CSI, OSC and friends.
    rb"|\xc2[\x80-\x9f]"
    # Direction marks and overrides: U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, U+061C.
    rb"|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xd8\x9c"
)


def safe_output(data: bytes) -> bytes:
    """Output of a console as text and colours only, which cannot make a terminal answer.

    TAB, LF, CR, BS and SGR colours stay, every other control or escape sequence goes. The result
    is UTF-8; other bytes become U+FFFD, so that no raw C1 byte (0x9b is an 8-bit CSI) is left.
    """
    text = data.decode("utf-8", "replace").encode("utf-8")
    return _OUTPUT.sub(b"", text)


_UNFINISHED = re.compile(rb"\x1b(?:[ -/]*|\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?)\Z")


class SafeOutputStream:
    """`safe_output` of output that comes in pieces: a sequence or a character that is cut between
    two of them is held back, up to `LONGEST` bytes.
    """

    LONGEST = 4096
    """Bytes of an unfinished sequence that are held back."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        data = self._held + self._decoder.decode(data).encode()
        found = _UNFINISHED.search(data, max(0, len(data) - self.LONGEST))
        end = len(data) if found is None else found.start()
        self._held = data[end:]
        return safe_output(data[:end])

    def end(self) -> bytes:
        """The last of it."""
        data, self._held = self._held + self._decoder.decode(b"", True).encode(), b""
        return safe_output(data)


_COLOUR = re.compile(rb"\x1b\[[0-9;:]{0,64}m")


def plain_output(data: bytes) -> bytes:
    """The same without colours and cursor movements: a line for a file."""
    text = _COLOUR.sub(b"", safe_output(data))
    return text.replace(b"\r", b"").replace(b"\b", b"")


# What follows ESC, as in `_OUTPUT`, with colours; strings end with their line at the latest.
_LINE_SEQUENCE = re.compile(
    rb"\[[0-?]*[ -/]*[@-~]"
    rb"|[\]PX^_][^\x07\n]*\x07?"
    rb"|[ -/]*[0-~]?"
)
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n"))
_LINE_INVISIBLE = re.compile(
    rb"\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xd8\x9c"
)

_TEXT = bytes(range(0x20, 0x7F)) + b"\t\n"
_NEVER_TEXT = bytes(set(_CONTROLS) - set(b"\a\b\x1b"))
_AS_ASCII = bytes(range(0x80)) + b"?" * 0x80


def plain_lines(data: bytes, roughly: bool = False) -> bytes:
    """Output of a console as lines of text: no colours, no cursor movements, and LF for each CR.

    What stands in one line changes no other: there are as many LFs as there were ends of lines.
    `roughly`: where one byte of 32 is a control character that texts do not have, only ASCII is
    wanted, in a third of the time.
    """
    lines = data.replace(b"\r", b"\n")
    others = lines.translate(None, _TEXT)
    if not others:
        return lines
    if roughly and (len(others) - len(others.translate(None, _NEVER_TEXT))) * 32 >= len(lines):
        return _without_controls(lines.translate(_AS_ASCII))
    valid = lines.decode("utf-8", "replace").encode("utf-8")
    return _LINE_INVISIBLE.sub(b"", _without_controls(valid))


def _without_controls(lines: bytes) -> bytes:
    # One expression for all of it takes three times as long for what is no text.
    first, *others = lines.split(b"\x1b")
    parts = [first, *(_LINE_SEQUENCE.sub(b"", each, count=1) for each in others)]
    return b"".join(parts).translate(None, _CONTROLS)
