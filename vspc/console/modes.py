"""What a VM has turned on in the terminal that shows it, and how to turn exactly that off again.

Pure and incremental: any chunking of the same output gives the same state, which is bounded. It is
about one terminal, because each was shown only what the VM sent while it was attached. Sequences
are those of ECMA-48, xterm (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), the Linux
console (console_codes(4)) and the keyboard protocol of kitty. 8-bit C1 controls are not followed:
in UTF-8 they are parts of characters.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import define, field

from vspc.console.control_sequences import CSI_LIMIT, Rendition, Sequences
from vspc.console.mode_tables import (
    ALTERNATE,
    ANSI,
    ASCII,
    CURSOR,
    ON_AT_FIRST,
    ORIGIN,
    PRIVATE,
    REPORTING,
    RESET_COLOUR,
    SETS,
    SHIFTS,
    TABS_AGAIN,
    UNSHIFT,
    WORKED_WITH,
)

DEPTH = 64
"""Levels of the kitty keyboard stack that are counted."""

ASKED_LIMIT = 16
"""Questions for the cursor's position that are counted while they are unanswered."""

_CONTROLS = bytes(range(32))


@define(eq=False)
class _Look:
    """What a terminal saves and restores with its cursor (DECSC)."""

    rendition: Rendition = field(factory=Rendition)
    shift: int = 0
    sets: dict[int, bytes] = field(factory=dict)  # designations that are not ASCII
    origin: bool = False

    def copy(self) -> "_Look":
        return _Look(self.rendition.copy(), self.shift, dict(self.sets), self.origin)

    def with_all_of(self, other: "_Look") -> "_Look":
        """Whatever is not as at first in one of them."""
        return _Look(
            self.rendition.with_all_of(other.rendition),
            self.shift or other.shift,
            self.sets | other.sets,
            self.origin or other.origin,
        )


@define(eq=False)
class _Keyboard:
    """The kitty keyboard protocol of one screen: levels pushed, and whether flags were set."""

    depth: int = 0
    is_set: bool = False

    @property
    def off(self) -> bytes:
        popped = b"\x1b[<%du" % self.depth if self.depth else b""
        return popped + (b"\x1b[=0u" if self.is_set else b"")


