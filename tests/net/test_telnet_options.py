"""The telnet transport's options: answers, outcomes, timing marks and what is a storm."""

from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import B_BINARY, B_ECHO, B_VMWARE, End, Recorder
from vspc.net.telnet_options import NEGOTIATION_RATE, NEGOTIATIONS
from vspc.wire.telnet import (
    BINARY,
    DO,
    DONT,
    ECHO,
    TIMING_MARK,
    VMWARE,
    WILL,
    WONT,
    negotiation,
    subnegotiation,
)


class Options(SynchronousTestCase):
    def test_an_offer_is_accepted_or_refused_at_once(self) -> None:
        end = End(Recorder(B_BINARY))
        self.assertEqual(end.hear(negotiation(WILL, BINARY)), negotiation(DO, BINARY))
        self.assertEqual(end.hear(negotiation(DO, BINARY)), negotiation(WILL, BINARY))
        self.assertEqual(end.hear(negotiation(WILL, ECHO)), negotiation(DONT, ECHO))
        self.assertEqual(end.hear(negotiation(DO, ECHO)), negotiation(WONT, ECHO))

    def test_what_is_on_already_is_not_asked_for_again(self) -> None:
        end = End(Recorder(B_BINARY))
        self.assertEqual(end.hear(negotiation(WILL, BINARY) * 3), negotiation(DO, BINARY))
        self.assertEqual(end.happened, [("enableRemote", B_BINARY)])
        self.assertTrue(self.successResultOf(end.line.do(B_BINARY)))
        self.assertEqual(end.wire.take(), b"")

    def test_what_is_off_already_is_off(self) -> None:
        end = End()
        outcomes = (end.line.wont(B_ECHO), end.line.dont(B_ECHO))
        self.assertEqual([self.successResultOf(outcome) for outcome in outcomes], [False, False])
        self.assertEqual(end.wire.take(), b"")

    def test_a_refusal_is_reported_and_its_outcome_is_false(self) -> None:
        end = End(Recorder(B_VMWARE))
        outcome = end.line.do(B_VMWARE)
        end.hear(negotiation(WONT, VMWARE))
        self.assertFalse(self.successResultOf(outcome))
        self.assertEqual(end.happened, [("refused_remote", B_VMWARE)])

    def test_a_peer_that_stops_is_acknowledged_and_reported(self) -> None:
        end = End(Recorder(B_BINARY))
        end.hear(negotiation(WILL, BINARY) + negotiation(DO, BINARY))
        answer = end.hear(negotiation(WONT, BINARY) + negotiation(DONT, BINARY))
        self.assertEqual(answer, negotiation(DONT, BINARY) + negotiation(WONT, BINARY))
        self.assertEqual(
            end.happened[2:], [("disableRemote", B_BINARY), ("disableLocal", B_BINARY)]
        )

    def test_two_requests_for_one_option_have_one_outcome(self) -> None:
        end = End()
        first, second = end.line.do(B_ECHO), end.line.do(B_ECHO)
        self.assertEqual(end.wire.take(), negotiation(DO, ECHO))
        end.hear(negotiation(WILL, ECHO))
        self.assertTrue(self.successResultOf(first))
        self.assertTrue(self.successResultOf(second))

    def test_a_change_of_mind_is_over_when_the_last_answer_is_there(self) -> None:
        end = End(Recorder(B_ECHO))
        end.hear(negotiation(WILL, ECHO))
        outcomes = [end.line.dont(B_ECHO), end.line.do(B_ECHO)]
        end.wire.clear()
        self.assertEqual(end.hear(negotiation(WONT, ECHO)), negotiation(DO, ECHO))
        for outcome in outcomes:
            self.assertNoResult(outcome)
        end.hear(negotiation(WILL, ECHO))
        self.assertEqual([self.successResultOf(outcome) for outcome in outcomes], [True, True])

    def test_our_answer_goes_out_before_what_the_protocol_writes_then(self) -> None:
        class Eager(Recorder):
            def enableRemote(self, option: bytes) -> bool:
                self.transport.requestNegotiation(option, b"\x01")
                return True

        answer = End(Eager()).hear(negotiation(WILL, VMWARE) + b"data")
        self.assertEqual(answer, negotiation(DO, VMWARE) + subnegotiation(VMWARE, b"\x01"))

    def test_what_the_protocol_writes_before_it_closes_goes_out(self) -> None:
        class Leaving(Recorder):
            def enableRemote(self, option: bytes) -> bool:
                self.transport.write(b"bye")
                self.transport.loseConnection()
                return False

        end = End(Leaving())
        self.assertTrue(end.hear(negotiation(WILL, VMWARE)).startswith(b"bye"))
        self.assertTrue(end.wire.disconnecting)

    def test_ordinary_negotiation_for_ever_is_not_a_storm(self) -> None:
        end = End()
        end.hear(negotiation(WILL, ECHO) * NEGOTIATIONS)
        for _ in range(200):
            end.clock.advance(1 / NEGOTIATION_RATE)
            end.hear(negotiation(WILL, ECHO))
        self.assertFalse(end.wire.aborted)


class TimingMarks(SynchronousTestCase):
    ASKED = negotiation(DO, TIMING_MARK)

    def test_each_question_is_sent_and_each_answer_reported(self) -> None:
        end = End()
        for answer in (WILL, WONT, WILL):
            end.line.negotiation.ask_timing_mark()
            self.assertEqual(end.wire.take(), self.ASKED)
            self.assertEqual(end.hear(negotiation(answer, TIMING_MARK)), b"")
        self.assertEqual(end.happened, [("timing_mark",)] * 3)

    def test_an_answer_to_no_question_is_dropped(self) -> None:
        end = End()
        self.assertEqual(end.hear(negotiation(WILL, TIMING_MARK)), b"")
        self.assertEqual(end.happened, [("dropped",)])

    def test_a_second_answer_to_one_question_is_dropped(self) -> None:
        end = End()
        end.line.negotiation.ask_timing_mark()
        end.hear(negotiation(WONT, TIMING_MARK) * 2)
        self.assertEqual(end.happened, [("timing_mark",), ("dropped",)])

    def test_the_answers_that_a_long_paste_asks_for_are_no_storm(self) -> None:
        end = End()
        for _ in range(4 * NEGOTIATIONS):
            end.line.negotiation.ask_timing_mark()
            end.hear(negotiation(WONT, TIMING_MARK))
        self.assertEqual(end.happened, [("timing_mark",)] * (4 * NEGOTIATIONS))

    def test_unexpected_answers_are(self) -> None:
        end = End()
        end.hear(negotiation(WILL, TIMING_MARK) * (NEGOTIATIONS + 1))
        self.assertTrue(end.wire.aborted)

    def test_the_peers_own_question_is_answered_each_time(self) -> None:
        end = End()
        self.assertEqual(end.hear(self.ASKED, self.ASKED), negotiation(WONT, TIMING_MARK) * 2)
