"""Consoles that the server connects to: when it connects, what it does when that fails, and what
operators are told of it.
"""

import errno
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World
from tests.net.dialling import Dialling, lose
from tests.net.ends import Wire
from tests.vm.support import handed_over, saved
from vspc.config.dialling import DialledEntry, remote_of
from vspc.console.console import Console
from vspc.console.events import HostChanged
from vspc.console.peers import PeerTable
from vspc.net import outbound
from vspc.net.limits import Refusals
from vspc.vm import dial
from vspc.vm.dial import DialContext, Diallers, DialState
from vspc.vm.dialled import BRIEF
from vspc.vm.lines.vmware import Terms
from vspc.vm.server import LineServer
from vspc.vm.take_up import TakeUp
from vspc.wire.telnet import (
    AUTHENTICATION,
    BINARY,
    BRK,
    DO,
    DONT,
    ECHO,
    SGA,
    VMWARE,
    WILL,
    command,
    negotiation,
)

RAW = "tcp://192.0.2.9:4001"


def entry(name: str = "moxa", connect: str = RAW, **more: Any) -> DialledEntry:
    return DialledEntry(name, remote_of(connect), connect.removeprefix("unix:"), **more)


class DialTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.dialling = Dialling()
        self.world.clock.twisted = self.dialling.reactor  # one time for all
        self.reactor = self.dialling.reactor
        self.server = LineServer(self.world.roster, PeerTable(), self.world.clock, Refusals())
        context = DialContext(self.server, self.dialling.outbound, lambda: 0.0)
        self.diallers = Diallers(context, self.world.events)
        self.addCleanup(self.dialling.outbound.close)

    def apply(self, *entries: DialledEntry) -> None:
        self.diallers.apply(self.diallers.prepare(entries))

    def console(self, name: str = "moxa") -> Console:
        (found,) = (each for each in self.world.roster if each.name == name)
        return found

    def state(self) -> str:
        """What every dialler does."""
        counts = self.diallers.condition()
        return " ".join(state.value for state in DialState for _ in range(counts[state.value]))

    def advance(self, seconds: float) -> None:
        self.reactor.pump([0, seconds, 0, 0])

    def refuse(self, number: int = errno.ECONNREFUSED) -> None:
        """The attempt that is under way fails."""
        self.dialling.take().refuse(number)
        self.advance(0)

    def connected(self, *more: DialledEntry, **how: Any) -> Any:
        """The wire of one entry."""
        self.apply(entry(**how), *more)
        return self.accept()

    def accept(self) -> Any:
        wire = self.dialling.take().accept()
        self.advance(0)
        return wire

    def lose(self, wire: Any, reason: Exception | None = None) -> None:
        lose(wire, reason)
        self.advance(0)


