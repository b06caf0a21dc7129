"""What an operator's terminal sends, taken apart: its own answers, escape commands, keys.

What may begin an answer or an escape command is kept back, not for long. The work of a turn of the
reactor is bounded (law 11).
"""

from collections import deque
from typing import Protocol

from vspc.apps.escapes import PATIENCE, Escapes, Keys, key_name
from vspc.apps.screen import Screen, TurnLimit
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.console.answers import Answers

TYPED = 512
"""Control sequences that are parsed in a turn."""


class TerminalInputHandler(Protocol):
    """Gets the parts, in order. Any method may close the `TerminalInput`."""

    def typed(self, data: bytes) -> None:
        """Keys for the VM."""

    def answered(self, data: bytes) -> None:
        """The terminal sent `data` by itself."""

    def commanded(self, name: str) -> None:
        """An escape command (`vspc.apps.escapes.EscapeCommand`)."""

    def parsed(self) -> None:
        """`TerminalInput.kept_back` is less, though nothing was fed."""


class TerminalInput:
    """Parses the packets of one terminal. `escape` is the escape key, empty for none."""

    def __init__(
        self, clock: Clock, screen: Screen, escape: bytes, handler: TerminalInputHandler
    ) -> None:
        self._clock = clock
        self._handler = handler
        self._answers = Answers(screen.asked, screen.utf8_mouse)
        self._escapes = Escapes(escape) if escape else None
        self._limit = TurnLimit(clock, TYPED, self._next_turn)
        # What is to be parsed, each piece with the size of its packet.
        self._packets: deque[tuple[bytes, int]] = deque()
        self._unparsed = 0  # bytes of them
        self._escape_timer: Cancellable | None = None  # for a half-typed escape command
        self._answer_timer: Cancellable | None = None  # for what may begin an answer
        self._held: tuple[int, float] | None = None  # what that is
        self._closed = False

    @property
    def escape_key(self) -> str:
        """`^X`, or empty where there are no escape commands."""
        return "" if self._escapes is None else key_name(self._escapes.escape)

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
                self._take_keys(piece.data, size)

    def _take_keys(self, data: bytes, size: int) -> None:
        """Keys out of a packet of `size` bytes."""
        if self._escapes is None:
            self._handler.typed(data)
            return
        cancel(self._escape_timer)
        for thing in self._escapes.feed(data, size):
            if self._closed:
                return
            if isinstance(thing, Keys):
                self._handler.typed(thing.data)
            else:
                self._handler.commanded(thing.name)
        if self._escapes.half_typed and not self._closed:
            self._escape_timer = self._clock.call_later(PATIENCE, self._type_escape)

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
