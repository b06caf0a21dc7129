"""A session played on a terminal, at the pace at which it happened or at another one.

What the VM had sent is shown as text and colours only (law 6), or exactly with `raw`; then the
terminal gets back the modes that the VM had set. Typed text that a log has was echoed, so that it
is in the output; what was not echoed is told with its size.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import define, field

from vspc.apps.terminal.screen import SHOWN, Screen
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.export import ElapsedTime
from vspc.apps.verbs.output import INTERRUPT
from vspc.common.text import SafeOutputStream
from vspc.console.echo import typed_text
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.net.waiting import Wakeup, sleep

SLOWEST, FASTEST = 1 / 64, 1024.0
"""Factors of the speed."""

IN_A_TURN = 64
"""Items that are shown in a turn of the reactor: the smallest are a byte."""

KEYS = "space pauses, + and - change the speed, n skips a pause, q ends"


class PlayerLeft(Exception):
    """The operator ended it."""


@define(eq=False)
class SessionPlayer:
    """Shows items on the terminal of `call`, each when it is its time.

    `idle` are the seconds to which a pause is shortened, None for none. Raises `PlayerLeft`.
    """

    call: Call
    speed: float
    idle: float | None
    raw: bool
    _screen: Screen = field(init=False)
    _safe: SafeOutputStream = field(factory=SafeOutputStream, init=False)
    _time: ElapsedTime = field(factory=ElapsedTime, init=False)
    _changed: Wakeup = field(init=False)
    _paused: bool = field(default=False, init=False)
    _skips: bool = field(default=False, init=False)
    _shown: int = field(default=0, init=False)  # items since the last wait
    _left: bool = field(default=False, init=False)
    _told: tuple[bool, float] = field(init=False)  # the pause and the speed that were told

    def __attrs_post_init__(self) -> None:
        clock = self.call.context.clock
        self._screen = Screen(self.call.channel, clock)
        self._changed = Wakeup(clock)
        self._told = False, self.speed
        self.call.output.reader = self._received
        self.call.output.listen()

    # Keys

    def _received(self, data: bytes | None) -> None:
        if data is None:
            return
        self.call.channel.consumed(len(data))
        for key in data:
            command = _KEYS.get(bytes([key]))
            if command is not None:
                command(self)
        self._changed.set()

    def _pause(self) -> None:
        self._paused = not self._paused

    def _faster(self) -> None:
        self.speed = min(FASTEST, self.speed * 2)

    def _slower(self) -> None:
        self.speed = max(SLOWEST, self.speed / 2)

    def _skip(self) -> None:
        self._skips = True

    def _leave(self) -> None:
        self._left = True

    # Playing

    def tell(self, text: str) -> None:
        """A line in brackets."""
        self._screen.line(text)

    async def play(self, item: Item) -> None:
        """Wait until it is its time, and show it."""
        before = self._time.seconds
        self._time.move(item.at)
        await self._wait(self._time.seconds - before)
        self._shown += 1
        if self._shown >= IN_A_TURN:
            await sleep(self.call.context.clock, 0.0)
            self._shown = 0
        if isinstance(item, Output):
            await self._show(item.data if self.raw else self._safe.feed(item.data))
        elif (text := _words(item)) is not None:
            await self._room()
            self._screen.line(text)

    async def end(self) -> None:
        """The rest, and the terminal as it was."""
        if not self.raw:
            await self._show(self._safe.end())
        self._screen.give_back()

    def give_back(self) -> None:
        """Reset what was played there, where it is not played to its end."""
        self._screen.give_back()

    async def _wait(self, seconds: float) -> None:
        """Let `seconds` of the session pass."""
        left = seconds if self.idle is None else min(seconds, self.idle)
        clock = self.call.context.clock
        self._skips = False
        while True:
            self._check()
            if self._paused:
                await self._changed.wait()
                continue
            if left <= 0 or self._skips:
                return
            began, speed, self._shown = clock.seconds(), self.speed, 0
            if not await self._changed.wait(left / speed):
                return
            left -= (clock.seconds() - began) * speed

    def _check(self) -> None:
        if self._left:
            raise PlayerLeft
        (was_paused, speed), self._told = self._told, (self._paused, self.speed)
        if self._paused != was_paused:
            self._screen.line(f"paused; {KEYS}" if self._paused else "goes on")
        if self.speed != speed:
            self._screen.line(f"speed {self.speed:g}")

    async def _show(self, data: bytes) -> None:
        """Show `data`, as the channel takes it, and a bounded number of sequences a turn."""
        while data:
            room = await self._room()
            piece = data[:room]
            size, _ = self._screen.show_some(piece, SHOWN)
            data = data[size:]
            if size < len(piece):
                await sleep(self.call.context.clock, 0.0)

    async def _room(self) -> int:
        self._check()
        return await self.call.output.room()


def _words(marker: Marker) -> str | None:
    """What a marker says; None: its typed text is in the output."""
    if marker.kind is MarkerKind.INPUT:
        return None if typed_text(marker.text) is not None else f"typed: {marker.text}"
    return f"{marker.kind.value}: {marker.text}"


_KEYS: Mapping[bytes, Callable[[SessionPlayer], None]] = MappingProxyType(
    {
        b" ": SessionPlayer._pause,
        b"+": SessionPlayer._faster,
        b"=": SessionPlayer._faster,
        b"-": SessionPlayer._slower,
        b"n": SessionPlayer._skip,
        b"q": SessionPlayer._leave,
        INTERRUPT: SessionPlayer._leave,
    }
)
