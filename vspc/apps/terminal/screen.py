"""An operator's terminal as a console writes to it: output of the VM, with notices among it.

The modes that the VM sets are followed, so that notices are readable and the terminal is given
back as it was. A terminal without a cursor (`TERM=dumb`) gets none of that.
"""

from collections import deque
from collections.abc import Callable, Iterator

from vspc.apps.terminal.times import LineTimes
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.console.full_screen import Painted
from vspc.console.modes import TerminalModes
from vspc.console.ports import Channel

ASKED = 10.0
"""Seconds within which a terminal answers where its cursor is; later it is a function key."""

COLOURS = 1024
"""Colours of a replay that are followed, the last ones: it is shown in one turn of the reactor."""


COVERED = 64
"""Lines of ours that wait while something else is in front; of more the last ones."""

SHOWN = 2048
"""Sequences of a VM's output in a turn, shared by all terminals on its console. Colours that are
reset in the same piece do not count: a listing in colours is shown as fast as text."""

LEAST = 16
"""Sequences in a turn, however many share them."""


class Screen:
    """Writes to `channel`."""

    def __init__(self, channel: Channel, clock: Clock, times: LineTimes | None = None) -> None:
        terminal = channel.terminal
        self._channel = channel
        self._clock = clock
        self._times = LineTimes(clock) if times is None else times
        has_cursor = terminal is not None and terminal.has_cursor
        self._modes = TerminalModes() if has_cursor else None
        self._asked = 0.0  # when the VM asked last where the cursor is
        self._at_margin = True  # whether the cursor is in the first column
        self._is_covered = False
        self._waiting: deque[str] = deque(maxlen=COVERED)  # lines that came meanwhile

    # Output of the VM

    def show(self, data: bytes) -> None:
        """Show `data`."""
        self.show_some(data, len(data))

    def show_some(self, data: bytes, most: int) -> tuple[int, int]:
        """Show as much of `data` as has `most` sequences that count; how many bytes that were, and
        how many sequences.
        """
        size, count = self._follow(data, most)
        if size:
            self._at_margin = data.endswith(b"\n", 0, size)
            self._channel.write(data[:size])
        return size, count

    def _follow(self, data: bytes, most: int) -> tuple[int, int]:
        modes = self._modes
        if modes is None:
            return len(data), 0
        before = modes.asked
        size, count = modes.feed_some(data, most)
        if modes.asked > before:
            self._asked = self._clock.seconds()
        return size, count

    def show_timed(self, offset: int, data: bytes, most: int) -> tuple[int, int]:
        """The same with the time of each line, of output from `offset` on. A line counts, too."""
        out, at, count = list[bytes](), 0, 0
        while at < len(data) and count < most:
            piece = data[at : data.find(b"\n", at) + 1 or len(data)]
            while piece.count(b"\x1b") > most - count:
                piece = piece[: len(piece) // 2]
            out += self._timed(offset + at, piece)
            at += len(piece)
            count += 1 + piece.count(b"\x1b")
        if at:
            self._at_margin = data.endswith(b"\n", 0, at)
            self._channel.write(b"".join(out))
        return at, count

    def _timed(self, offset: int, line: bytes) -> Iterator[bytes]:
        """A line, or a part of one, with its stamp in front of the first character."""
        start = 0
        for place in self._times.places(line):
            self._follow(line[start:place], place)
            yield line[start:place]
            start = place
            if self._modes is None:
                yield self._times.of(offset + place)
            elif not self._modes.is_alternate:
                yield self._modes.neutral + self._times.of(offset + place) + self._modes.again
        self._follow(line[start:], len(line))
        yield line[start:]

    @property
    def has_cursor(self) -> bool:
        """Whether the terminal acts on control sequences."""
        return self._modes is not None

    @property
    def is_at_margin(self) -> bool:
        """Whether a line of output begins now."""
        return self._at_margin

    @property
    def is_alternate(self) -> bool:
        """Whether the VM has its alternate screen on."""
        return self._modes is not None and self._modes.is_alternate

    def paint(self, painted: Painted) -> None:
        """The screen of a program of the VM, which goes on with its output from there."""
        self.give_back()
        self._channel.write(painted.data)
        self._modes, self._at_margin = painted.modes, False

    def replay(self, title: str, text: bytes) -> None:
        """Earlier output, text and colours only, below `title`. The unfinished last line is the
        prompt: it stands at the end, where typing goes on.
        """
        whole, newline, prompt = text.rpartition(b"\n")
        live, replayed = self._modes, None
        if live is not None:
            self._channel.write(live.neutral)
            self._modes = replayed = TerminalModes()
        if whole:
            self.line(title)
            self._show_old(whole + newline)
            self._channel.write(b"" if live is None else b"\x1b[m")
            self.line("end of replay")
        if prompt:
            self._show_old(prompt)
        if live is not None and replayed is not None:
            self._modes = live
            self._channel.write(live.replayed(replayed))

    def _show_old(self, text: bytes) -> None:
        """Text and colours. Where those that are followed begin it is plain."""
        last = text
        while last.count(b"\x1b") > COLOURS:
            last = last[len(last) // 2 :]
        if len(last) < len(text):
            start = text.find(b"\x1b", len(text) - len(last))
            start = len(text) if start < 0 else start
            self._channel.write(text[:start] + (b"" if self._modes is None else b"\x1b[m"))
            text = text[start:]
        self.show(text)

    # Notices

    def line(self, text: str) -> None:
        """A notice, in brackets to tell it from output."""
        self.lines(f"[{text}]")

    def lines(self, *texts: str) -> None:
        """Lines as they are, in plain text whatever modes the VM has set."""
        if self._is_covered:
            self._waiting.extend(texts)
            return
        before, after = b"", b""
        if self._modes is not None:
            before, after = self._modes.neutral, self._modes.again
        start = "" if self._at_margin else "\r\n"
        self._channel.write(
            before + (start + "".join(f"{text}\r\n" for text in texts)).encode() + after
        )
        self._at_margin = True

    # A screen of ours in front

    def cover(self) -> None:
        """Show nothing of the VM until `uncover`: `draw` writes to an empty screen. Lines of ours
        wait meanwhile. For terminals with a cursor.
        """
        if self._modes is not None and not self._is_covered:
            self._is_covered = True
            self._channel.write(self._modes.covered)

    def draw(self, data: bytes) -> None:
        """Write to the screen that is in front."""
        self._channel.write(data)

    def uncover(self) -> None:
        """The terminal is as the VM left it, then the lines that came. Where the VM has its
        alternate screen on, that is empty: it is to be painted again.
        """
        if self._modes is None or not self._is_covered:
            return
        self._is_covered = False
        self._channel.write(self._modes.uncovered)
        waiting = list(self._waiting)
        self._waiting.clear()
        if waiting:
            self.lines(*waiting)

    # A line that is being edited

    def begin_prompt(self) -> None:
        """What is written belongs to a prompt, on a line of its own, until `end_prompt`."""
        before = b"" if self._modes is None else self._modes.neutral
        self._channel.write(before + (b"" if self._at_margin else b"\r\n"))

    def draw_prompt(self, text: str, shown: str) -> None:
        """The prompt is `text` now, and it was `shown`; both fit into the line."""
        if self._modes is not None:
            self._channel.write(f"\r\x1b[K{text}".encode())
        elif text.startswith(shown):
            self._channel.write(text[len(shown) :].encode())
        else:
            self._channel.write(f"\r\n{text}".encode())

    def end_prompt(self) -> None:
        """Output of the VM follows."""
        self._channel.write(b"\r\n" + (b"" if self._modes is None else self._modes.again))
        self._at_margin = True

    def bracket_pastes(self, on: bool) -> None:
        """Have the terminal mark what is pasted, or end that, unless the VM has asked for it."""
        if self._modes is not None and not self._modes.brackets_pastes:
            self._channel.write(b"\x1b[?2004h" if on else b"\x1b[?2004l")

    def break_off(self) -> None:
        """Output is lost here: end a control sequence that is incomplete."""
        if self._modes is not None:
            self._channel.write(self._modes.break_off())

    def give_back(self) -> bool:
        """Reset the modes that the VM has set, and nothing else; whether there were any."""
        if self._modes is None:
            return False
        self.uncover()
        is_moved = self._modes.is_moved
        undone = self._modes.give_back()
        if is_moved:  # the column of the cursor is unknown now
            self._at_margin = False
        if undone:
            self._channel.write(undone)
        return bool(undone)

    # What the terminal may answer

    def asked(self) -> bool:
        """Whether the VM has asked where the cursor is within `ASKED`; one answer is counted."""
        modes = self._modes
        if modes is None or not modes.asked:
            return False
        if self._clock.seconds() - self._asked > ASKED:
            modes.asked = 0
            return False
        modes.asked -= 1
        return True

    def utf8_mouse(self) -> bool:
        """Whether the VM has asked for reports of the mouse in UTF-8."""
        return self._modes is not None and self._modes.utf8_mouse


class TurnLimit:
    """At most `most` control sequences are parsed in a turn of the reactor (law 11).

    Text costs next to nothing, whatever its length. A sequence of two bytes costs as much as a
    thousand bytes of text, and a VM, or a client, can send nothing but those. `go_on` is called in
    the next turn if there were more.
    """

    def __init__(self, clock: Clock, most: int, go_on: Callable[[], None]) -> None:
        self._clock = clock
        self._most = most
        self._go_on = go_on
        self._used = 0
        self._turn: Cancellable | None = None
        self.is_over = False

    def left(self, sharers: int = 1) -> int:
        """How many may be parsed now. 0 sharers are as 1: the last may have left already."""
        return max(0, max(LEAST, self._most // max(1, sharers)) - self._used)

    def spend(self, count: int, is_all: bool) -> None:
        """So many were, and whether that was all."""
        self._used += count
        self.is_over = not is_all
        if (self._used or self.is_over) and self._turn is None:
            self._turn = self._clock.call_later(0, self._next_turn)

    def first(self, data: bytes) -> int:
        """How many bytes of `data`, from its beginning, may be parsed now: they are spent."""
        left, size, count = self.left(), len(data), data.count(b"\x1b")
        while count > left:
            size //= 2
            count = data.count(b"\x1b", 0, size)
        self.spend(count, size == len(data))
        return size

    def _next_turn(self) -> None:
        self._turn, self._used = None, 0
        if self.is_over:
            self.is_over = False
            self._go_on()

    def close(self) -> None:
        """Nothing is parsed any more."""
        cancel(self._turn)
