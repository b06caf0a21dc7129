"""Faults of the machine that a server runs on: its clock is set, descriptors run out."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import script
from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_sockets import Device

HOUR = 3600


class FaultsTestCase(ServerTestCase):
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
