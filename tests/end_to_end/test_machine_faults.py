"""Faults of the machine that a server runs on: its clock is set, its disk stands still, all threads
are occupied, its memory runs out.
"""

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import script
from tests.end_to_end.test_sockets import Device
from tests.end_to_end.test_virtual_machines import SimulatorTestCase

HOUR = 3600


class FaultsTestCase(SimulatorTestCase):
    def status(self) -> Any:
        """What `vspc status` prints, as JSON."""
        done = self.complete(script("vspc"), "status", "--json", "--config", self.config)
        return json.loads(done.out)


class AClockThatIsSet(FaultsTestCase):
    def serve_with_clock(self, *command: str | Path) -> None:
        self.ahead = self.directory / "ahead"
        self.ahead.write_text("0")
        module = (sys.executable, "-B", "-m", "tests.end_to_end.set_clock", self.ahead)
        self.serve(*module, *command, "--config", self.config)

    def set_clock(self, ahead: int, by: int) -> None:
        """Put it so far ahead, and wait until that was noticed."""
        new = self.directory / "ahead.new"
        new.write_text(str(ahead))
        new.rename(self.ahead)
        self.server.out.expect(rb" warn clock-set seconds=%d" % by)

    def test_an_hour_either_way_ends_no_wait_and_delays_none(self) -> None:
        self.serve_with_clock("run")
        guest = Device(self.ports["plain guest"])
        unidentified = socket.create_connection(("127.0.0.1", self.ports["telnet"]))
        self.addCleanup(unidentified.close)
        self.addCleanup(guest.socket.close)
        guest.say(b"before\r\n")
        alice = self.terminal("guest")
        alice.out.expect(b"before")
        self.assertEqual(self.ssh("lock", "guest", "--for", "30m").status, 0)
        for ahead, by in ((HOUR, HOUR), (0, -HOUR), (-HOUR, -HOUR)):
            self.set_clock(ahead, by)
            guest.say(b"after %d\r\n" % by)
            alice.out.expect(b"after %d" % by)
            alice.type(b"typed\r")
            guest.expect(b"typed")
            status = self.status()
            self.assertTrue(0 <= status["uptime_seconds"] < HOUR / 2)
            self.assertEqual(status["lines"]["unidentified"], 1)
        self.assert_no_defects()


class ADiskThatStandsStill(FaultsTestCase):
    """All of state_dir, the log, the audit file and the file of what is revoked."""

    def setUp(self) -> None:
        super().setUp()
        state = self.directory / "state"
        state.mkdir(mode=0o700)
        (state / "revoked").write_text("# none\n")
        self.write_config('[ssh.certificates]\nrevoked = "state/revoked"\n')
        self.stalled, self.touched = state / "stalled", state / "touched"
        module = (sys.executable, "-B", "-m", "tests.end_to_end.stalled_disk", state)
        self.serve(*module, "run", "--config", self.config)

    def test_everything_that_needs_no_disk_goes_on_and_what_does_ends_with_a_message(self) -> None:
        self.simulate()
        raw = self.attach("raw", "web1")
        raw.type(b"echo before\r")
        raw.out.expect(rb"\nbefore\r\n")
        self.stalled.touch()
        raw.type(b"echo meanwhile\r")
        raw.out.expect(rb"\nmeanwhile\r\n")
        self.tell("vmotion web1")
        raw.err.expect(rb"\[web1 moved from ")
        raw.type(b"echo moved\r")
        raw.out.expect(rb"\nmoved\r\n")
        self.assertEqual(self.ssh("list", operator="bob").status, 0)
        self.server.out.expect(rb" log-stalled ")
        self.server.out.expect(rb" audit-stalled ")
        log = self.ssh("log", "web1", operator="bob")
        self.assertIn(b"\nmoved\n", log.out)
        self.assertIn(b"cannot be read now: this is from memory", log.err)
        for words, said in (
            (("lockout", "carol"), b"disk"),
            (("describe", "web1", "in", "rack", "3"), b"disk"),
            (("log", "web1", "--boot", "0"), b"cannot be read now"),
        ):
            done = self.complete(script("vspc"), *words, "--config", self.config)
            self.assertEqual(done.status, 1, done)
            self.assertIn(said, done.err, done)
        self.assertEqual(self.status()["lines"]["all"], 1)
        self.stalled.unlink()
        found = {self.server.out.expect(rb" (log|audit)-goes-on")[1] for _ in range(2)}
        self.assertEqual(found, {b"log", b"audit"})
        self.assertIn(b"\nmoved\n", self.ssh("log", "web1").out)
        touched = self.touched.read_text() if self.touched.exists() else ""
        self.assertEqual(touched, "", "the reactor's thread has used the disk")
        self.assert_no_defects()


