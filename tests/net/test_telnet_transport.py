"""The telnet transport: what Twisted's own gets wrong, by name; faults of ours."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import B_BINARY, B_ECHO, B_SGA, B_VMWARE, End, Recorder
from vspc.net.scheduler import EVENTS
from vspc.net.telnet_options import NEGOTIATIONS
from vspc.net.telnet_transport import LineTransport
from vspc.wire.telnet import (
    AYT,
    BINARY,
    BRK,
    DO,
    DONT,
    ECHO,
    IDLE,
    MAX_SUBNEGOTIATION,
    NOP,
    SGA,
    VMWARE,
    WILL,
    WONT,
    command,
    escape,
    negotiation,
    subnegotiation,
)


class StockDefects(SynchronousTestCase):
    """What `twisted.conch.telnet` gets wrong, one test each, in the order of our notes on it."""

    def test_codes_that_are_no_command_raise_nothing_and_cost_no_data(self) -> None:
        for code in (0, 65, 235, 236, 237, 238, 239, 240):
            end = End()
            end.hear(b"before" + command(code) + b"after")
            unknown = ("command", bytes([code]), None)
            self.assertEqual(end.happened, [("data", b"before"), unknown, ("data", b"after")])

    def test_an_empty_subnegotiation_is_dropped(self) -> None:
        end = End()
        end.hear(b"a\xff\xfa\xff\xf0b")
        self.assertEqual(end.happened, [("data", b"a"), ("dropped",), ("data", b"b")])

    def test_a_will_that_crosses_our_dont_and_a_do_that_crosses_our_wont(self) -> None:
        end = End(Recorder(B_ECHO))
        end.hear(negotiation(WILL, ECHO), negotiation(DO, ECHO))
        outcomes = [end.line.dont(B_ECHO), end.line.wont(B_ECHO)]
        end.wire.clear()
        self.assertEqual(end.hear(negotiation(WILL, ECHO) + negotiation(DO, ECHO)), b"")
        self.assertEqual([self.successResultOf(o) for o in outcomes], [False, False])

    def test_a_will_that_our_own_do_asked_for_need_not_be_liked(self) -> None:
        end = End()
        outcome = end.line.do(B_ECHO)
        end.wire.clear()
        self.assertEqual(end.hear(negotiation(WILL, ECHO)), b"")
        self.assertTrue(self.successResultOf(outcome))

    def test_both_directions_of_several_options_are_asked_for_at_once(self) -> None:
        end = End(Recorder(bytes([BINARY, SGA, VMWARE])))
        outcomes = [
            ask(option)
            for option in (B_BINARY, B_SGA, B_VMWARE)
            for ask in (end.line.do, end.line.will)
        ]
        asked = end.wire.take()
        self.assertEqual(len(asked), 3 * len(outcomes))
        answers = {DO: WILL, WILL: DO}
        for at in range(0, len(asked), 3):
            self.assertEqual(end.hear(negotiation(answers[asked[at + 1]], asked[at + 2])), b"")
        self.assertEqual([self.successResultOf(o) for o in outcomes], [True] * 6)

    def test_an_outcome_fires_after_the_protocol_was_called(self) -> None:
        end = End(Recorder(B_BINARY))
        end.line.do(B_BINARY).addCallback(lambda on: end.happened.append(("outcome", on)))
        end.hear(negotiation(WILL, BINARY))
        self.assertEqual(end.happened, [("enableRemote", B_BINARY), ("outcome", True)])

    def test_a_negotiation_storm_ends_the_line(self) -> None:
        end = End(Recorder(B_ECHO))
        storm = negotiation(WILL, ECHO) + negotiation(WONT, ECHO)
        answer = end.hear(*[storm] * NEGOTIATIONS)
        self.assertLessEqual(len(answer), 3 * NEGOTIATIONS)
        self.assertTrue(end.wire.aborted)
        self.assertEqual(end.happened[-1], ("failed", "a negotiation storm"))

    def test_a_subnegotiation_is_one_bytes_and_keeps_a_lone_ff(self) -> None:
        end = End()
        end.hear(b"\xff\xfa\xe8\x29\xff\x41\xff\xff\xff\xf0")
        self.assertEqual(end.happened, [("subnegotiation", B_VMWARE, b"\x29\xff\x41\xff")])

    def test_a_subnegotiation_of_16_kib_is_delivered_and_one_byte_more_is_fatal(self) -> None:
        end = End()
        end.hear(subnegotiation(VMWARE, bytes(MAX_SUBNEGOTIATION - 1)))
        self.assertEqual(len(end.happened.pop()[2]), MAX_SUBNEGOTIATION - 1)
        end.hear(subnegotiation(VMWARE, bytes(MAX_SUBNEGOTIATION)) + b"after")
        self.assertEqual([event[0] for event in end.happened], ["failed"])
        self.assertTrue(end.wire.aborted)

    def test_cr_lf_and_nul_pass_both_ways_and_no_cr_is_held_back(self) -> None:
        for text in (b"a\r\nb\r\0c\nd\re\0", b"prompt\r", b"\r", b"\xff\xff\r"):
            end = End()
            end.hear(text)
            self.assertEqual(end.protocol.heard(), text.replace(b"\xff\xff", b"\xff"))
            end.line.write(text)
            self.assertEqual(end.wire.take(), escape(text))

    def test_write_sequence_escapes(self) -> None:
        end = End()
        end.line.writeSequence([b"a\xff", b"\xff\xf3", b"\n"])
        self.assertEqual(end.wire.take(), b"a\xff\xff\xff\xff\xf3\n")

    def test_a_producer_may_be_registered(self) -> None:
        end = End()
        producer = object()
        end.line.registerProducer(producer, True)
        self.assertIs(end.wire.producer, producer)
        end.line.unregisterProducer()
        self.assertIsNone(end.wire.producer)

    def test_an_outcome_that_the_line_did_not_live_to_see_is_false_and_no_error(self) -> None:
        end = End()
        outcomes = [end.line.do(B_ECHO), end.line.will(B_SGA), end.line.do(B_ECHO)]
        end.lose()
        self.assertEqual([self.successResultOf(outcome) for outcome in outcomes], [False] * 3)
        self.assertFalse(self.successResultOf(end.line.do(B_BINARY)))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(end.happened, [("lost",)])


class AmongData(SynchronousTestCase):
    """What a protocol hears together to which of all commands only BRK matters."""

    def setUp(self) -> None:
        class Calls(Recorder):
            only_break = True

            def dataReceived(self, data: bytes) -> None:
                self.happened.append(("data", data))

        self.end = End(Calls())

    def hear(self, data: bytes) -> list[Any]:
        """What was told of `data`, each call for itself."""
        self.end.line.share.proven = True
        self.end.clock.turn()
        before = len(self.end.happened)
        self.end.hear(data)
        return self.end.happened[before:]

    def test_data_around_idle_commands_is_delivered_in_one_piece(self) -> None:
        said = (
            b"".join(b"%d" % number + command(code) for number, code in enumerate(sorted(IDLE))) * 4
        )
        self.assertEqual(self.hear(said + b"end"), [("data", b"01234567" * 4 + b"end")])

    def test_doubled_ffs_among_them(self) -> None:
        said = b"a\xff\xff\xff\xf1b" + command(NOP) + b"\xff\xff\xff\xff" + command(NOP) + b"c"
        self.assertEqual(self.hear(said), [("data", b"a\xffb\xff\xffc")])

    def test_data_before_anything_else_is_delivered_before_it(self) -> None:
        for piece, name in (
            (command(BRK), "command"),
            (negotiation(WONT, BINARY), "refused_remote"),
            (subnegotiation(VMWARE, b"\x28"), "subnegotiation"),
            (b"\xff\xfa\xff\xf0", "dropped"),
            (b"\xff\xfa" + bytes(MAX_SUBNEGOTIATION + 1), "failed"),
        ):
            self.setUp()
            self.end.line.do(B_BINARY)
            heard = self.hear(b"a" + command(NOP) + b"b" + piece + b"c" + command(NOP))
            self.assertEqual([heard[0], heard[1][0]], [("data", b"ab"), name])
            self.assertEqual(heard[2:], [("data", b"c")] if name != "failed" else [])

    def test_each_of_them_is_an_event(self) -> None:
        self.end.line.share.proven = True
        self.end.clock.turn()
        self.end.line.dataReceived((b"x" + command(NOP)) * 1000)
        self.assertEqual([event[0] for event in self.end.happened], ["data"])
        self.assertLess(len(self.end.protocol.heard()), EVENTS)
        while self.end.line.share.waiting:
            self.end.clock.turn()
        self.assertEqual(self.end.protocol.heard(), b"x" * 1000)
        self.assertLessEqual(len(self.end.happened), 1000 // EVENTS + 2)


class Faults(SynchronousTestCase):
    """Defects of ours, and the end of a line."""

    def test_one_event_that_fails_does_not_cost_the_others(self) -> None:
        class Faulty(Recorder):
            def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
                raise RuntimeError("a defect")

        end = End(Faulty())
        end.hear(b"a" + command(AYT) + b"b")
        self.assertEqual(end.protocol.heard(), b"ab")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_data_that_fails_on_the_short_way_does_not_end_the_line(self) -> None:
        class Faulty(Recorder):
            def dataReceived(self, data: bytes) -> None:
                raise RuntimeError("a defect")

        end = End(Faulty())
        end.hear(b"no telnet in it")
        end.hear(command(NOP))
        self.assertEqual(end.happened, [("command", b"\xf1", None)])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_an_offer_that_fails_is_refused(self) -> None:
        class Faulty(Recorder):
            def enableRemote(self, option: bytes) -> bool:
                raise RuntimeError("a defect")

        end = End(Faulty())
        self.assertEqual(end.hear(negotiation(WILL, ECHO)), negotiation(DONT, ECHO))
        end.line.write(b"goes on")
        self.assertEqual(end.wire.take(), b"goes on")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_an_option_that_ends_with_a_fault_still_has_its_outcome(self) -> None:
        class Faulty(Recorder):
            def refused_remote(self, option: bytes) -> None:
                raise RuntimeError("a defect")

        end = End(Faulty())
        outcome = end.line.do(B_ECHO)
        end.hear(negotiation(WONT, ECHO))
        self.assertFalse(self.successResultOf(outcome))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_line_is_aborted_even_if_telling_of_it_fails(self) -> None:
        class Faulty(Recorder):
            def line_failed(self, reason: str) -> None:
                raise RuntimeError("a defect")

        end = End(Faulty())
        end.hear(b"\xff\xfa" + bytes(MAX_SUBNEGOTIATION + 1))
        self.assertTrue(end.wire.aborted)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_a_line_fails_once(self) -> None:
        end = End()
        end.line.fail("first")
        end.line.fail("second")
        self.assertEqual(end.happened, [("failed", "first")])

    def test_nothing_is_delivered_after_we_have_closed(self) -> None:
        class Leaving(Recorder):
            def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
                self.transport.loseConnection()

        end = End(Leaving())
        self.assertEqual(end.hear(b"a" + command(BRK) + b"b" + negotiation(WILL, ECHO)), b"")
        end.hear(b"more", command(BRK))
        self.assertEqual(end.happened, [("data", b"a")])
        self.assertFalse(end.wire.aborted)

    def test_nothing_is_delivered_after_abort_or_loss(self) -> None:
        for finish in (LineTransport.abortConnection, None):
            end = End()
            end.lose() if finish is None else finish(end.line)
            end.hear(b"more", command(BRK))
            self.assertNotIn("data", [event[0] for event in end.happened])

    def test_the_peer_may_be_asked_for(self) -> None:
        end = End()
        self.assertEqual(end.line.getPeer(), end.wire.getPeer())

    @given(
        st.lists(
            st.binary(max_size=20)
            | st.lists(st.sampled_from(b"\xff\xff\xff\xfa\xf0\xfb\xfc\xfd\xfe\x00\x06\xe8\r")).map(
                bytes
            )
        )
    )
    @settings(deadline=None, max_examples=300)
    def test_no_bytes_raise_or_log_an_error(self, chunks: list[bytes]) -> None:
        end = End(Recorder(bytes([BINARY, VMWARE])))
        end.line.do(B_VMWARE)
        end.line.dont(B_VMWARE)
        end.line.negotiation.ask_timing_mark()
        end.hear(*chunks)
        self.assertEqual(self.flushLoggedErrors(), [])
