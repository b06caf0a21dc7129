"""The output of a VM on an emulated terminal: a VT220 with the colours and the alternate screen of
xterm. Pure. Questions are not answered; what is unknown, and any string (OSC, DCS), shows nothing.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from vspc.console.emulated_screen import INSERT, NEWLINE, ORIGIN, WRAP, EmulatedScreen

LARGEST = 9999
"""A larger number in a sequence is taken for this one."""

NUMBERS = 16
"""Numbers of a sequence that are looked at."""

_ALTERNATE = (47, 1047, 1049)
_WITH_CURSOR = 1049
_CURSOR = 1048

_TOKEN = re.compile(
    rb"(?P<text>[^\x00-\x1f\x7f]+)"
    rb"|\x1b\[(?P<csi>[ -?\x00-\x17\x19\x1c-\x1f]*)(?P<final>[@-~]?)"
    rb"|\x1b(?:\][^\x07\x18\x1a\x1b]*\x07?|[PX^_][^\x18\x1a\x1b]*)"
    rb"|\x1b(?P<middle>[ -/]*)(?P<short>[0-~])"
    rb"|(?P<control>[\x08-\x0f])"
)
_C0 = bytes(range(32))
_NUMBERS = re.compile(rb"[0-9;]*")
_COLOURS = re.compile(rb"[0-9;:]*")


def emulate(screen: EmulatedScreen, output: bytes) -> None:
    """Show `output`, which ends with a whole sequence, on `screen`. Raises `TooMuchWork`."""
    for token in _TOKEN.finditer(output):
        match token.lastgroup:
            case "text":
                screen.write(token["text"].decode("utf-8", "replace"))
            case "final":
                screen.spend(1 + len(token["csi"]))
                _control(screen, token["csi"].translate(None, _C0), token["final"])
            case "short":
                screen.spend(1)
                _short(screen, token["middle"], token["short"])
            case "control":
                screen.spend(1)
                _CONTROLS[token["control"]](screen)


def _control(screen: EmulatedScreen, parameters: bytes, final: bytes) -> None:
    if final == b"m":
        if _COLOURS.fullmatch(parameters):
            screen.colour(parameters)
    elif final in (b"h", b"l"):
        is_private = parameters[:1] == b"?"
        for mode in _numbers(parameters[is_private:]):
            (_private_mode if is_private else _mode)(screen, mode, final == b"h")
    elif (action := _SEQUENCES.get(final)) and _NUMBERS.fullmatch(parameters):
        action(screen, *_numbers(parameters)[:2])


def _mode(screen: EmulatedScreen, mode: int, on: bool) -> None:
    if mode in (INSERT, NEWLINE):
        screen.switch(mode, on)


def _private_mode(screen: EmulatedScreen, mode: int, on: bool) -> None:
    if mode in (ORIGIN, WRAP):
        screen.switch(mode, on, private=True)
    elif mode in _ALTERNATE:
        screen.alternate(on, saves=mode == _WITH_CURSOR)
    elif mode == _CURSOR:
        (screen.save if on else screen.restore)()


def _short(screen: EmulatedScreen, middle: bytes, final: bytes) -> None:
    if middle in (b"(", b")"):
        screen.charset(middle.decode(), final.decode())
    elif action := _SHORT.get(middle + final):
        action(screen)


def _numbers(parameters: bytes) -> list[int]:
    words = parameters.split(b";", NUMBERS)[:NUMBERS]
    return [min(int(word[:9]), LARGEST) if word.isdigit() else 0 for word in words]


def _next_line(screen: EmulatedScreen) -> None:
    screen.to_column(1)
    screen.line_feed()


def _lines(screen: EmulatedScreen, count: int) -> None:
    """To the first column of a row so many further down."""
    screen.to_column(1)
    screen.down(count)


_CONTROLS: Mapping[bytes, Callable[[EmulatedScreen], None]] = MappingProxyType(
    {
        b"\x08": lambda screen: screen.right(-1),
        b"\x09": EmulatedScreen.tab,
        b"\x0a": EmulatedScreen.line_feed,
        b"\x0b": EmulatedScreen.line_feed,
        b"\x0c": EmulatedScreen.line_feed,
        b"\x0d": lambda screen: screen.to_column(1),
        b"\x0e": lambda screen: screen.shift(True),
        b"\x0f": lambda screen: screen.shift(False),
    }
)

_SHORT: Mapping[bytes, Callable[[EmulatedScreen], None]] = MappingProxyType(
    {
        b"7": EmulatedScreen.save,
        b"8": EmulatedScreen.restore,
        b"D": EmulatedScreen.line_feed,
        b"E": _next_line,
        b"M": EmulatedScreen.reverse_line_feed,
        b"H": EmulatedScreen.set_tab,
        b"c": EmulatedScreen.reset,
        b"#8": EmulatedScreen.fill,
    }
)

_SEQUENCES: Mapping[bytes, Callable[..., None]] = MappingProxyType(
    {
        b"A": lambda screen, n=0, *_: screen.down(-(n or 1)),
        b"B": lambda screen, n=0, *_: screen.down(n or 1),
        b"e": lambda screen, n=0, *_: screen.down(n or 1),
        b"C": lambda screen, n=0, *_: screen.right(n or 1),
        b"a": lambda screen, n=0, *_: screen.right(n or 1),
        b"D": lambda screen, n=0, *_: screen.right(-(n or 1)),
        b"E": lambda screen, n=0, *_: _lines(screen, n or 1),
        b"F": lambda screen, n=0, *_: _lines(screen, -(n or 1)),
        b"G": lambda screen, n=0, *_: screen.to_column(n),
        b"`": lambda screen, n=0, *_: screen.to_column(n),
        b"H": lambda screen, row=0, column=0: screen.to(row, column),
        b"f": lambda screen, row=0, column=0: screen.to(row, column),
        b"d": lambda screen, n=0, *_: screen.to_row(n),
        b"r": lambda screen, top=0, bottom=0: screen.margins(top, bottom),
        b"Z": lambda screen, n=0, *_: screen.tab_back(n),
        b"g": lambda screen, n=0, *_: screen.clear_tab(n),
        b"J": lambda screen, n=0, *_: screen.erase_display(n),
        b"K": lambda screen, n=0, *_: screen.erase_line(n),
        b"X": lambda screen, n=0, *_: screen.erase_characters(n),
        b"L": lambda screen, n=0, *_: screen.insert_lines(n),
        b"M": lambda screen, n=0, *_: screen.delete_lines(n),
        b"@": lambda screen, n=0, *_: screen.insert_characters(n),
        b"P": lambda screen, n=0, *_: screen.delete_characters(n),
        b"S": lambda screen, n=0, *_: screen.scroll(n or 1),
        b"T": lambda screen, n=0, *_: screen.scroll(-(n or 1)),
        b"b": lambda screen, n=0, *_: screen.repeat(n),
        b"s": lambda screen, *_: screen.save(),
        b"u": lambda screen, *_: screen.restore(),
    }
)