class ThreadsThatAreAllOccupied(FaultsTestCase):
    """Those of the reactor: what needs no other thread goes on, and the server ends in order."""

    def setUp(self) -> None:
        super().setUp()
        self.busy = self.directory / "busy"
        module = (sys.executable, "-B", "-m", "tests.end_to_end.busy_threads", self.busy)
        self.serve(*module, "run", "--config", self.config)
        self.simulate()
        self.raw = self.attach("raw", "web1")
        self.raw.type(b"echo before\r")
        self.raw.out.expect(rb"\nbefore\r\n")
        self.busy.touch()
        self.server.out.expect(rb"all threads are busy")

    def test_lines_typing_vmotions_and_logins_go_on_and_the_rest_ends_with_a_message(self) -> None:
        self.raw.type(b"echo meanwhile\r")
        self.raw.out.expect(rb"\nmeanwhile\r\n")
        self.tell("vmotion web1")
        self.raw.err.expect(rb"\[web1 moved from ")
        self.raw.type(b"echo moved\r")
        self.raw.out.expect(rb"\nmoved\r\n")
        self.assertEqual(self.ssh("list", operator="bob").status, 0)
        self.assertIn(b"\nmoved\n", self.ssh("log", "web1", operator="bob").out)
        describe = (script("vspc"), "describe", "web1", "in", "rack", "3", "--config", self.config)
        self.assertEqual(self.complete(*describe).status, 1)
        self.assertEqual(self.status()["lines"]["all"], 1)
        self.busy.unlink()
        self.assertEqual(self.complete(*describe).status, 0)
        self.assert_no_defects()

    def test_what_was_said_last_is_on_disk_when_the_server_ends(self) -> None:
        self.raw.type(b"echo last words\r")
        self.raw.out.expect(rb"\nlast words\r\n")
        self.server.send_signal(signal.SIGTERM)
        self.server.out.expect(rb" stopping-overdue ", timeout=60)
        self.busy.unlink()
        self.serve(script("vspc"), "run", "--config", self.config)
        self.assertIn(b"\nlast words\n", self.ssh("log", "web1").out)


class MemoryThatRunsOut(FaultsTestCase):
    """At one place for a moment: that is what is affected, and nothing else."""

    def setUp(self) -> None:
        super().setUp()
        self.place = self.directory / "place"
        module = (sys.executable, "-B", "-m", "tests.end_to_end.no_memory", self.place)
        self.serve(*module, "run", "--config", self.config)
        self.simulate(vms=2)
        self.guest = Device(self.ports["plain guest"])
        self.addCleanup(self.guest.socket.close)
        self.raw = self.attach("raw", "guest")
        self.server.out.expect(rb" attached console=guest ")
        self.said = b""
        self.goes_on()

    def run_out(self, place: str) -> None:
        """What is called there next fails."""
        new = self.directory / "place.new"
        new.write_text(place)
        new.rename(self.place)

    def goes_on(self) -> None:
        """The guest and who reads it: no byte is missing, and typing arrives."""
        said = b"line %d\r\n" % len(self.said)
        self.said += said
        self.guest.say(said)
        self.raw.out.expect(said)
        self.raw.type(b"typed\r")
        self.guest.expect(b"typed")

    def failed_with(self, event: bytes) -> None:
        """An error line says so; the guest was not affected."""
        self.server.out.expect(event + b".*MemoryError")
        self.assertFalse(self.place.exists())
        self.goes_on()

    def test_a_login_ends_and_the_next_one_is_accepted(self) -> None:
        self.run_out("login")
        self.assertEqual(self.ssh("list", operator="bob").status, 255)
        self.failed_with(rb" critical ")
        self.assertEqual(self.ssh("list", operator="bob").status, 0)

    def test_an_attachment_ends_and_its_console_goes_on(self) -> None:
        bob = self.attach("raw", "web1", operator="bob")
        self.server.out.expect(rb" attached console=web1 ")
        self.run_out("attachment")
        self.tell("type web1 first")
        self.failed_with(rb" critical ")
        bob.stop()
        again = self.attach("raw", "web1", operator="bob")
        again.type(b"echo second\r")
        again.out.expect(rb"\nsecond\r\n")

    def test_what_a_line_sends_is_lost_and_the_line_goes_on(self) -> None:
        bob = self.attach("raw", "web1", operator="bob")
        self.server.out.expect(rb" attached console=web1 ")
        self.run_out("line")
        self.tell("type web1 first")
        self.failed_with(rb" critical line-defect")
        bob.type(b"echo second\r")
        bob.out.expect(rb"\nsecond\r\n")

    def test_the_log_is_written_later_and_has_every_byte_once(self) -> None:
        self.run_out("log")
        self.goes_on()
        self.server.out.expect(rb" error log-failing error=\"Cannot allocate memory\"")
        self.server.out.expect(rb" info log-recovered ")
        self.goes_on()
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(), 0)
        checked = self.complete(script("vspc"), "verify", "--config", self.config)
        self.assertEqual(checked.status, 0, checked)
        self.serve(script("vspc"), "run", "--config", self.config)
        self.assertEqual(self.ssh("log", "guest", "--raw").out, self.said)
