"""What the chooser shows of consoles, and in which order."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World
from vspc.apps.chooser.chooser import Listing
from vspc.console.names import reading_order


class Rows(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.listing = Listing()
        names = ("web-10", "web-2", "Web-3", "db", "web-2b")
        for number, name in enumerate(names, 1):
            self.world.connected(name, f"{number:032x}")

    def names(self) -> list[str]:
        now = self.world.clock.wall()
        return [row.name for row in self.listing.rows(self.world.roster, now)]

    def test_numbers_count_by_their_value(self) -> None:
        self.assertEqual(self.names(), ["db", "web-2", "web-2b", "Web-3", "web-10"])

    def test_away_ones_are_last_and_a_new_name_has_its_place(self) -> None:
        self.names()
        consoles = {console.name: console for console in self.world.roster}
        consoles["db"].link.disconnect("off")
        self.world.roster.rename(consoles["web-10"].vm, "app")
        self.assertEqual(self.names(), ["app", "web-2", "web-2b", "Web-3", "db"])
        expected = sorted(self.world.roster, key=reading_order)
        self.assertEqual(self.names(), [console.title for console in expected])

    def test_what_is_shown_of_one(self) -> None:
        console, _ = self.world.connected("ü", f"{99:032x}")
        console.link.output(b"x")
        self.world.attach(console)[0].type(b"x")
        self.world.attach(console, "bob")
        self.world.clock.advance(5)
        row = next(row for row in self.listing.rows([console], self.world.clock.wall()))
        self.assertEqual((row.name, row.handle, row.state), ("ü", "%C3%BC", "connected"))
        self.assertEqual((row.writer, row.readers, row.idle), ("alice", 1, 5.0))
        self.assertEqual((row.address, row.key), ("10.0.0.1", console))
