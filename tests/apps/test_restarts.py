"""What a restart of the server, or of a network, is not: a boot, or something that a VM said."""

import json
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tests.apps.support import ROOT
from tests.apps.test_log import LogTestCase
from tests.vm.support import Host

KERNEL = b"[    0.0] Linux version 6.1.0 (gcc)\n"


class RestartCase(LogTestCase):
    def boots(self) -> list[list[str]]:
        found = json.loads(self.say("boots web01 --json").text)
        return [boot["signs"] for boot in found]

    def markers(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        return [(line["marker"], line["text"]) for line in lines if "marker" in line]

    def blip(self, host: Host) -> None:
        """The connection of `host` is lost, not closed."""
        host.transport.connectionLost(Failure(ConnectionLost()))
        self.run_on()

    def info(self, operator: Any = None) -> dict[str, Any]:
        channel = self.desk.say("info web01 --json", *([operator] if operator else []))
        found: dict[str, Any] = json.loads(channel.text)
        return found


class Boots(RestartCase):
    """`boots`, `log --boot`, `expect --from boot`."""

    def test_a_restart_of_the_server_is_none(self) -> None:
        for clean in (True, False):
            for first in (KERNEL, b"no boot to be seen\n", b""):
                self.setUp()
                host = self.vm()
                self.run_on()
                if first:
                    self.output(host, first)
                before = self.boots() if first else [] if clean else [["new line"]]
                self.restart(clean)
                host = self.vm()
                self.output(host, b"login: ")
                self.assertEqual(self.boots(), before, (clean, first))
                kinds = [kind for kind, _ in self.markers()]
                self.assertEqual(kinds[-1], "reconnected", (clean, first))
                self.assertIn("after a restart of the server", self.markers()[-1][1])
                if first:
                    self.assertEqual(self.say("log web01 --boot 0").output, first + b"login: ")

    def test_without_boots(self) -> None:
        self.output(self.vm(), KERNEL)
        store = self.logged.log.store
        (log,) = store.logs.values()
        store.move(log)
        store.evict(log, len(log.segments))
        channel = self.say("boots web01")
        self.assertEqual((channel.text, channel.status), ("no boot of web01 in its log\n", 0))

    def test_expect_from_boot_goes_over_a_restart(self) -> None:
        self.output(self.vm(), KERNEL + b"login: ")
        self.restart()
        self.vm()
        self.assertEqual(self.say("expect web01 --from boot login:").status, 0)

    def test_a_second_restart_before_the_vm_is_back_is_none_either(self) -> None:
        self.output(self.vm(), b"x")
        self.restart()
        self.restart()
        self.vm()
        self.assertEqual(self.boots(), [["new line"]])

    def test_the_log_has_the_reason_of_the_disconnect(self) -> None:
        self.output(self.vm(), b"x")
        self.restart()
        self.vm()
        self.assertEqual(
            self.markers(),
            [
                ("connected", "web01 at 10.0.0.1"),
                ("away", "the server stopped"),
                ("reconnected", "web01 at 10.0.0.1, after a restart of the server"),
            ],
        )

    def test_lines_that_close_while_the_server_stops_went_for_that(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        self.logged.log.ending()
        self.desk.server.close()
        host.lose()
        self.restart()
        self.vm()
        self.assertEqual(self.boots(), [["new line"]])
        self.assertEqual(self.markers()[1], ("away", "the server is shutting down"))

    def test_a_vm_that_was_switched_off_before_the_restart_boots_after_it(self) -> None:
        for clean in (True, False):
            self.setUp()
            host = self.vm()
            self.output(host, b"x")
            host.lose()
            self.run_on()
            self.restart(clean)
            self.output(self.vm(), b"y")
            self.assertEqual(self.boots(), [["new line"], ["new line"]])

    def test_a_lost_connection_is_none_and_one_that_was_closed_is(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        self.blip(host)
        host = self.vm()
        self.assertEqual(self.boots(), [["new line"]])
        self.assertEqual(
            self.markers()[-1],
            ("reconnected", "web01 at 10.0.0.1, after its connection was lost"),
        )
        host.lose()
        self.run_on()
        self.vm()
        self.assertEqual(self.boots(), [["new line"], ["new line"]])

    def test_a_lost_connection_and_another_host_are_a_boot(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        self.blip(host)
        self.vm(address="10.0.0.2")
        self.assertEqual(self.boots(), [["new line"], ["new line"]])

    def test_a_vm_that_shows_its_boots_has_reconnected_however_its_line_went(self) -> None:
        host = self.vm()
        self.output(host, KERNEL)
        self.say("boots web01")
        host.lose()
        self.run_on()
        self.vm()
        self.assertEqual(self.markers()[-1], ("reconnected", "web01 at 10.0.0.1"))
        self.assertEqual(len(self.boots()), 1)

    def test_that_it_shows_its_boots_is_known_when_they_are_no_longer_kept(self) -> None:
        host = self.vm()
        self.output(host, KERNEL)
        store = self.logged.log.store
        (log,) = store.logs.values()
        store.move(log)
        store.evict(log, len(log.segments))
        for restart in (False, True):
            if restart:
                host.lose()
                self.restart()
                self.vm()
            self.output(self.vm() if restart else host, b"later\n")
            self.assertEqual(self.boots(), [])


class LastOutput(RestartCase):
    """It is the time of the VM's last byte."""

    def test_it_is_not_that_of_a_marker_or_a_gap_after_a_restart(self) -> None:
        for clean in (True, False):
            self.setUp()
            host = self.vm()
            self.output(host, b"last words\n")
            last = self.info()["last_output"]
            self.desk.clock.advance(3600)
            self.say("note web01 'much later'")
            for _ in range(2):
                self.restart(clean)
                self.assertEqual(self.info()["last_output"], last)
            self.vm()
            self.assertEqual(self.info()["last_output"], last)

    def test_where_the_last_segments_have_only_markers(self) -> None:
        host = self.vm()
        self.output(host, b"last words\n")
        last = self.info()["last_output"]
        store = self.logged.log.store
        (log,) = store.logs.values()
        store.move(log)
        log.segments[-1].closed = True
        store.closed.append((log, log.segments[-1]))
        self.logged.writer.work([])
        self.desk.clock.advance(3600)
        self.say("note web01 'much later'")
        store.move(log)
        self.assertEqual(len(log.segments), 2)
        self.restart()
        self.assertEqual(self.info()["last_output"], last)

    def test_a_vm_without_output_has_none(self) -> None:
        self.vm()
        self.say("note web01 hello")
        self.restart()
        self.assertIsNone(self.info()["last_output"])

    def test_a_console_that_was_forgotten_and_comes_back_has_its_own(self) -> None:
        host = self.vm()
        self.output(host, b"last words\n")
        last = self.info()["last_output"]
        host.lose()
        self.run_on()
        self.desk.roster.forget(self.console)
        self.desk.clock.advance(3600)
        self.vm()
        self.assertEqual(self.info()["last_output"], last)


class HostChange(RestartCase):
    """`info` has the last change of host until an administrator has seen it."""

    def change(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        host.lose()
        self.run_on()
        self.vm(address="10.0.0.2")

    def test_it_stays_until_an_administrator_looks(self) -> None:
        self.change()
        typist = self.desk.say("raw web01")
        next(iter(self.console.attachments)).take_pen()
        typist.close()
        for _ in range(2):
            self.assertEqual(self.info()["host_change"]["new"], "10.0.0.2")
        self.assertEqual(self.info(ROOT)["host_change"]["old"], "10.0.0.1")
        self.assertIsNone(self.info(ROOT)["host_change"])
        self.assertIsNone(self.info()["host_change"])

    def test_over_restarts_and_a_vmotion(self) -> None:
        self.change()
        self.restart()
        self.assertEqual(self.info()["host_change"]["new"], "10.0.0.2")
        source, target = self.vm(address="10.0.0.2"), self.desk.host("10.0.0.3")
        target.peer(source.begin())
        target.complete()
        self.assertEqual(self.info()["host_change"]["new"], "10.0.0.2")
        self.restart(clean=False)
        self.assertEqual(self.info(ROOT)["host_change"]["new"], "10.0.0.2")
        self.run_on()
        self.restart(clean=False)
        self.assertIsNone(self.info()["host_change"])
