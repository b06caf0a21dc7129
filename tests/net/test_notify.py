"""Notifications: what a service manager gets, also when it is slow, gone or a new one."""

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.supervisor import ServiceManager
from vspc.net.notify import (
    NAMES,
    QUEUE,
    RETRY,
    STATUS,
    ManagerSettings,
    Notifier,
    forget,
    received,
)

PID = 4711


class NotifierTestCase(SynchronousTestCase):
    """A notifier with a manager at the other end."""

    address = "notify"

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, directory)
        self.path = str(directory / "notify")
        self.manager = ServiceManager(self.path)
        self.addCleanup(self._close)
        self.reactor = MemoryReactorClock()
        self.errors: list[str] = []
        self.notifier = Notifier(self.reactor, ManagerSettings(self.path), self.errors.append)

    def _close(self) -> None:
        self.manager.close()

    def a_socket(self) -> socket.socket:
        """A socket that is open until the end of the test."""
        found = socket.socket()
        self.addCleanup(found.close)
        return found

    def turn(self) -> None:
        """One turn of the reactor: those that wait to write may."""
        for writer in list(self.reactor.getWriters()):
            writer.doWrite()

    def said(self) -> list[dict[str, str]]:
        """What the manager has got until now, in turns until nothing waits."""
        while True:
            self.manager.receive_all()
            if not self.notifier.waiting:
                return [dict(each.fields) for each in self.manager.received]
            self.turn()


class Messages(NotifierTestCase):
    """Their text."""

    def test_the_life_of_a_service(self) -> None:
        self.notifier.ready("3 lines")
        self.notifier.alive()
        self.notifier.extend(30.5)
        self.notifier.stopping("handing over")
        self.assertEqual(
            self.said(),
            [
                {"STATUS": "3 lines"},
                {"READY": "1"},
                {"WATCHDOG": "1"},
                {"EXTEND_TIMEOUT_USEC": "30500000"},
                {"STATUS": "handing over"},
                {"STOPPING": "1"},
            ],
        )

    def test_a_reload_has_the_time(self) -> None:
        self.notifier.reloading()
        [message] = self.said()
        self.assertEqual(message["RELOADING"], "1")
        self.assertTrue(message["MONOTONIC_USEC"].isdecimal())

    def test_a_status_is_one_line_of_limited_length(self) -> None:
        self.notifier.status("a\nREADY=1\x1b[2J" + "x" * 2 * STATUS)
        [message] = self.said()
        self.assertEqual(list(message), ["STATUS"])
        self.assertTrue(message["STATUS"].isprintable())
        self.assertLess(len(message["STATUS"]), 2 * STATUS)

    def test_a_descriptor_is_stored_and_removed(self) -> None:
        self.notifier.store("l00001", self.a_socket())
        self.notifier.store("l00002", self.a_socket())
        self.said()
        self.assertEqual(self.manager.names(), ["l00001", "l00002"])
        self.assertFalse(any(entry.polled for entry in self.manager.stored))
        self.notifier.remove("l00001")
        self.said()
        self.assertEqual(self.manager.names(), ["l00002"])

    def test_an_abstract_address(self) -> None:
        name = f"@vspc-test-{os.getpid()}"
        manager = ServiceManager(name)
        self.addCleanup(manager.close)
        Notifier(self.reactor, ManagerSettings(name), self.errors.append).ready("")
        manager.receive_all()
        self.assertEqual(len(manager.said("READY")), 1)


