"""Tables and texts of consoles that are full: what happens there."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, World, session
from vspc.console import away, peers
from vspc.console.connection_history import FORGOTTEN, REASON, ConnectionHistory
from vspc.console.console import Console
from vspc.console.events import Forgotten, VmRefused
from vspc.console.modes import ASKED_LIMIT, TerminalModes
from vspc.console.names import MATCHES, Ambiguous
from vspc.console.output_cursor import NOTICES
from vspc.console.pen_events import REASON_LIMIT as LOCK_REASON
from vspc.console.quarantine import IN_ALL, PER_HOST, PER_VM, RING, Quarantine
from vspc.console.session import REASON_LIMIT


class Bounds(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def consoles(self, count: int) -> list[Console]:
        """So many with a line, of as many hosts."""
        every = range(count)
        return [
            self.world.connected(f"vm{n:03}", f"{n + 1:032x}", address=f"10.0.{n}.1")[0]
            for n in every
        ]

    def test_of_notices_that_nobody_reads_the_last_are_kept(self) -> None:
        console, _ = self.world.connected()
        attachment, sink = self.world.attach(console)
        for number in range(NOTICES + 10):
            attachment.notice(f"number {number}")
        sink.read()
        self.assertEqual(sink.notices, [f"number {n}" for n in range(10, NOTICES + 10)])

    def test_of_too_many_away_consoles_the_first_is_forgotten(self) -> None:
        self.patch(away, "LIMIT", 2)
        for console in self.consoles(3):
            console.link.disconnect("off")
            self.world.roster.settle(console)
        self.world.roster.tidy(self.world.clock.seconds())
        self.assertEqual([each.name for each in self.world.roster], ["vm001", "vm002"])

    def test_a_long_reason_is_cut(self) -> None:
        history = ConnectionHistory(self.world.clock.wall)
        history.on_event(VmRefused("10.0.0.1", "default", "x" * (REASON + 1)))
        self.assertEqual([len(each.reason) for each in history.attempts()], [REASON])
        because = session().because("y" * (REASON_LIMIT + 1)).reason
        self.assertLess(len(because), REASON_LIMIT + 20)
        self.assertIn("+1", because)

    def test_of_forgotten_consoles_the_last_are_kept(self) -> None:
        history = ConnectionHistory(self.world.clock.wall)
        for number in range(FORGOTTEN + 3):
            ref = self.world.console(f"vm{number}", f"{number + 1:032x}").ref
            history.on_event(Forgotten(ref))
        kept = [each.console.title for each in history.forgotten()]
        self.assertEqual((len(kept), kept[0]), (FORGOTTEN, "vm3"))

    def test_questions_that_nobody_answers_are_counted_up_to_a_limit(self) -> None:
        modes = TerminalModes()
        modes.feed(b"\x1b[6n" * (ASKED_LIMIT + 5))
        self.assertEqual(modes.asked, ASKED_LIMIT)

    def test_of_many_consoles_of_a_name_some_are_said(self) -> None:
        self.consoles(MATCHES + 5)
        found = self.world.roster.resolve("vm", lambda _: True)
        assert isinstance(found, Ambiguous)
        self.assertEqual(len(found.consoles), MATCHES)

    def test_of_migrations_that_are_over_the_last_are_known(self) -> None:
        self.patch(peers, "REMEMBERED", 2)
        table = peers.PeerTable()
        console, line = self.world.connected()
        for number in range(3):
            table.begin(console, line, b"sequence", float(number))
            table.abort(line)
        self.assertEqual(len(table.past_ones()), 2)

    def test_a_long_reason_of_a_lock_is_cut(self) -> None:
        console, _ = self.world.connected()
        console.pen.locking.set_lock(session(), ALL, reason="z" * (LOCK_REASON + 1))
        lock = console.pen.locking.lock
        assert lock is not None
        self.assertLess(len(lock.reason), LOCK_REASON + 20)
        self.assertIn("+1", lock.reason)


class Quarantined(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.quarantine = Quarantine(self.world.console_context, lambda _zone, _name: False)

    def add(self, number: int, address: str) -> Console | None:
        """A line from `address` that claims to be a VM, of which there are `PER_VM` at most."""
        name, uuid = f"vm{number}", f"{number + 1:032x}"
        vm = self.world.console(name, uuid).vm
        return self.quarantine.add(self.world.claim(name, uuid, address=address), vm)

    def test_their_output_is_a_small_ring(self) -> None:
        held = self.add(0, "10.0.0.2")
        assert held is not None
        held.link.output(b"x" * (RING + 7))
        self.assertEqual(held.history.end - held.history.start, RING)

    def test_so_many_of_a_vm(self) -> None:
        made = [self.add(0, f"10.0.0.{n}") for n in range(PER_VM + 1)]
        self.assertEqual([each is None for each in made], [False] * PER_VM + [True])

    def test_so_many_of_a_host_and_so_many_in_all(self) -> None:
        made = [self.add(n, "10.0.0.2") for n in range(PER_HOST + 1)]
        self.assertEqual([each is None for each in made], [False] * PER_HOST + [True])
        for number in range(PER_HOST, IN_ALL):
            self.assertIsNotNone(self.add(number, f"10.1.{number % 250}.{number // 250}"))
        self.assertIsNone(self.add(IN_ALL, "10.9.9.9"))