@define(eq=False)
class TerminalModes:
    """The state of one terminal. `asked`: questions for the cursor's position without an answer."""

    asked: int = field(default=0, init=False)
    _look: _Look = field(factory=_Look, init=False)
    _saved: _Look | None = field(default=None, init=False)
    _private: set[int] = field(factory=set, init=False)  # those that are not as at first
    _keyboards: list[_Keyboard] = field(factory=lambda: [_Keyboard(), _Keyboard()], init=False)
    _others: dict[str, bytes] = field(factory=dict, init=False)  # what is on, and how to end it
    _sequences: Sequences = field(factory=Sequences, init=False)

    def feed(self, data: bytes) -> None:
        """The terminal is shown `data`."""
        self.feed_some(data, len(data))

    def feed_some(self, data: bytes, most: int) -> tuple[int, int]:
        """It is shown as much of `data` as has `most` sequences: how many bytes of it, and how many
        sequences.
        """
        tokens, size = self._sequences.feed(data, most)
        for token in tokens:
            self._take(token)
        return size, len(tokens)

    # What to write

    @property
    def neutral(self) -> bytes:
        """What makes text of ours readable: no colours, ASCII, no unfinished sequence."""
        look = self._look
        unshift = UNSHIFT if look.shift else b""
        ascii_again = b"\x1b(B" if 0 in look.sets else b""
        utf8 = self._others.get("coding", b"")
        return self._sequences.broken_off + unshift + ascii_again + utf8 + look.rendition.off

    @property
    def again(self) -> bytes:
        """What the VM goes on with behind that."""
        return self._look.rendition.on + self._sets_again + self._sequences.begun_again

    @property
    def _sets_again(self) -> bytes:
        look = self._look
        coding = b"\x1b%@" if "coding" in self._others else b""
        first_set = b"\x1b(" + look.sets[0] if 0 in look.sets else b""
        return coding + first_set + SHIFTS.get(look.shift, b"")

    @property
    def set_up(self) -> bytes:
        """What gives another terminal, as after a reset, the modes that programs work with."""
        look, sets = self._look, sorted(self._look.sets.items())
        out = [_private(mode, mode not in ON_AT_FIRST) for mode in self._private & WORKED_WITH]
        out += [b"\x1b="] if "keypad" in self._others else []
        out += [b"\x1b" + b"()*+"[each : each + 1] + name for each, name in sets]
        return b"".join((*out, SHIFTS.get(look.shift, b"")))

    @property
    def covered(self) -> bytes:
        """What makes the alternate screen one of ours, on which nothing of the VM acts. Where the
        VM has it already, what it shows there is lost.
        """
        on = b"" if self.is_alternate else b"\x1b[?1049h"
        reports = b"".join(_private(mode, False) for mode in self._private & REPORTING)
        return b"".join((self.neutral, on, reports, b"\x1b[?6l\x1b[r\x1b[4l\x1b[?25l\x1b[H\x1b[2J"))

    @property
    def uncovered(self) -> bytes:
        """What takes that back."""
        out = [_private(mode, True) for mode in self._private & REPORTING]
        out += [b"" if CURSOR in self._private else _private(CURSOR, True)]
        out += [self._others.get("margins", b""), b"\x1b[4h" if "mode 4" in self._others else b""]
        out += [b"\x1b[H\x1b[2J" if self.is_alternate else b"\x1b[?1049l"]
        return b"".join((*out, self.again))

    def break_off(self) -> bytes:
        """What ends an unfinished sequence that will not go on."""
        end, self._sequences = self._sequences.broken_off, Sequences()
        return end

    def give_back(self) -> bytes:
        """What turns off all that is on, and nothing else; nothing is on then. It prints nothing.

        Where a VM had moved the origin the cursor is in the last line behind it, else it stays.
        """
        look = self._look
        if 1049 in self._private and self._saved is not None:  # what leaving that screen restores
            look = look.with_all_of(self._saved)
        was_origin = look.origin or ORIGIN in self._private
        out = [self.break_off(), *self._screens_off()]
        out += [_private_off(mode) for mode in sorted(self._private - {*ALTERNATE, ORIGIN})]
        out += [UNSHIFT] if look.shift else []
        out += [b"\x1b" + b"()*+"[each : each + 1] + ASCII for each in sorted(look.sets)]
        out += [look.rendition.off]
        out += [b"\x1b[?6l"] if was_origin else []
        # Setting margins moves the cursor to the first column of the first line.
        out += [b"\x1b7\x1b[r\x1b8"] if "margins" in self._others else []
        out += [b"\x1b[999;1H"] if was_origin else []
        out += [end for name, end in sorted(self._others.items()) if name != "margins"]
        self._forget()
        return b"".join(out)

    def _screens_off(self) -> list[bytes]:
        first, second = self._keyboards
        alternate = [mode for mode in ALTERNATE if mode in self._private]
        leaving = [second.off, *map(_private_off, alternate)] if alternate else []
        return [*leaving, first.off]

    @property
    def is_alternate(self) -> bool:
        """Whether the alternate screen is on."""
        return not self._private.isdisjoint(ALTERNATE)

    @property
    def is_moved(self) -> bool:
        """Whether `give_back` changes what the screen shows, or where the cursor is."""
        return self.is_alternate or self._look.origin or ORIGIN in self._private

    @property
    def brackets_pastes(self) -> bool:
        """Whether marks are put around what is pasted."""
        return 2004 in self._private

    @property
    def utf8_mouse(self) -> bool:
        """Whether mouse reports are in UTF-8."""
        return 1005 in self._private

    def _forget(self) -> None:
        """All is as at first."""
        self._look, self._saved = _Look(), None
        self._keyboards = [_Keyboard(), _Keyboard()]
        self._private.clear()
        self._others.clear()

    def _hold(self, name: str, end: bytes, on: bool) -> None:
        """Something is on, and `end` ends it, or it is off."""
        if on:
            self._others[name] = end
        else:
            self._others.pop(name, None)

    def replayed(self, meanwhile: "TerminalModes") -> bytes:
        """Behind `neutral` what `meanwhile` has followed was shown, text and colours only: its last
        colours are those of now. What the VM goes on with.
        """
        self._look.rendition = meanwhile._look.rendition.copy()
        return self._sets_again + self._sequences.begun_again

    # Output of the VM

    def _take(self, token: "re.Match[bytes]") -> None:
        match token.lastgroup:
            case "final":
                if len(token["csi"]) < CSI_LIMIT:
                    parameters = token["csi"].translate(None, _CONTROLS)
                    _CONTROL[token["final"]](self, parameters)
            case "shift":
                self._look.shift = int(token["shift"] == b"\x0e")
            case "osc":
                self._take_osc(token["osc"][:CSI_LIMIT])
            case "name":
                self._take_set(token["set"], token["name"])
            case "short":
                self._take_short(token["short"])

    def _take_short(self, name: bytes) -> None:
        match name:
            case b"=" | b">":
                self._hold("keypad", b"\x1b>", name == b"=")
            case b"n" | b"o":
                self._look.shift = 2 if name == b"n" else 3
            case b"7":
                self._save()
            case b"8":
                self._restore()
            case b"H":
                self._hold("tabs", TABS_AGAIN, True)
            case b"c":
                self._forget()

    def _take_set(self, group: bytes, name: bytes) -> None:
        if group == b"%":
            self._hold("coding", b"\x1b%G", name == b"@")
            return
        number = SETS.get(group[:1])
        if number is None or len(group) > 2:
            return
        if group + name == group[:1] + ASCII:
            self._look.sets.pop(number, None)
        elif number == 0:
            self._look.sets[0] = group[1:] + name
        else:
            self._look.sets[number] = name

    def _take_osc(self, body: bytes) -> None:
        number, _, value = body.partition(b";")
        if body[:1] == b"P" or body == b"R":  # the palette of the Linux console
            self._colours(b"R", body != b"R")
        elif number in RESET_COLOUR and value != b"?" and not value.endswith(b";?"):
            self._colours(RESET_COLOUR[number], True)
        elif not value:
            self._colours(number, False)

    def _colours(self, reset: bytes, on: bool) -> None:
        """The OSC `reset` takes colours back, or has done so."""
        self._hold(f"colours {reset!r}", b"\x1b]%s\x1b\\" % reset, on)

    def _save(self) -> None:
        self._saved = self._look.copy()

    def _restore(self) -> None:
        self._look = _Look() if self._saved is None else self._saved.copy()

    def _mode(self, parameters: bytes, on: bool) -> None:
        if parameters[:1] == b"?":
            for mode in _numbers(parameters[1:]):
                self._private_mode(mode, on)
            return
        for mode in _numbers(parameters):
            if mode in ANSI:
                self._hold(f"mode {mode}", ANSI[mode], on != (mode == 12))

    def _private_mode(self, mode: int, on: bool) -> None:
        if mode == ORIGIN:
            self._look.origin = on
            self._private.discard(mode)
        elif mode in PRIVATE:
            is_kept = on != (mode in ON_AT_FIRST)
            (self._private.add if is_kept else self._private.discard)(mode)
        if mode in (1048, 1049):
            (self._save if on else self._restore)()

    def _margins(self, parameters: bytes) -> None:
        if parameters[:1] == b"?":  # saved modes: their values are unknown
            unsure = set(_numbers(parameters[1:])) & PRIVATE
            self._private |= unsure
        elif not parameters or parameters[-1:].isdigit() or parameters[-1:] == b";":
            self._hold("margins", b"\x1b[%sr" % parameters, parameters not in (b"", b";"))

    def _colour(self, parameters: bytes) -> None:
        if parameters[:1] == b">":
            key, _, value = parameters[1:].partition(b";")
            if key in (b"0", b"1", b"2", b"3", b"4", b"6", b"7"):
                self._hold(f"key {key!r}", b"\x1b[>%sm" % key, bool(value))
        elif parameters[:1] not in (b"?", b"<", b"="):
            self._look.rendition.apply(parameters)

    def _asked(self, parameters: bytes) -> None:
        if parameters in (b"6", b"?6"):
            self.asked = min(self.asked + 1, ASKED_LIMIT)

    def _restore_or_keyboard(self, parameters: bytes) -> None:
        keyboard = self._keyboards[int(self.is_alternate)]
        count = next(iter(_numbers(parameters[1:])), 1)
        match parameters[:1]:
            case b"":
                self._restore()
            case b">":
                keyboard.depth = min(keyboard.depth + 1, DEPTH)
            case b"<":
                keyboard.depth = max(0, keyboard.depth - count)
            case b"=":
                keyboard.is_set = parameters not in (b"=", b"=0", b"=0;1")

    def _save_if_alone(self, parameters: bytes) -> None:
        if not parameters:
            self._save()

    def _soft_reset(self, parameters: bytes) -> None:
        if parameters != b"!":
            return
        self._look, self._saved = _Look(), None
        self._private -= {1, 25}
        for name in ("mode 2", "mode 4", "keypad", "margins"):
            self._others.pop(name, None)

    def _shape(self, parameters: bytes) -> None:
        if parameters[-1:] == b" ":
            self._hold("shape", b"\x1b[0 q", parameters not in (b" ", b"0 "))

    def _linux_cursor(self, parameters: bytes) -> None:
        if parameters[:1] == b"?" and parameters[1:]:
            self._hold("linux-cursor", b"\x1b[?0c", parameters != b"?0")

    def _tabs(self, parameters: bytes) -> None:
        if parameters in (b"", b"0", b"3"):
            self._hold("tabs", TABS_AGAIN, True)

    def _tabs_again(self, parameters: bytes) -> None:
        if parameters == b"?5":
            self._hold("tabs", TABS_AGAIN, False)


def _private(mode: int, on: bool) -> bytes:
    return b"\x1b[?%d%s" % (mode, b"h" if on else b"l")


def _private_off(mode: int) -> bytes:
    return _private(mode, mode in ON_AT_FIRST)


def _numbers(parameters: bytes) -> list[int]:
    found = parameters.split(b";", 32)[:32]
    return [int(each) for each in found if each.isdigit() and len(each) <= 5]


_CONTROL: Mapping[bytes, Callable[[TerminalModes, bytes], None]] = MappingProxyType(
    {
        b"h": lambda modes, parameters: modes._mode(parameters, True),
        b"l": lambda modes, parameters: modes._mode(parameters, False),
        b"m": TerminalModes._colour,
        b"r": TerminalModes._margins,
        b"n": TerminalModes._asked,
        b"u": TerminalModes._restore_or_keyboard,
        b"s": TerminalModes._save_if_alone,
        b"p": TerminalModes._soft_reset,
        b"q": TerminalModes._shape,
        b"c": TerminalModes._linux_cursor,
        b"g": TerminalModes._tabs,
        b"W": TerminalModes._tabs_again,
    }
)