class SlowManager(NotifierTestCase):
    """It takes a few messages at a time."""

    def test_all_arrives_in_order(self) -> None:
        names = [f"l{number:05}" for number in range(300)]
        for name in names:
            self.assertTrue(self.notifier.store(name, self.a_socket()))
        self.notifier.ready("")
        self.assertTrue(self.notifier.waiting)
        said = self.said()
        self.assertEqual([each["FDNAME"] for each in said[:300]], names)
        self.assertEqual(said[-1], {"READY": "1"})
        self.assertEqual(self.manager.names(), names)
        self.assertEqual(self.reactor.getWriters(), [])

    def fill(self) -> None:
        """The manager's socket is full."""
        number = 0
        while not self.notifier.waiting:
            self.notifier.store(f"x{number:05}", self.a_socket())
            number += 1

    def test_what_is_removed_before_it_was_sent_is_not_sent(self) -> None:
        self.fill()
        self.notifier.store("l00001", self.a_socket())
        self.notifier.remove("l00001")
        self.assertNotIn("l00001", [each.get("FDNAME") for each in self.said()])

    def test_a_socket_that_was_closed_before_it_was_sent_is_not_sent(self) -> None:
        self.fill()
        closed = self.a_socket()
        self.notifier.store("l00001", closed)
        closed.close()
        self.assertNotIn("l00001", [each.get("FDNAME") for each in self.said()])
        self.assertEqual(self.errors, [])

    def test_a_name_that_is_removed_and_stored_again_is_stored(self) -> None:
        self.notifier.store("p00001", self.a_socket())
        self.fill()
        self.notifier.remove("p00001")
        self.notifier.store("p00001", self.a_socket())
        self.said()
        self.assertEqual(self.manager.names().count("p00001"), 1)

    def test_states_that_wait_are_the_last_ones(self) -> None:
        self.fill()
        for _ in range(3):
            self.notifier.reloading()
            self.notifier.ready("again")
        self.notifier.alive()
        self.notifier.alive()
        said = [next(iter(each)) for each in self.said() if "FDNAME" not in each]
        self.assertEqual(said, ["RELOADING", "STATUS", "READY", "WATCHDOG"])

    def test_it_is_known_when_all_is_sent(self) -> None:
        self.successResultOf(self.notifier.sent())
        self.fill()
        done = self.notifier.sent()
        self.assertNoResult(done)
        self.said()
        self.successResultOf(done)

    def test_who_gives_up_waiting_is_not_told(self) -> None:
        self.fill()
        done = self.notifier.sent()
        done.cancel()
        self.said()
        self.failureResultOf(done)

    def test_too_many_messages_are_refused(self) -> None:
        self.fill()
        one = self.a_socket()
        before = self.notifier.waiting
        taken = [self.notifier.store(f"{n:06}", one) for n in range(QUEUE)]
        self.assertEqual(taken.count(True), QUEUE - before)
        self.assertEqual(self.notifier.waiting, QUEUE)

    def test_the_kernel_is_busy(self) -> None:
        send, errors = socket.send_fds, [errno.ENOBUFS, errno.ETOOMANYREFS]

        def busy(*arguments: Any) -> int:
            if errors:
                raise OSError(errors.pop(), "busy")
            return send(*arguments)

        self.patch(socket, "send_fds", busy)
        self.notifier.alive()
        for _ in range(2):
            self.assertEqual(self.notifier.waiting, 1)
            self.reactor.advance(RETRY)
        self.assertEqual(self.said(), [{"WATCHDOG": "1"}])


class ManagerGone(NotifierTestCase):
    """Nobody reads the socket."""

    def test_it_is_told_once_and_nothing_waits(self) -> None:
        self.notifier.ready("")
        self.said()
        self.manager.close()
        for _ in range(3):
            self.notifier.alive()
        self.assertEqual(self.notifier.waiting, 0)
        self.assertEqual(len(self.errors), 1)
        self.assertIn(self.path, self.errors[0])

    def test_a_new_manager_at_the_same_address_is_found(self) -> None:
        self.notifier.ready("")
        self.said()
        self.manager.close()
        os.unlink(self.path)
        self.manager = ServiceManager(self.path)
        self.notifier.alive()
        self.assertEqual(self.said(), [{"WATCHDOG": "1"}])
        self.assertEqual(self.errors, [])


class Environment(SynchronousTestCase):
    """What a process learns from its environment."""

    def test_no_manager(self) -> None:
        self.assertIsNone(ManagerSettings.of({}, PID))
        self.assertIsNone(ManagerSettings.of({"NOTIFY_SOCKET": "vsock:2:1"}, PID))

    def test_a_watchdog_is_for_the_process_that_it_names(self) -> None:
        base = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "3000000"}
        for pid, expected in ((str(PID), 3.0), ("1", None)):
            found = ManagerSettings.of({**base, "WATCHDOG_PID": pid}, PID)
            assert found is not None
            self.assertEqual(found.watchdog, expected)
        found = ManagerSettings.of({**base, "WATCHDOG_USEC": "soon"}, PID)
        assert found is not None
        self.assertIsNone(found.watchdog)

    def test_a_manager_without_a_store(self) -> None:
        for value, expected in (("0", False), ("512", True)):
            found = ManagerSettings.of({"NOTIFY_SOCKET": "@x", "FDSTORE": value}, PID)
            assert found is not None
            self.assertEqual(found.keeps, expected)

    def test_descriptors_of_another_process_are_not_ours(self) -> None:
        self.assertEqual(received({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, PID), [])
        self.assertEqual(received({}, PID), [])

    @given(
        st.dictionaries(
            st.sampled_from(["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]),
            st.one_of(st.text(), st.just(str(PID)), st.integers(0, 10**12).map(str)),
        )
    )
    def test_nonsense_is_no_error(self, environment: dict[str, str]) -> None:
        found = received(environment, PID)
        self.assertEqual([each.number for each in found], list(range(3, 3 + len(found))))
        for each in found:
            os.fstat(each.number)

    def test_more_than_the_kernel_can_name_are_not_looked_at(self) -> None:
        self.patch(os, "set_inheritable", lambda *_: None)
        found = received({"LISTEN_PID": str(PID), "LISTEN_FDS": "9" * 12}, PID)
        self.assertEqual(len(found), NAMES)

    def test_what_programs_must_not_see_is_taken_out(self) -> None:
        environment = {"HOME": "/", "LISTEN_FDS": "1", "NOTIFY_SOCKET": "@x", "WATCHDOG_PID": "1"}
        forget(environment)
        self.assertEqual(environment, {"HOME": "/"})