class Connecting(DialTest):
    def test_the_console_is_there_from_the_start(self) -> None:
        self.apply(entry())
        console = self.console()
        self.assertEqual(console.state.value, "away")
        self.assertEqual(console.link.away_reason, "connecting to tcp://192.0.2.9:4001")
        self.assertEqual(self.state(), "connecting")

    def test_what_the_device_says_is_output_and_what_is_typed_goes_there(self) -> None:
        wire = self.connected()
        console = self.console()
        self.assertEqual(console.state.value, "connected")
        wire.above.dataReceived(b"login: \xff")
        self.assertEqual(console.history.read(0, 99), b"login: \xff")
        attachment, _ = self.world.attach(console)
        attachment.take_pen()
        attachment.type(b"root\xff\r")
        self.assertEqual(wire.take(), b"root\xff\r")

    def test_a_line_without_work_has_no_timer(self) -> None:
        self.connected()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_unix_socket(self) -> None:
        self.apply(entry(connect="unix:/run/vm.sock"))
        asked = self.dialling.take()
        self.assertEqual((asked.address, asked.port), ("/run/vm.sock", None))
        asked.accept()
        self.assertEqual(self.console().link.last_address, "local")

    def test_telnet_is_spoken_as_a_client(self) -> None:
        wire = self.connected(connect="telnet://192.0.2.9:23")
        said = wire.take()
        for word in (negotiation(WILL, BINARY), negotiation(DO, BINARY), negotiation(DO, SGA)):
            self.assertIn(word, said)
        self.assertNotIn(negotiation(WILL, ECHO), said)
        wire.above.dataReceived(negotiation(WILL, ECHO) + b"ok\xff\xff")
        self.assertEqual(wire.take(), negotiation(DO, ECHO))
        console = self.console()
        self.assertEqual(console.history.read(0, 99), b"ok\xff")
        self.assertEqual(console.link.remark, "")
        assert console.link.line is not None
        console.link.line.send_break()
        self.assertEqual(wire.take(), command(BRK))

    def another_process(self, connect: str | None, **more: Any) -> tuple[Any, Wire]:
        """Take up the only line, which `connect` is configured for: its protocol and its wire."""
        state = handed_over(saved(self.server))
        self.setUp()
        terms = Terms((), self.world.clock.seconds)
        take_up = TakeUp(self.server, state, {}, lambda _: terms)
        wire = Wire(peerAddress=IPv4Address("TCP", "192.0.2.9", 4001))
        (line,) = take_up.lines.values()
        line.makeConnection(wire)
        take_up.finish()
        self.apply(*(() if connect is None else (entry(connect=connect, **more),)))
        self.advance(0)
        return line, wire

    def test_another_process_goes_on_with_what_is_neither_tls_nor_rfc_2217(self) -> None:
        for connect in ("telnet://192.0.2.9:23", "tcp://192.0.2.9:1"):
            self.setUp()
            self.connected(connect=connect)
            line, wire = self.another_process(connect)
            self.assertEqual((self.state(), wire.take()), ("connected", b""))
            self.assertEqual(self.reactor.dialled, [])
            line.dataReceived(b"login: ")
            self.assertEqual(self.console().history.read(0, 99), b"login: ")
            line.connectionLost(Failure(ConnectionDone()))
            self.advance(0)
            self.assertEqual(self.state(), "waiting")
            self.advance(2)
            self.dialling.take().accept()

    def test_what_is_changed_or_gone_since_another_process_connected_it(self) -> None:
        for connect, reason in (("tcp://192.0.2.9:2", dial.CHANGED), (None, dial.GONE)):
            self.setUp()
            self.connected(connect="tcp://192.0.2.9:1")
            line, wire = self.another_process(connect)
            self.assertTrue(wire.disconnecting)
            line.connectionLost(Failure(ConnectionDone()))
            self.advance(2)
            if connect is None:
                self.assertEqual(self.reactor.dialled, [])
                self.assertEqual(self.console().link.away_reason, reason)
                self.assertEqual(self.console().dial_uri, "")
            else:
                self.assertEqual(self.dialling.take().port, 2)
                self.assertEqual(self.console().dial_uri, connect)

    def test_one_that_another_process_has_connected_is_hung_up(self) -> None:
        self.connected(connect="tcp://192.0.2.9:1")
        _, wire = self.another_process("tcp://192.0.2.9:1", when="attached")
        self.advance(11)
        self.assertTrue(wire.disconnecting)

    def test_a_port_of_an_esxi_host_without_a_concentrator(self) -> None:
        wire = self.connected(connect="telnet://192.0.2.7:2001")
        wire.take()
        for option in (AUTHENTICATION, VMWARE):
            wire.above.dataReceived(negotiation(WILL, option))
            self.assertEqual(wire.take(), negotiation(DONT, option))
        wire.above.dataReceived(negotiation(WILL, SGA) + negotiation(DO, SGA) + b"SeaBIOS")
        self.assertEqual(self.console().history.read(0, 99), b"SeaBIOS")

    def test_a_console_that_the_log_remembers_is_the_same(self) -> None:
        wire = self.connected()
        before = self.console().id
        self.apply()
        self.lose(wire)
        self.apply(entry())
        self.assertEqual(self.console().id, before)


