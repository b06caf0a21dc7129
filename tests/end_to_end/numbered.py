"""A VM of the test that prints a numbered stream all the time and notes what is typed at it, and
whether each byte of both arrived once, whatever the server went through.
"""

import select
import socket
import threading
from collections.abc import Iterable

from tests.chaos.operators import gaps_told
from tests.chaos.oracle import Gap, OutputCheck, SentLine
from tests.chaos.streams import NumberedStream, token, tokens
from tests.chaos.verdict import with_gaps
from tests.end_to_end.processes import DEADLINE, Completed
from vspc.wire.telnet import Data, Decoder

PACE = 0.01
"""Seconds between two pieces of output."""

PIECE = 61
"""Bytes of one: pieces end anywhere in a record."""

TYPIST = "alice"


class NumberedVm:
    """One VM at the end of `peer`: it says `greeting`, then prints.

    `is_telnet`: what comes is telnet, of which the data are noted; else all is noted.
    """

    def __init__(
        self,
        peer: socket.socket,
        stream: NumberedStream,
        greeting: bytes = b"",
        is_telnet: bool = False,
    ) -> None:
        self.stream = stream
        self._peer = peer
        self._decoder = Decoder() if is_telnet else None
        self._typed = b""
        self._position = 0
        self._is_silent = False
        self._is_over = False
        self._changed = threading.Condition()
        peer.sendall(greeting)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return self.stream.name

    @property
    def is_connected(self) -> bool:
        """Whether its connection is still the one of the beginning."""
        with self._changed:
            return not self._is_over

    @property
    def typed(self) -> bytes:
        """All that was typed until now."""
        with self._changed:
            return self._typed

    def hears(self, text: bytes) -> None:
        """Wait until `text` has been typed. AssertionError if it does not come."""
        with self._changed:
            self._changed.wait_for(lambda: text in self._typed or self._is_over, DEADLINE)
            assert text in self._typed, f"{self.name} was not sent {text!r}"

    def pause(self) -> str:
        """Print no more than the record that it is in; the pattern of that one, for `expect`."""
        with self._changed:
            self._is_silent = True
            self._print(-self._position % self.stream.size)
            return f"{self.name} {self._position // self.stream.size - 1:08d} "

    def go_on(self) -> None:
        """Print again."""
        with self._changed:
            self._is_silent = False

    def close(self) -> None:
        """Disconnect."""
        with self._changed:
            self._is_over = True
        self._thread.join()
        self._peer.close()

    def _live(self) -> None:
        while self.is_connected:
            readable, _, _ = select.select([self._peer], [], [], PACE)
            with self._changed:
                if readable:
                    self._receive()
                if not self._is_silent and not self._is_over:
                    self._print(PIECE)

    def _print(self, size: int) -> None:
        start, self._position = self._position, self._position + size
        try:
            self._peer.sendall(self.stream.content(start, self._position))
        except OSError:
            self._over()

    def _receive(self) -> None:
        try:
            data = self._peer.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._over()
        elif self._decoder is None:
            self._typed += data
        else:
            self._decoder.receive(data)
            while event := self._decoder.next_event():
                if isinstance(event, Data):
                    self._typed += event.data
        self._changed.notify_all()

    def _over(self) -> None:
        self._is_over = True
        self._changed.notify_all()

    # What became of it

    def lost(self, log: Completed) -> tuple[list[str], list[Gap]]:
        """What is wrong with `log --raw --from 0` of its console, and the gaps that were told."""
        gaps = gaps_told(log.err.decode("utf-8", "replace"))
        line = SentLine(0, self._position, whole=True)
        check = OutputCheck(self.stream, [line])
        return check.check(with_gaps(log.out, gaps), complete=True), gaps

    def mistyped(self, sure: Iterable[int], perhaps: Iterable[int]) -> list[str]:
        """What is wrong with what was typed: the tokens `sure` have to be there, and those of
        `perhaps` may be, in their order, each once and whole.
        """
        typed, sure = self.typed, set(sure)
        found = [number for _, number in tokens(typed)]
        problems = []
        if b"".join(token(TYPIST, number) for number in found) != typed:
            problems.append(f"{self.name}: pieces of tokens: {typed!r}")
        if found != sorted(set(found)):
            problems.append(f"{self.name}: doubled or swapped: {found}")
        if not sure <= set(found) <= sure | set(perhaps):
            problems.append(f"{self.name}: {found} instead of {sorted(sure)}")
        return problems
