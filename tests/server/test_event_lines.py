"""What happens on consoles, as lines of the log."""

from typing import Any

from twisted.logger import LogEvent, Logger
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from vspc.console.events import How, Suspicion
from vspc.console.pen_events import PenLock
from vspc.server.events import record, record_suspicion, suspicion


class Lines(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        keep: Any = self.events.append
        self.log = Logger("vspc.test", observer=keep)
        self.world = World()
        self.world.events.subscribe(lambda happening: record(self.log, happening))
        self.console, self.line = self.world.connected()

    def said(self) -> list[str]:
        return [str(event["log_format"]) for event in self.events]

    def test_attached_pen_taken_and_detached(self) -> None:
        alice, _ = self.world.attach(self.console)
        alice.type(b"secret")
        alice.send_break()
        alice.detach()
        self.assertEqual(self.said(), ["attached", "pen-taken", "break", "detached"])
        self.assertTrue(all(event["console"] == "web01" for event in self.events))
        self.assertNotIn("secret", repr(self.events))

    def test_locks_and_leases_with_their_owner_and_end(self) -> None:
        alice, _ = self.world.attach(self.console)
        locking = self.console.pen.locking
        self.assertIsNone(locking.take_and_lock(alice, 3600.0, "firmware"))
        locking.unlock(alice.session, alice.rights)
        lease = locking.lease(alice, 60.0, "build 512")
        assert isinstance(lease, PenLock)
        alice.detach()
        found = [event for event in self.events if "lock" in event or "owner" in event]
        names = [event["log_format"] for event in found]
        self.assertEqual(names, ["pen-locked", "pen-unlocked", "pen-leased", "lease-ended"])
        self.assertEqual({event["owner"] for event in found}, {"alice"})
        self.assertEqual([e.get("end") for e in found], [None, "unlocked", None, "channel-closed"])
        self.assertNotIn(lease.id, repr(self.events))

    def test_a_host_that_does_not_read(self) -> None:
        self.line.unread = 5000
        alice, _ = self.world.attach(self.console)
        alice.type(b"p" * 9000)
        self.world.clock.advance(5.1)
        (event,) = [e for e in self.events if e["log_format"] == "vm-not-reading"]
        self.assertEqual((event["console"], event["address"]), ("web01", "10.0.0.1"))

    def test_a_forgotten_console_is_named(self) -> None:
        self.console.link.disconnect("off")
        self.world.roster.settle(self.console)
        self.world.roster.forget(self.console)
        self.assertEqual(self.events[-1]["console"], "web01")

    def test_a_change_of_host_is_a_security_event_with_both_addresses(self) -> None:
        self.console.link.replace(FakeLine("10.6.6.6"), "silent", How.TOOK_OVER)
        found = [event for event in map(suspicion, self.world.happened) if event is not None]
        (event,) = found
        record_suspicion(self.log, event)
        line = self.events[-1]
        self.assertEqual(line["log_level"].name, "error")
        facts = {key: line[key] for key in ("kind", "console", "claimant", "holder")}
        wanted = ("taken-over", "web01", "10.6.6.6", "10.0.0.1")
        self.assertEqual(tuple(facts.values()), wanted)

    def test_one_without_a_console(self) -> None:
        record_suspicion(self.log, Suspicion("credentials-guessed", None, "10.6.6.6", "", "x"))
        self.assertIsNone(self.events[-1]["console"])
        self.assertIsNone(self.events[-1]["holder"])