class Failing(DialTest):
    def test_the_reason_and_the_time_of_the_next_attempt(self) -> None:
        self.apply(entry())
        self.refuse()
        link = self.console().link
        self.assertEqual(link.away_reason, f"connection refused by 192.0.2.9:4001 ({dial.FULL})")
        self.assertEqual(link.next_try, self.world.clock.wall() + 1)
        self.assertEqual(self.state(), "waiting")
        self.advance(1)
        self.assertIsNone(link.next_try)
        self.assertEqual(self.state(), "connecting")

    def test_pauses_double_up_to_two_minutes(self) -> None:
        self.apply(entry())
        pauses = []
        for _ in range(9):
            self.refuse(errno.EHOSTUNREACH)
            next_try = self.console().link.next_try
            assert next_try is not None
            pauses.append(next_try - self.world.clock.wall())
            self.advance(pauses[-1])
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, 64, 120, 120])

    def test_attachments_are_told_of_each_reason_once(self) -> None:
        self.apply(entry())
        _, sink = self.world.attach(self.console())
        for number in (errno.EHOSTUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT):
            self.refuse(number)
            self.advance(dial.LONGEST)
        self.accept()
        self.world.turn()
        self.assertEqual(
            [text.partition(", after")[0] for text in sink.notices],
            [
                "moxa is away (no route to 192.0.2.9:4001)",
                "moxa is away (no answer from 192.0.2.9:4001)",
                "moxa is connected again, from 192.0.2.9",
            ],
        )

    def test_a_device_that_closes_at_once_again_and_again(self) -> None:
        self.apply(entry())
        pauses = []
        for _ in range(9):
            wire = self.accept()
            wire.above.dataReceived(b"\r\nPort already in use\r\n")
            self.lose(wire)
            next_try = self.console().link.next_try
            assert next_try is not None
            pauses.append(next_try - self.world.clock.wall())
            self.advance(pauses[-1])
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, 64, 120, 120])
        self.assertEqual(
            self.console().link.away_reason,
            "tcp://192.0.2.9:4001 accepts connections and closes them at once: "
            '"Port already in use"',
        )

    def test_what_lasted_a_little_was_not_closed_at_once(self) -> None:
        self.apply(entry())
        for lasted, at_once in ((BRIEF - 0.1, True), (BRIEF, False)):
            wire = self.accept()
            self.advance(lasted)
            self.lose(wire)
            self.assertEqual("closes them at once" in self.console().link.away_reason, at_once)
            self.advance(2)

    def test_after_a_connection_that_lasted_it_is_tried_soon(self) -> None:
        self.apply(entry())
        for _ in range(6):
            self.refuse()
            self.advance(dial.LONGEST)
        wire = self.accept()
        self.advance(dial.SETTLED)
        self.lose(wire, ConnectionLost())
        link = self.console().link
        self.assertEqual(link.next_try, self.world.clock.wall() + 1)
        self.assertIn("reset, cut short", link.away_reason)

    def test_somebody_who_attaches_need_not_wait(self) -> None:
        self.apply(entry())
        for _ in range(8):
            self.refuse()
            self.advance(dial.LONGEST)
        self.refuse()
        self.world.attach(self.console())
        self.advance(0)
        self.assertEqual(self.console().link.next_try, self.world.clock.wall() + dial.HURRY)
        self.advance(dial.HURRY)
        self.assertEqual(self.state(), "connecting")
        self.refuse()
        self.world.attach(self.console())
        self.advance(0)
        self.assertEqual(self.state(), "waiting")

    def test_hundreds_are_not_dialled_at_once(self) -> None:
        self.apply(*(entry(f"moxa-{n}", f"tcp://192.0.2.9:{4000 + n}") for n in range(500)))
        dialled = self.reactor.dialled
        self.assertEqual(len(dialled), outbound.AT_ONCE)
        dialled.pop().accept()
        self.assertEqual(len(dialled), outbound.AT_ONCE)

    def test_a_defect_is_logged_and_it_is_tried_again(self) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

        self.patch(self.reactor, "connectTCP", broken)
        self.apply(entry())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("internal error", self.console().link.away_reason)
        self.assertEqual(self.state(), "waiting")


