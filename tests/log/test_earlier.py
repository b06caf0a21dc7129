"""A log that an earlier version wrote, and was killed: it is read, continued and verified.

`earlier.zip` has the files of the version before the redesign, and in `expected.json` what that
version read of them: segments open and compressed, a journal, a marker of each kind, a gap, a
deleted log, cursors of a sink.
"""

import json
from pathlib import Path
from zipfile import ZipFile

from tests.fakes import World
from tests.log.inline import Logged
from tests.log.test_log import NO_FLOOR, WholeLog
from vspc.console.logs import Item, Output
from vspc.log import log
from vspc.log.chain import examine, verify
from vspc.log.sinks.progress import load
from vspc.log.store import Sizes

EARLIER = Path(__file__).with_name("earlier.zip")
SIZES = Sizes(move=64, pending=4096, segment=1024, segment_age=3600.0, journal=1 << 20)

BOOT_ID = "657d0a8f-a028-4e08-9076-121f6195d29e"
"""Of the machine that wrote them."""

BOOTED, AWAY, DELETED = "60a8318db5cb4821", "0f079efacd6a7d3a", "b4bb3da144b276b1"
"""Ids of the consoles in it."""


def as_recorded(item: Item) -> list[object]:
    """An item as `expected.json` has it."""
    if isinstance(item, Output):
        return [item.offset, item.at, item.data.decode("latin-1")]
    return [item.offset, item.at, item.kind.value, item.text, item.end]


class EarlierVersion(WholeLog):
    """A server that starts on those files."""

    def setUp(self) -> None:
        with ZipFile(EARLIER) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        self.expected = json.loads(files.pop("expected.json"))
        # It was killed, as far as it knows: the machine has not booted since.
        self.patch(log, "boot_id", lambda: BOOT_ID)
        self.world = World()
        self.world.clock.advance(600)
        self.logged = Logged(self.world, NO_FLOOR, sizes=SIZES, files=files)
        self.addCleanup(self.logged.close)
        self.root = self.logged.root / "log"

    def read(self, console_id: str) -> list[list[object]]:
        return [as_recorded(item) for item in self.items(console_id)]

    def test_all_of_it_is_read_and_a_gap_says_that_it_was_killed(self) -> None:
        before = self.expected[BOOTED]
        found = self.read(BOOTED)
        self.assertEqual(found[: len(before)], before)
        (killed,) = self.gaps(BOOTED)
        self.assertEqual(found[len(before) :], [as_recorded(killed)])
        self.assertIn("the server was killed", killed.text)
        self.assertEqual(self.logged.event_names, [])

    def test_the_log_of_a_console_that_was_away_has_no_gap_more(self) -> None:
        self.assertEqual(self.read(AWAY), self.expected[AWAY])
        self.assertEqual(len(self.gaps(AWAY)), 1)

    def test_a_deleted_log_does_not_come_back(self) -> None:
        self.assertFalse(self.logged.log.queries.keeps(DELETED))

    def test_its_consoles_are_in_the_list_with_their_last_output(self) -> None:
        console = self.world.roster.get(BOOTED)
        assert console is not None
        before = [item for item in self.expected[BOOTED] if len(item) == 3]
        self.assertEqual(console.vm.claimed_name, "web01")
        self.assertEqual(console.link.last_output, before[-1][1])

    def test_what_comes_now_follows_and_is_there_after_a_restart(self) -> None:
        killed = self.gaps(BOOTED)[0]
        console = self.console(1)
        self.assertEqual(console.id, BOOTED)
        for number in range(40):
            console.link.output(b"line %d of this version\r\n" % number)
            self.tick(1)
        found = self.read(BOOTED)
        self.assertEqual(found[: len(self.expected[BOOTED])], self.expected[BOOTED])
        said = [item for item in self.items(BOOTED) if isinstance(item, Output)]
        self.assertIn(killed.end, [item.offset for item in said])
        self.world = World()
        self.logged.restart(self.world)
        self.assertEqual(self.read(BOOTED)[: len(found)], found)

    def test_the_chain_is_verified_and_goes_on(self) -> None:
        right, wrong = self.expected["chain"]
        verdict = verify(self.root)
        self.assertEqual((verdict.right, len(verdict.wrong)), (right, wrong))
        console = self.console(1)
        for _ in range(30):
            console.link.output(b"x" * 200)
            self.tick(1)
        verdict = verify(self.root)
        self.assertGreater(verdict.right, right)
        self.assertEqual(verdict.wrong, ())
        self.assertEqual(examine(self.root, deep=True), [])

    def test_the_cursors_of_a_sink_are_read(self) -> None:
        found = load(self.root / "sinks" / "json.json")
        self.assertEqual(found, {BOOTED: 1000, AWAY: 5})
