"""What the chooser shows of consoles, and in which order."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, BOB, Desk
from tests.fakes import FakeLine
from vspc.apps.chooser.columns import measure
from vspc.apps.chooser.listing import KNOWN_CHANGES, SETTLING, SLICE, ConsoleRows, Readable
from vspc.apps.chooser.row import Row
from vspc.common.clock import Cancellable
from vspc.console.access import Operator, Subject
from vspc.console.events import RulesChanged
from vspc.console.groups import ConsoleGroup
from vspc.console.identity import Identity
from vspc.console.names import reading_order


class Listed(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.rows = ConsoleRows(self.desk.context)
        self.listing = self.of(ALICE)
        names = ("web-10", "web-2", "Web-3", "db", "web-2b")
        for number, name in enumerate(names, 1):
            self.desk.connected(name, f"{number:032x}")

    def of(self, operator: Operator) -> Readable:
        def may_read(subject: Subject) -> bool:
            return "read" in self.desk.rights(operator, subject)

        return Readable(self.rows, may_read)

    def names(self) -> list[str]:
        return [row.name for row in self.listing.now()]

    def row(self, name: str) -> Row:
        return next(row for row in self.listing.now() if row.name == name)

    def test_numbers_count_by_their_value(self) -> None:
        self.assertEqual(self.names(), ["db", "web-2", "web-2b", "Web-3", "web-10"])

    def test_away_ones_are_last_and_a_new_name_has_its_place(self) -> None:
        self.names()
        consoles = {console.name: console for console in self.desk.roster}
        consoles["db"].link.disconnect("off")
        self.desk.roster.rename(consoles["web-10"].vm, "app")
        self.assertEqual(self.names(), ["app", "web-2", "web-2b", "Web-3", "db"])
        expected = sorted(self.desk.roster, key=reading_order)
        self.assertEqual(self.names(), [console.title for console in expected])

    def test_what_is_shown_of_one(self) -> None:
        console, _ = self.desk.connected("ü", f"{99:032x}")
        console.link.output(b"x")
        self.desk.attach(console)[0].type(b"x")
        self.desk.attach(console, "bob")
        console.describe("billing\x1b[2J").close()
        row = self.row("ü")
        self.assertEqual((row.name, row.handle, row.state), ("ü", "%C3%BC", "connected"))
        self.assertEqual((row.writer, row.readers, row.zone), ("alice", 1, "default"))
        self.assertEqual((row.address, row.key), ("10.0.0.1", console))
        self.assertEqual(row.output.last_output, self.desk.clock.wall())

    def test_each_change_of_one_is_in_the_next_list(self) -> None:
        console, _ = self.desk.connected("app", f"{99:032x}")
        self.names()
        attachment, _ = self.desk.attach(console)
        self.assertEqual((self.row("app").writer, self.row("app").readers), ("-", 1))
        attachment.type(b"x")
        self.assertEqual((self.row("app").writer, self.row("app").readers), ("alice", 0))
        attachment.detach()
        self.assertEqual((self.row("app").writer, self.row("app").readers), ("-", 0))
        console.link.disconnect("off")
        self.assertEqual(self.row("app").state, "away")
        with self.assertRaises(StopIteration):
            console.describe("billing").send(None)
        self.assertEqual(self.row("app").description, "billing")

    def test_a_second_port_renames_the_first(self) -> None:
        self.desk.connected("app", f"{99:032x}", service_uri="a")
        self.assertIn("app", self.names())
        self.desk.connected("app", f"{99:032x}", service_uri="b")
        self.assertEqual(self.names()[:2], ["app:1", "app:2"])

    def test_what_may_not_be_read_is_only_counted(self) -> None:
        self.desk.connected("secret", f"{99:032x}")
        bob = self.of(BOB)
        self.assertNotIn("secret", [row.name for row in bob.now()])
        self.assertEqual((bob.count, len(bob.now())), (6, 5))
        self.desk.rules = type(self.desk.rules)()
        self.desk.events.publish(RulesChanged())
        self.assertEqual((bob.count, bob.now()), (6, []))

    def test_a_row_that_nothing_happened_to_is_the_same_object(self) -> None:
        first = self.listing.now()
        self.desk.roster.rename(next(iter(self.desk.roster)).vm, "app")
        second = {id(row) for row in self.of(ALICE).now()}
        self.assertEqual(sum(id(row) in second for row in first), len(first) - 1)

    def test_one_that_is_forgotten_leaves(self) -> None:
        console = next(iter(self.desk.roster))
        console.link.disconnect("off")
        self.names()
        self.desk.roster.forget(console)
        self.assertEqual(len(self.names()), 4)

    def assert_as_made_anew(self, listing: Readable, operator: Operator = ALICE) -> None:
        fresh = self.of(operator)
        self.assertEqual(listing.now(), fresh.now())
        self.assertEqual(listing.widths, measure(fresh.now()))
        self.assertEqual((listing.count, listing.quarantined), (fresh.count, fresh.quarantined))

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from("+-nfdr12345")), max_size=60))
    def test_whatever_happens_a_list_is_as_one_that_is_made_anew(
        self, steps: list[tuple[int, str]]
    ) -> None:
        self.setUp()
        alice, bob = self.listing, self.of(BOB)
        for number, step in steps:
            name = f"{'secret' if number % 5 == 0 else 'vm'}-{number}"
            found = self.desk.roster.vm(Identity("default", "vc", f"{number:032x}"))
            consoles = [] if found is None else list(found.consoles.values())
            if step == "+":
                self.desk.connected(name, f"{number:032x}")
            elif step.isdecimal():
                self.assert_as_made_anew(*((bob, BOB) if int(step) % 2 else (alice, ALICE)))
            for console in consoles:
                if step == "-" and console.link.line is not None:
                    console.link.disconnect("off")
                elif step == "n":
                    self.desk.roster.rename(console.vm, f"ünusual-{number}")
                elif step == "f" and not console.live:
                    self.desk.roster.forget(console)
                elif step == "d":
                    console.describe(f"for {number}").close()
            if step == "r":
                self.desk.events.publish(RulesChanged())
        self.assert_as_made_anew(alice)
        self.assert_as_made_anew(bob, BOB)

    def test_few_of_many_that_change_are_moved_to_their_places(self) -> None:
        for number in range(100):
            self.desk.connected(f"many-{number}", f"{1000 + number:032x}")
        self.assertEqual(len(self.names()), 105)
        consoles = {console.name: console for console in self.desk.roster}
        before = self.listing.now()
        consoles["many-7"].link.disconnect("off")
        self.desk.roster.rename(consoles["many-50"].vm, "a-very-long-name")
        self.desk.connected("app", f"{99:032x}")
        names = self.names()
        self.assertEqual((names[0], names[1], names[-1]), ("a-very-long-name", "app", "many-7"))
        self.assertEqual((len(before), before[-1].name), (105, "web-10"))
        self.assert_as_made_anew(self.listing)
        consoles["many-7"].link.connect(FakeLine())
        self.assert_as_made_anew(self.listing)

    def test_a_list_that_has_not_asked_for_long_is_made_anew(self) -> None:
        self.names()
        for number in range(KNOWN_CHANGES + 10):
            console, _ = self.desk.connected(f"many-{number}", f"{1000 + number:032x}")
            self.rows.all()
            console.link.disconnect("off")
            self.desk.roster.forget(console)
        self.desk.connected("app", f"{99:032x}")
        self.assertEqual(self.names()[0], "app")
        self.assertIsNone(self.rows.changes.since(0))

    def test_rows_are_made_in_slices_before_a_list_asks_for_them(self) -> None:
        for number in range(3 * SLICE):
            self.desk.connected(f"many-{number}", f"{1000 + number:032x}")
        turns, later = list[float](), self.desk.clock.call_later

        def call_later(delay: float, call: Callable[[], None]) -> Cancellable:
            turns.append(delay)
            return later(delay, call)

        self.desk.clock.call_later = call_later  # type: ignore[method-assign]
        self.desk.clock.advance(SETTLING)
        self.assertEqual(len(self.rows._listed), 3 * SLICE + 5)
        self.assertEqual(turns, [0.0] * 3)

    def test_groups_are_looked_for_in_slices_and_at_once_when_they_are_asked_for(self) -> None:
        for number in range(3 * SLICE):
            self.desk.connected(f"many-{number}", f"{1000 + number:032x}")
        self.listing.now()
        group, other = ConsoleGroup("many", ("many*",)), ConsoleGroup("web", ("web*",))
        self.rows.prepare((group, other))
        self.desk.clock.advance(0)
        self.assertEqual(len(self.rows.members(group)), 3 * SLICE)
        for _ in range(9):
            self.desk.clock.advance(0)
        self.assertEqual(len(self.rows.members(other)), 4)
        self.desk.connected("web-99", f"{77:032x}")
        self.listing.now()
        self.assertEqual(len(self.rows.members(other)), 5)