class Mistaken(DialTest):
    def remark(self, connect: str, *said: bytes) -> str:
        name = f"device-{len(self.world.roster)}"
        wire = self.connected(name=name, connect=connect)
        for data in said:
            wire.above.dataReceived(data)
        return self.console(name).link.remark

    def test_telnet_where_raw_was_configured(self) -> None:
        self.assertIn("telnet://", self.remark(RAW, b"\xff", b"\xfd\x00"))
        self.assertIn("without telnet=on", self.remark("unix:/x", b"\xff\xfd\x00"))

    def test_ssh_http_and_tls(self) -> None:
        for said, word in (
            (b"SSH-2.0-x\r\n", "it speaks SSH"),
            (b"HTTP/1.1 400 Bad Request\r\n", "it speaks HTTP"),
            (b"\x15\x03\x01\x00\x02\x02\x0a", "it speaks TLS"),
        ):
            self.assertIn(word, self.remark("unix:/x", said))
            self.assertIn(word, self.remark(RAW, said))

    def test_noise_is_output(self) -> None:
        self.assertEqual(self.remark(RAW, b"\xff\x00\xff", b"\xff\xfd"), "")
        self.assertEqual(self.remark("telnet://192.0.2.9", b"\xff\xfd\x00hello"), "")

    def test_it_is_said_once_and_forgotten_with_the_line(self) -> None:
        wire = self.connected()
        _, sink = self.world.attach(self.console())
        for _ in range(3):
            wire.above.dataReceived(b"\xff\xfd\x00")
        self.world.turn()
        self.assertEqual(len(sink.notices), 1, sink.notices)
        self.lose(wire)
        self.assertEqual(self.console().link.remark, "")


