"""What an operator's terminal sends, taken apart: its own answers, escape commands, keys.

What may begin an answer or an escape command is kept back, not for long. The work of a turn of the
reactor is bounded (law 11).
"""

import contextlib
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from attrs import define, frozen

from vspc.apps.terminal.screen import Screen, TurnLimit
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.values import InvalidValue
from vspc.config.values import CONMAN, DEFAULT_ESCAPE, escape_key
from vspc.console.answers import Answers

TYPED = 512
"""Control sequences that are parsed in a turn."""

PATIENCE = 1.0
"""Seconds that a half-typed escape is kept back: `^E` is end-of-line in every shell."""

PACKET = 64
"""Bytes in one packet; a longer one was not typed by hand."""

_LETTER = b"c"


CONMAN_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        ".": ".",
        "?": "?",
        "F": "f",
        "J": "j",
        "M": "s",
        "L": "p",
        "B": "l0",
        "I": "i",
        "Z": "z",
        "A": "a",
        "K": "k",
        "W": "w",
        "Y": "y",
        "N": "N",
    }
)
"""What is typed behind conman's `&`: its own commands, and as capital letters those without which
the pen cannot be shared. All else is data, because `&` is typed often.
"""

_CONMAN_KEYS = MappingProxyType({command: key for key, command in CONMAN_COMMANDS.items()})


def key_name(key: bytes) -> str:
    """`^X`, `&`, or "none" for no key."""
    if key == CONMAN:
        return "&"
    return f"^{chr(key[0] + 64)}" if key else "none"


def command_keys(key: bytes, command: str) -> str:
    """What is typed for a command (`EscapeCommand.keys`): `^Ec?`, with conman's key `&?`; empty
    where there is no escape key, or conman's has no such command.
    """
    if key == CONMAN:
        typed = _CONMAN_KEYS.get(command)
        return "" if typed is None else f"&{typed}"
    return f"{key_name(key)}c{command}" if key else ""


@frozen
class TypedPart:
    """`data` for the VM, then the escape command `command`, then `rest`, which is not parsed yet.

    A command is one character, or two where the first one is a prefix (`l0`); empty: there is none,
    and no rest.
    """

    data: bytes
    command: str = ""
    rest: bytes = b""


@define
class Escapes:
    """Escape commands among keys: `^Ec` and a character (conserver's family), or `&` and one of
    `CONMAN_COMMANDS`. Pure.

    Takes packets, gives keys and commands in order; a command of either family has the same name.
    `escape` is one byte; `prefixes` are the characters that one more belongs to. `^E^E` and
    `^Ec^Ec` are one literal `^E`, `&&` is one `&`. A half-typed escape is data after `PATIENCE`.
    What was pasted, or came in one packet of over `PACKET` bytes, is data throughout.
    """

    escape: bytes = DEFAULT_ESCAPE
    prefixes: bytes = b""
    _half: bytes = b""  # a half-typed escape, kept back

    @property
    def half_typed(self) -> bool:
        """Whether bytes are kept back: call `flush` in `PATIENCE` seconds."""
        return bool(self._half)

    @property
    def kept_back(self) -> int:
        """How many bytes."""
        return len(self._half)

    def flush(self) -> bytes:
        """What was kept back, as data."""
        half, self._half = self._half, b""
        return half

    def feed(self, packet: bytes, size: int = 0, is_pasted: bool = False) -> TypedPart:
        """What one packet means, or a piece of one of `size` bytes, up to its first command."""
        if is_pasted or max(size, len(packet)) > PACKET:
            return TypedPart(self.flush() + packet)
        data = bytearray()
        for at in range(len(packet)):
            key, command = self._key(packet[at : at + 1])
            data += key
            if command:
                return TypedPart(bytes(data), command, packet[at + 1 :])
        return TypedPart(bytes(data))

    def _key(self, key: bytes) -> tuple[bytes, str]:
        """What one more byte gives: data, or a command."""
        escape, letter = self.escape, _LETTER
        if not self._half and key != escape:
            return key, ""
        typed, self._half = self._half + key, b""
        if escape == CONMAN:
            return self._conman(typed)
        if typed in (escape, escape + letter, escape + letter + escape):
            self._half = typed
            return b"", ""
        if typed in (escape * 2, (escape + letter) * 2):
            return escape, ""
        # ESC is not a command: it begins an arrow key, or a bracketed paste.
        if not typed.startswith(escape + letter) or typed[2:3] in (escape, b"\x1b"):
            return typed, ""
        if len(typed) == len(escape + letter) + 1 and typed[-1:] in self.prefixes:
            self._half = typed
            return b"", ""
        return b"", typed[2:].decode("latin-1")

    def _conman(self, typed: bytes) -> tuple[bytes, str]:
        if typed == CONMAN:
            self._half = typed
            return b"", ""
        if typed == CONMAN * 2:
            return CONMAN, ""
        command = CONMAN_COMMANDS.get(typed[1:].decode("latin-1"), "")
        return b"" if command else typed, command


