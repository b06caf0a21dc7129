"""Law 2 and law 3: what becomes of typed bytes, and how many may be on a line unanswered."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock, FakeLine, World
from vspc.console.input_flow import PATIENCE, POLL, UNANSWERED, WAITING, InputFlow
from vspc.console.input_queue import BREAK_COST, Dropped, InputAccount

LIMIT = 4096


def new_account() -> InputAccount:
    return InputAccount(World().console(), None)


class Owner:
    def __init__(self) -> None:
        self.count = 0
        self.waiting = 0
        self.grew = 0
        self.complaints: list[int] = []
        self.suspensions: list[int] = []
        self.breaks: list[InputAccount] = []

    def delivered(self, data: bytes, account: InputAccount) -> None:
        self.count += len(data)
        account.delivered += len(data)

    def sent_break(self, account: InputAccount) -> None:
        self.breaks.append(account)

    def dropped(self, count: int, account: InputAccount) -> None:
        account.dropped += count

    def withdrawn(self, count: int, account: InputAccount) -> None:
        account.dropped += count

    def waits(self, change: int) -> None:
        self.waiting += change

    def room_grew(self) -> None:
        self.grew += 1

    def unanswered(self, waiting: int) -> None:
        self.complaints.append(waiting)

    def suspended(self, waiting: int) -> None:
        self.suspensions.append(waiting)

    def caught_up(self) -> None: ...
    def changed(self) -> None: ...


class Flow(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.owner = Owner()
        self.account = new_account()
        self.input = InputFlow(self.clock, self.owner)
        self.line = FakeLine()
        self.input.connect(self.line)

    def answer_all(self) -> None:
        while self.line.questions:
            self.line.questions -= 1
            self.input.answered()

    def test_a_key_goes_at_once_and_asks_nothing(self) -> None:
        self.assertEqual(self.input.type(b"x", self.account), 1)
        self.assertEqual(self.line.log, [b"x"])

    def test_ten_thousand_keys_never_wait_while_the_line_answers(self) -> None:
        for _ in range(10_000):
            self.assertEqual(self.input.type(b"k", self.account), 1)
            self.assertEqual(self.input.waiting, 0)
            self.answer_all()
        self.assertEqual(len(self.line.sent), 10_000)

    def test_keys_that_wait_are_kept_together(self) -> None:
        self.input.hold()
        other = new_account()
        for _ in range(20_000):
            self.input.type(b"k", self.account)
        self.input.type(b"o", other)
        self.assertEqual((self.account.waiting, other.waiting), (20_000, 1))
        self.assertLess(len(self.input.state.queue), 20_000 // 1000)
        self.input.release()
        while self.input.waiting:
            self.answer_all()
        self.assertEqual(bytes(self.line.sent), b"k" * 20_000 + b"o")
        self.assertEqual((self.account.delivered, other.delivered), (20_000, 1))

    def test_a_paste_stops_at_the_bound_until_it_is_answered(self) -> None:
        paste = bytes(range(256)) * 200
        self.assertEqual(self.input.type(paste, self.account), len(paste))
        on_the_wire = len(self.line.sent) + self.line.sent.count(0xFF) + 6 * self.line.questions
        self.assertLessEqual(on_the_wire, LIMIT)
        self.assertGreater(on_the_wire, LIMIT // 2)
        while self.input.waiting:
            self.answer_all()
        self.assertEqual(bytes(self.line.sent), paste)

    def test_more_than_the_limit_is_taken_in_part_and_the_rest_announced(self) -> None:
        taken = self.input.type(b"p" * (200 * 1024), self.account)
        self.assertLess(taken, 200 * 1024)
        self.assertLessEqual(self.input.waiting, WAITING)
        self.assertEqual(self.owner.grew, 0)
        self.answer_all()
        self.assertEqual(self.owner.grew, 1)

    def test_held_input_goes_to_the_target_whole_and_once(self) -> None:
        self.input.hold()
        self.assertEqual(self.input.type(b"held", self.account), 4)
        self.assertEqual(bytes(self.line.sent), b"")
        target = FakeLine("10.0.0.2")
        self.input.connect(target)
        self.assertEqual(bytes(target.sent), b"held")
        self.assertEqual(bytes(self.line.sent), b"")

    def test_held_input_goes_back_to_the_source_after_an_abort(self) -> None:
        self.input.hold()
        self.input.type(b"held", self.account)
        self.input.release()
        self.assertEqual(bytes(self.line.sent), b"held")

    def test_a_paste_is_split_between_source_and_target_without_loss(self) -> None:
        paste = bytes(i % 251 for i in range(30_000))
        self.input.type(paste, self.account)
        self.input.hold()
        target = FakeLine("10.0.0.2")
        self.input.connect(target)
        for _ in range(50):
            while target.questions:
                target.questions -= 1
                self.input.answered()
        self.assertEqual(bytes(self.line.sent + target.sent), paste)

    def test_answers_of_the_old_line_do_not_count_for_the_new_one(self) -> None:
        self.input.type(b"p" * 20_000, self.account)
        self.input.hold()
        target = FakeLine("10.0.0.2")
        self.input.connect(target)
        self.input.answered()
        self.input.answered()
        self.input.answered()
        self.assertLessEqual(len(target.sent), 3 * UNANSWERED)

    def test_a_break_keeps_its_place(self) -> None:
        self.input.hold()
        self.input.type(b"before", self.account)
        self.assertTrue(self.input.send_break(self.account))
        self.input.type(b"after", self.account)
        self.assertEqual(self.owner.breaks, [])
        self.input.release()
        self.assertEqual(self.line.log, [b"before", "BREAK", b"after"])
        self.assertEqual(self.owner.breaks, [self.account])

    def test_nothing_times_out_where_nothing_waits(self) -> None:
        self.input.type(b"p" * 10_000, self.account)
        self.clock.advance(PATIENCE - 1)
        self.input.withdraw(self.account)
        self.clock.advance(1)
        self.assertEqual(self.owner.complaints, [])
        self.input.type(b"q" * 10_000, self.account)
        self.clock.advance(PATIENCE - 1)
        self.assertEqual(self.owner.complaints, [])
        self.clock.advance(1)
        self.assertEqual(len(self.owner.complaints), 1)

    def test_breaks_are_bounded_too(self) -> None:
        self.input.hold()
        sent = sum(self.input.send_break(self.account) for _ in range(100_000))
        self.assertLess(sent, 2000)

    def test_what_waited_for_a_line_that_ends_is_dropped_and_counted(self) -> None:
        self.input.type(b"p" * 10_000, self.account)
        sent = len(self.line.sent)
        self.input.disconnect()
        self.assertEqual(self.input.drop(), Dropped(10_000 - sent, 0))
        fresh = FakeLine()
        self.input.connect(fresh)
        self.assertEqual(bytes(fresh.sent), b"")

    def test_a_silent_line_gets_the_weaker_bound_after_5_s_and_recovers(self) -> None:
        self.line.unread = 0
        self.input.type(b"p" * 60_000, self.account)
        first = len(self.line.sent)
        self.clock.advance(PATIENCE - 0.1)
        self.assertEqual(len(self.line.sent), first)
        self.clock.advance(0.2)
        self.assertGreater(len(self.line.sent), first)
        self.line.unread = LIMIT  # TCP has acknowledged nothing more: nothing more goes
        second = len(self.line.sent)
        for _ in range(10):
            self.clock.advance(POLL)
        self.assertLessEqual(len(self.line.sent) - second, UNANSWERED)
        self.answer_all()  # a late answer: the strict bound again
        third = len(self.line.sent)
        self.line.unread = 0
        for _ in range(10):
            self.clock.advance(POLL)
        self.assertLessEqual(len(self.line.sent) - third, UNANSWERED)

    def test_after_a_late_answer_the_whole_paste_arrives(self) -> None:
        self.line.unread = 0
        paste = bytes(i % 251 for i in range(60_000))
        self.input.type(paste, self.account)
        self.clock.advance(PATIENCE + 1)
        for _ in range(100):
            self.answer_all()
            self.clock.advance(POLL)
        self.assertEqual(bytes(self.line.sent), paste)

    def test_a_line_without_a_question_is_bounded_by_what_tcp_has_not_acknowledged(self) -> None:
        self.line.answers = False
        self.line.unread = LIMIT
        self.input.type(b"p" * 60_000, self.account)
        self.assertLessEqual(len(self.line.sent), LIMIT)
        self.line.unread = 0
        for _ in range(100):
            self.clock.advance(POLL)
        self.assertEqual(len(self.line.sent), 60_000)

    @settings(deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.binary(min_size=1, max_size=6000).map(lambda b: ("type", b)),
                st.sampled_from([("answer", b""), ("hold", b""), ("move", b""), ("release", b"")]),
            ),
            max_size=40,
        )
    )
    def test_whatever_happens_every_taken_byte_arrives_once_in_order(
        self, steps: list[tuple[str, bytes]]
    ) -> None:
        owner = Owner()
        flow = InputFlow(FakeClock(), owner)
        lines = [FakeLine()]
        flow.connect(lines[0])
        account = new_account()
        typed = bytearray()
        for step, data in steps:
            line = lines[-1]
            if step == "type":
                typed += data[: flow.type(data, account)]
            elif step == "answer" and line.questions:
                line.questions -= 1
                flow.answered()
            elif step == "hold":
                flow.hold()
            elif step == "release":
                flow.release()
            elif step == "move":
                flow.hold()
                lines.append(FakeLine())
                flow.connect(lines[-1])
            answered = lines[-1]
            unanswered = len(answered.sent)
            self.assertLessEqual(flow.waiting, WAITING)
            if not answered.questions and not flow.held:
                self.assertTrue(flow.waiting == 0 or unanswered)
        flow.release()
        while lines[-1].questions:
            lines[-1].questions -= 1
            flow.answered()
        self.assertEqual(b"".join(bytes(line.sent) for line in lines), bytes(typed))
        self.assertEqual(owner.count, len(typed))

    def test_a_break_that_lasts_holds_what_follows(self) -> None:
        self.line.break_lasts = 0.25
        self.input.type(b"a", self.account)
        self.input.send_break(self.account)
        self.input.type(b"b", self.account)
        self.input.send_break(self.account)
        self.assertEqual(self.line.log, [b"a", "BREAK"])
        self.clock.advance(0.25)
        self.assertEqual(self.line.log, [b"a", "BREAK", "BREAK ends", b"b", "BREAK"])
        self.clock.advance(0.25)
        self.assertEqual(self.line.log[-1], "BREAK ends")
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_a_migration_begins_in_mid_break(self) -> None:
        self.line.break_lasts = 0.25
        self.input.send_break(self.account)
        self.input.type(b"x", self.account)
        self.input.hold()
        self.assertEqual(self.line.log, ["BREAK", "BREAK ends"])
        self.clock.advance(1)
        target = FakeLine()
        self.input.connect(target)
        self.assertEqual((self.line.log[2:], target.log), ([], [b"x"]))

    def test_a_line_that_goes_in_mid_break_is_not_left_in_it(self) -> None:
        self.line.break_lasts = 0.25
        for leave in (self.input.disconnect, lambda: self.input.connect(FakeLine())):
            self.input.connect(self.line)
            self.input.send_break(self.account)
            leave()
            self.assertEqual(self.clock.twisted.getDelayedCalls(), [])
        self.assertEqual(self.line.log, ["BREAK", "BREAK ends"] * 2)

    def test_another_process_ends_a_break(self) -> None:
        self.line.break_lasts = 0.25
        self.input.send_break(self.account)
        self.input.type(b"x", self.account)
        other, line = InputFlow(self.clock, self.owner), FakeLine()
        other.restore(self.input.state, line, self.account)
        self.clock.advance(0)
        self.assertEqual(line.log, ["BREAK ends", b"x"])

    def test_a_suspended_line_gets_nothing_until_it_goes_on(self) -> None:
        self.line.suspended = True
        self.input.flow_changed()
        self.input.type(b"abc", self.account)
        self.input.send_break(self.account)
        self.clock.advance(PATIENCE)
        self.assertEqual((self.line.log, self.owner.suspensions), ([], [3 + BREAK_COST]))
        self.clock.advance(3600)
        self.assertEqual(self.owner.complaints, [])
        self.line.suspended = False
        self.input.flow_changed()
        self.assertEqual(self.line.log, [b"abc", "BREAK"])

    def test_a_target_may_be_suspended_and_the_source_no_longer_counts(self) -> None:
        self.line.suspended = True
        self.input.flow_changed()
        self.input.type(b"x", self.account)
        self.input.hold()
        target = FakeLine()
        self.input.connect(target)
        self.assertEqual(target.log, [b"x"])
        other = FakeLine(suspended=True)
        self.input.connect(other)
        self.input.type(b"y", self.account)
        self.assertEqual(other.log, [])

    def test_as_much_waits_for_a_suspended_line_as_for_any(self) -> None:
        self.line.suspended = True
        self.input.flow_changed()
        self.assertEqual(self.input.type(b"p" * (WAITING + 5), self.account), WAITING)

    def test_breaks_that_are_dropped_are_counted_and_reported(self) -> None:
        self.input.hold()
        self.input.type(b"x", self.account)
        self.input.send_break(self.account)
        dropped = self.input.drop()
        self.assertEqual(dropped, Dropped(1, 1))
        self.assertEqual(str(dropped), "1 byte and 1 BREAK")
        self.assertFalse(self.input.drop())

    def test_a_line_that_could_not_be_asked_and_can_again_recovers(self) -> None:
        self.line.answers, self.line.unread = False, 0
        self.input.type(b"p" * 9000, self.account)
        self.assertEqual(self.line.questions, 0)
        self.line.answers = True
        self.input.type(b"p" * 9000, self.account)
        self.line.unread = 5000
        self.input.type(b"p" * 9000, self.account)
        waiting = self.input.waiting
        self.assertGreater(waiting, 0)
        self.answer_all()
        self.assertLess(self.input.waiting, waiting)
        while self.input.waiting:
            self.answer_all()
        self.assertEqual(len(self.line.sent), 27_000)

    def test_a_host_that_stops_reading_is_reported_once_until_it_answers(self) -> None:
        self.line.unread = 5000
        self.input.type(b"p" * 9000, self.account)
        waiting = self.input.waiting
        self.clock.advance(60)
        self.assertEqual(self.owner.complaints, [waiting])
        self.assertEqual(self.input.waiting, waiting)
