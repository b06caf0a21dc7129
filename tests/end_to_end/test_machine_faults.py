"""Faults of the machine that a server runs on: its clock is set, its disk stands still, all threads
are occupied.
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
        self.server.out.expect(rb" log-goes-on")
        self.server.out.expect(rb" audit-goes-on")
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