class InputMode(Protocol):
    """What keys go to instead of the VM, while an escape command asks for something. It is over
    with `TerminalInput.leave_mode`.

    `holds_output`: nothing of the console is shown meanwhile.
    """

    holds_output: bool

    @abstractmethod
    def keys(self, data: bytes) -> bytes:
        """`data` was typed; what is left of it when the mode is over, to be parsed as usual. All of
        it is taken otherwise.
        """

    def resized(self) -> None:
        """The window has another size."""
        return

    def changed(self) -> None:
        """Something has happened on the console, or it takes input again."""
        return

    def close(self) -> None:
        """It is over, or the terminal is leaving: stop timers, and undo what was done to the
        screen.
        """
        return


class TerminalInputHandler(Protocol):
    """Gets the parts, in order. Any method may close the `TerminalInput`."""

    def typed(self, data: bytes) -> None:
        """Keys for the VM."""

    def answered(self, data: bytes) -> None:
        """The terminal sent `data` by itself."""

    def commanded(self, keys: str) -> None:
        """An escape command (`TypedPart.command`)."""

    def parsed(self) -> None:
        """`TerminalInput.kept_back` is less, though nothing was fed."""


class TerminalInput:
    """Parses the packets of one terminal. `escape` is the escape key, empty for none; `prefixes`
    see `Escapes`. While there is a `mode`, keys go there.
    """

    def __init__(
        self,
        clock: Clock,
        screen: Screen,
        escape: bytes,
        prefixes: bytes,
        handler: TerminalInputHandler,
    ) -> None:
        self._clock = clock
        self._handler = handler
        self._answers = Answers(screen.asked, screen.utf8_mouse)
        self._escapes = Escapes(escape, prefixes) if escape else None
        self._limit = TurnLimit(clock, TYPED, self._next_turn)
        # What is to be parsed, each piece with the size of its packet.
        self._packets: deque[tuple[bytes, int]] = deque()
        self._unparsed = 0  # bytes of them
        self._escape_timer: Cancellable | None = None  # for a half-typed escape command
        self._answer_timer: Cancellable | None = None  # for what may begin an answer
        self._held: tuple[int, float] | None = None  # what that is
        self._closed = False
        self.mode: InputMode | None = None

    @property
    def escape_key(self) -> str:
        """`^X`, or empty where there are no escape commands."""
        return "" if self._escapes is None else key_name(self._escapes.escape)

    def keys_of(self, command: str) -> str:
        """What is typed for an escape command; empty where nothing is."""
        return "" if self._escapes is None else command_keys(self._escapes.escape, command)

    def other_escapes(self) -> Escapes | None:
        """A parser of the same escape commands, for a mode in which some of them work."""
        if self._escapes is None:
            return None
        return Escapes(self._escapes.escape, self._escapes.prefixes)

    def change_escape(self, key: bytes) -> bool:
        """`key` is the escape key from now on; False if it cannot be one."""
        if self._escapes is None or len(key) != 1 or key >= b" ":
            return False
        with contextlib.suppress(InvalidValue):
            self._escapes.escape = escape_key(f"^{chr(key[0] + 64)}")
        return self._escapes.escape == key

    def enter_mode(self, mode: InputMode) -> None:
        """Keys go to `mode` until it is over; the one before it is over now."""
        self.leave_mode()
        self.mode = mode

    def leave_mode(self) -> None:
        """Keys are for the VM again."""
        mode, self.mode = self.mode, None
        if mode is not None:
            mode.close()

    @property
    def unparsed(self) -> int:
        """Bytes that wait for another turn of the reactor."""
        return self._unparsed

    @property
    def kept_back(self) -> int:
        """Bytes that were fed and not handed on."""
        half = self._escapes.kept_back if self._escapes is not None else 0
        return half + self._answers.kept_back + self._unparsed

    def feed(self, data: bytes) -> None:
        """`data` came in one packet."""
        self._packets.append((data, len(data)))
        self._unparsed += len(data)
        self._parse()

    def close(self) -> None:
        """Drop what was not handed on."""
        self._closed = True
        self.leave_mode()
        cancel(self._escape_timer, self._answer_timer)
        self._limit.close()
        self._packets.clear()
        self._unparsed = 0

    def _parse(self) -> None:
        while self._packets and not (self._closed or self._limit.is_over):
            data, size = self._packets.popleft()
            end = self._limit.first(data)
            if end < len(data):
                self._packets.appendleft((data[end:], size))
            self._unparsed -= end
            self._take(data[:end], size)
        self._wait_for_answer()

    def _next_turn(self) -> None:
        self._parse()
        self._handler.parsed()

    def _take(self, data: bytes, size: int) -> None:
        """A packet of `size` bytes, or a piece of one."""
        pieces = self._answers.feed(data)
        # Reports of the mouse in the packet of a key do not make a paste of it.
        if len(data) == size:
            size = sum(len(piece.data) for piece in pieces if not piece.is_answer)
        for piece in pieces:
            if self._closed:
                return
            if piece.is_answer:
                self._handler.answered(piece.data)
            else:
                self._take_keys(piece.data, size, piece.is_pasted)

    def _take_keys(self, data: bytes, size: int, is_pasted: bool = False) -> None:
        """Keys out of a packet of `size` bytes."""
        cancel(self._escape_timer)
        while data and not self._closed:
            if self.mode is not None:
                data = self.mode.keys(data)
            elif self._escapes is None:
                self._handler.typed(data)
                return
            else:
                data = self._take_part(self._escapes.feed(data, size, is_pasted))
        if self._escapes is not None and self._escapes.half_typed and not self._closed:
            self._escape_timer = self._clock.call_later(PATIENCE, self._type_escape)

    def _take_part(self, part: TypedPart) -> bytes:
        if part.data:
            self._handler.typed(part.data)
        if part.command and not self._closed:
            self._handler.commanded(part.command)
        return part.rest

    def _type_escape(self) -> None:
        """Nothing follows what may begin an escape command: it is data."""
        assert self._escapes is not None
        self._escape_timer = None
        self._handler.typed(self._escapes.flush())
        self._handler.parsed()

    def _wait_for_answer(self) -> None:
        patience = self._answers.patience
        held = None if patience is None else (self._answers.begun, patience)
        if self._closed or held == self._held:
            return
        self._held = held
        cancel(self._answer_timer)
        if patience is not None:
            self._answer_timer = self._clock.call_later(patience, self._type_answer)

    def _type_answer(self) -> None:
        """Nothing follows what may begin an answer: they are keys."""
        self._answer_timer = self._held = None
        held = self._answers.flush()
        self._take_keys(held, len(held))
        self._handler.parsed()
