"""Modes of a terminal, and how they are at first: ECMA-48, xterm, the Linux console. Tables of
`vspc.console.modes`.
"""

from collections.abc import Mapping
from types import MappingProxyType

ON_AT_FIRST = frozenset({7, 8, 25})
"""Private modes that a terminal has after a reset: autowrap, repeat, cursor."""

PRIVATE = frozenset(
    {
        *(1, 5, 6, 7, 8, 25, 45, 66, 69),  # cursor keys, reverse video, origin, ..., margins
        *(9, 1000, 1001, 1002, 1003, 1005, 1006, 1015, 1016),  # mouse
        *(1004, 2004, 2026, 2031, 2048, 9001),  # focus, paste, and what else makes it send
        *(47, 1047, 1049),  # alternate screen
    }
)

WORKED_WITH = PRIVATE - {6, 8, 45, 66, 69, 2026, 2031, 2048, 9001, 47, 1047, 1049}
"""Those that a terminal is given which joins late."""

REPORTING = frozenset({9, 1000, 1001, 1002, 1003, 1004})
"""Those that make a terminal send by itself what its operator does with mouse and windows."""

ALTERNATE = (1049, 1047, 47)
"""The alternate screen."""

ORIGIN = 6
CURSOR = 25

ANSI: Mapping[int, bytes] = MappingProxyType(
    {2: b"\x1b[2l", 4: b"\x1b[4l", 12: b"\x1b[12h", 20: b"\x1b[20l"}
)
"""Modes of ECMA-48 and how they are at first: keyboard lock, insert, local echo, newline."""

SETS: Mapping[bytes, int] = MappingProxyType(
    {b"(": 0, b")": 1, b"-": 1, b"*": 2, b".": 2, b"+": 3, b"/": 3}
)
"""Which character set a designation is about."""

SHIFTS: Mapping[int, bytes] = MappingProxyType({1: b"\x0e", 2: b"\x1bn", 3: b"\x1bo"})
"""What makes one of them the one in use."""

UNSHIFT = b"\x0f"
ASCII = b"B"
TABS_AGAIN = b"\x1b[?5W"

RESET_COLOUR: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"4": b"104",
        b"5": b"105",
        **{b"%d" % number: b"%d" % (100 + number) for number in range(10, 20)},
    }
)
"""What an OSC sets, and the one that takes it back."""