class WhenAttached(DialTest):
    def setUp(self) -> None:
        super().setUp()
        self.apply(entry(when="attached"))

    def test_nothing_is_dialled_until_somebody_attaches(self) -> None:
        self.assertEqual(self.reactor.dialled, [])
        self.assertEqual(self.state(), "idle")
        self.assertEqual(self.console().link.away_reason, dial.NOT_NEEDED)
        self.world.attach(self.console())
        self.advance(0)
        self.accept()
        self.assertEqual(self.state(), "connected")

    def test_it_hangs_up_some_seconds_after_the_last_has_left(self) -> None:
        one, _ = self.world.attach(self.console())
        two, _ = self.world.attach(self.console())
        self.advance(0)
        wire = self.accept()
        one.detach()
        self.advance(dial.HANG_UP)
        self.assertFalse(wire.disconnecting)
        two.detach()
        self.advance(dial.HANG_UP / 2)
        self.world.attach(self.console())
        self.advance(dial.HANG_UP)
        self.assertFalse(wire.disconnecting)
        for attachment in list(self.console().attachments):
            attachment.detach()
        self.advance(dial.HANG_UP)
        self.assertTrue(wire.disconnecting)
        self.lose(wire)
        self.assertEqual(self.state(), "idle")
        self.assertEqual(self.console().link.away_reason, dial.NOT_NEEDED)

    def test_who_leaves_while_it_waits_ends_the_attempts(self) -> None:
        attachment, _ = self.world.attach(self.console())
        self.advance(0)
        self.refuse()
        attachment.detach()
        self.advance(dial.LONGEST)
        self.assertEqual(self.state(), "idle")
        self.assertEqual(self.reactor.dialled, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class Reloading(DialTest):
    def test_what_stays_as_it_is_keeps_its_line(self) -> None:
        wire = self.connected()
        self.apply(entry())
        self.advance(dial.LONGEST)
        self.assertFalse(wire.disconnecting)
        self.assertEqual(self.reactor.dialled, [])

    def test_what_is_new_is_dialled(self) -> None:
        self.connected()
        self.apply(entry(), entry("other", "tcp://192.0.2.9:4002"))
        self.assertEqual(self.dialling.take().port, 4002)

    def test_what_is_gone_is_closed_with_a_word_and_forgotten_some_day(self) -> None:
        wire = self.connected()
        console = self.console()
        self.apply()
        self.assertTrue(wire.disconnecting)
        self.lose(wire)
        self.assertEqual(console.link.away_reason, "it is no longer in the configuration")
        self.assertEqual(console.dial_uri, "")
        self.advance(dial.LONGEST)
        self.assertEqual(self.reactor.dialled, [])
        self.world.roster.tidy(self.world.clock.seconds() + 8 * 86400)
        self.assertFalse(self.world.roster.has(console))

    def test_an_attempt_of_what_is_gone_is_cancelled(self) -> None:
        self.apply(entry())
        self.apply()
        self.assertTrue(self.dialling.take().cancelled)
        self.assertEqual(self.console().link.away_reason, "it is no longer in the configuration")

    def test_what_is_changed_is_dialled_anew_once_the_old_line_is_over(self) -> None:
        wire = self.connected()
        self.apply(entry(connect="tcp://192.0.2.10:4001"))
        self.assertTrue(wire.disconnecting)
        self.advance(dial.HURRY)
        self.assertEqual(self.reactor.dialled, [])
        self.lose(wire)
        self.advance(1)
        self.assertEqual(self.dialling.take().address, "192.0.2.10")

    def test_another_host_by_configuration_is_no_security_event(self) -> None:
        wire = self.connected()
        self.apply(entry(connect="tcp://192.0.2.10:4001"))
        self.lose(wire)
        self.advance(1)
        self.accept()
        self.assertEqual(self.console().state.value, "connected")
        self.assertFalse([each for each in self.world.happened if isinstance(each, HostChanged)])

    def test_what_waits_is_dialled_at_once_when_it_is_changed(self) -> None:
        self.apply(entry())
        for _ in range(8):
            self.refuse()
            self.advance(dial.LONGEST)
        self.refuse()
        self.apply(entry(connect="tcp://192.0.2.10:4001"))
        self.assertEqual(self.dialling.take().address, "192.0.2.10")


class Ending(DialTest):
    def test_it_is_not_forgotten_however_long_it_is_away(self) -> None:
        self.apply(entry())
        self.world.roster.tidy(self.world.clock.seconds() + 10**9)
        self.assertTrue(self.world.roster.has(self.console()))
        self.assertFalse(self.server.forget(self.console()))

    def test_stopping_cancels_attempts_and_closes_lines(self) -> None:
        wire = self.connected(entry("other", "tcp://192.0.2.9:4002"))
        # The second was dialled beside the first.
        self.diallers.stop()
        self.server.close()
        self.assertTrue(wire.disconnecting)
        self.lose(wire)
        self.advance(dial.LONGEST)
        self.assertEqual([each.cancelled for each in self.reactor.dialled], [True])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def connected(self, *more: DialledEntry, **how: Any) -> Any:
        self.apply(entry(**how), *more)
        return self.reactor.dialled.pop(0).accept()


class AnyCourse(DialTest):
    @settings(deadline=None, max_examples=60)
    @given(
        st.sampled_from(["always", "attached"]),
        st.lists(
            st.sampled_from(["accept", "refuse", "lose", "attach", "detach", "wait", "change"]),
            max_size=25,
        ),
    )
    def test_there_is_one_connection_at_most_and_it_always_goes_on(
        self, when: Any, steps: list[str]
    ) -> None:
        self.setUp()
        present = entry(when=when)
        self.apply(present)
        wires, attachments = list[Any](), list[Any]()
        for number, step in enumerate(steps):
            match step:
                case "accept" if self.reactor.dialled:
                    wires.append(self.reactor.dialled.pop().accept())
                case "refuse" if self.reactor.dialled:
                    self.reactor.dialled.pop().refuse()
                case "lose" if wires:
                    lose(wires.pop(), ConnectionDone())
                case "attach":
                    attachments.append(self.world.attach(self.console())[0])
                case "detach" if attachments:
                    attachments.pop().detach()
                case "change":
                    present = evolve(present, remote=remote_of(f"tcp://192.0.2.9:{5000 + number}"))
                    self.apply(present)
                case _:
                    self.advance(3.0)
            self.advance(0)
            self.reactor.dialled[:] = [d for d in self.reactor.dialled if not d.cancelled]
            wires = [wire for wire in wires if not self._closed(wire)]
            self.assertLessEqual(len(self.reactor.dialled) + len(wires), 1)
        if when == "attached":
            attachments.append(self.world.attach(self.console())[0])
            self.advance(0)
        if self.state() == "waiting":
            self.advance(dial.LONGEST)
        self.assertIn(self.state(), ("connecting", "connected"))
        self.apply()
        for wire in wires:
            self._closed(wire)

    def _closed(self, wire: Any) -> bool:
        """Whether we have closed it; then it is over."""
        if wire.disconnecting:
            self.lose(wire)
        return bool(wire.disconnecting)
