"""Readers of logs: how often they ask for more."""

from collections.abc import Callable
from typing import TypeVar

from attrs import define
from twisted.internet.defer import Deferred

from tests.apps.test_log import LogTestCase
from vspc.apps.following import AHEAD, PIECE, LogCursor
from vspc.apps.verbs.context import VerbContext
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output
from vspc.log.query import LogQueries

T = TypeVar("T")


@define(eq=False)
class CountedQueries:
    """Those of a log, counted."""

    queries: LogQueries
    count: int = 0

    def keeps(self, console_id: str) -> bool:
        return self.queries.keeps(console_id)

    def mark(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        return self.queries.mark(console_id, kind, text)

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        self.count += 1
        return await self.queries.query(console_id, question)


class Ahead(LogTestCase):
    def join(self) -> None:
        desk, self.queries = self.desk, CountedQueries(self.logged.log.queries)
        desk.context = VerbContext(desk.roster, desk.rights, desk.clock, desk.server, self.queries)

    def read(self, room: int) -> list[list[Item]]:
        """All of the log in steps of `room` bytes."""
        cursor = LogCursor(self.desk.context, self.console, 0)
        steps = list[list[Item]]()

        async def read() -> None:
            while not cursor.ended:
                steps.append(await cursor.read(room))

        Deferred.fromCoroutine(read())
        while not cursor.ended:
            self.run_on(1)
        return steps

    def test_a_reader_with_little_room_asks_once_for_much(self) -> None:
        host = self.vm()
        for _ in range(10):
            self.output(host, b"0123456789abcdef" * 1000)
        steps = self.read(1000)
        data = [b"".join(i.data for i in step if isinstance(i, Output)) for step in steps]
        self.assertEqual({len(piece) for piece in data}, {1000})
        self.assertEqual(b"".join(data), b"0123456789abcdef" * 10_000)
        self.assertEqual(self.queries.count, 1)

    def test_how_much_that_is(self) -> None:
        host = self.vm()
        for _ in range(15):
            self.output(host, b"x" * (AHEAD // 8))
        self.read(1 << 20)
        self.assertEqual(self.queries.count, 2)

    def test_markers_come_once_before_the_byte_that_follows_them(self) -> None:
        host = self.vm()
        self.output(host, b"ab")
        self.logged.log.recorder.note(self.console.id, MarkerKind.NOTE, "here")
        self.output(host, b"cd")
        steps = self.read(1)
        said = [i.data if isinstance(i, Output) else i.text for step in steps for i in step]
        self.assertEqual(said[-5:], [b"a", b"b", "here", b"c", b"d"])
        notes = [i for step in steps for i in step if isinstance(i, Marker) and i.text == "here"]
        self.assertEqual([note.offset for note in notes], [2])

    def test_nor_is_one_left_out_behind_the_last_byte_that_there_is_room_for(self) -> None:
        self.marked_behind(PIECE)

    def test_nor_behind_the_last_byte_that_is_read_at_once(self) -> None:
        self.marked_behind(AHEAD)

    def marked_behind(self, size: int) -> None:
        host = self.vm()
        self.output(host, b"x" * size)
        self.logged.log.recorder.note(self.console.id, MarkerKind.NOTE, "here")
        self.assertEqual(self.say("log web01 --json").output.count(b"here"), 1)
