"""The option table: against RFC 1143's text written out, and two ends that negotiate."""

from collections import deque
from itertools import product

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.qmethod import Effect, OptionStates
from vspc.wire.telnet import BINARY, DO, DONT, ECHO, WILL, WONT

BOTH = st.sampled_from([BINARY, ECHO])
VERBS = st.sampled_from([WILL, WONT, DO, DONT])


@define
class Him:
    """RFC 1143 section 7 as it reads: one state and one queue bit, for what the peer does."""

    state: str = "NO"
    opposite: bool = False

    def will(self, agree: bool) -> int | None:
        if self.state == "NO":
            self.state = "YES" if agree else "NO"
            return DO if agree else DONT
        if self.state == "WANTNO":
            self.state = "YES" if self.opposite else "NO"
            self.opposite = False
        elif self.state == "WANTYES":
            if self.opposite:
                self.state, self.opposite = "WANTNO", False
                return DONT
            self.state = "YES"
        return None

    def wont(self) -> int | None:
        was, opposite, self.opposite = self.state, self.opposite, False
        if was == "WANTNO" and opposite:
            self.state = "WANTYES"
            return DO
        self.state = "NO"
        return DONT if was == "YES" else None

    def ask(self, on: bool) -> int | None:
        settled, towards = ("NO", "WANTYES") if on else ("YES", "WANTNO")
        away = "WANTNO" if on else "WANTYES"
        if self.state == settled:
            self.state = towards
            return DO if on else DONT
        if self.state == away:
            self.opposite = True
        elif self.state == towards:
            self.opposite = False
        return None


MIRROR = {DO: WILL, DONT: WONT, WILL: DO, WONT: DONT, None: None}


class AgainstTheText(SynchronousTestCase):
    @given(st.lists(st.tuples(VERBS, st.booleans()) | VERBS, max_size=25))
    @settings(deadline=None, max_examples=300)
    def test_sends_what_the_rfc_says_for_any_input(
        self, inputs: list[tuple[int, bool] | int]
    ) -> None:
        options, him, us = OptionStates(), Him(), Him()
        for given_ in inputs:
            if isinstance(given_, int):
                sent = options.want(given_, BINARY)
                side = us if given_ in (WILL, WONT) else him
                wanted = side.ask(given_ in (WILL, DO))
            else:
                verb, agree = given_
                sent, _ = options.receive(verb, BINARY, agree)
                side = us if verb in (DO, DONT) else him
                wanted = side.will(agree) if verb in (WILL, DO) else side.wont()
            self.assertEqual(sent, wanted if side is him else MIRROR[wanted], given_)
            self.assertEqual(options.enabled(True, BINARY), us.state == "YES")
            self.assertEqual(options.enabled(False, BINARY), him.state == "YES")
            self.assertEqual(options.settled(True, BINARY), us.state in ("YES", "NO"))
            self.assertEqual(options.settled(False, BINARY), him.state in ("YES", "NO"))


class OneEnd(SynchronousTestCase):
    def test_an_offer_that_we_like_is_accepted_once(self) -> None:
        options = OptionStates()
        self.assertEqual(options.receive(WILL, BINARY, True), (DO, Effect.ENABLED))
        self.assertEqual(options.receive(WILL, BINARY, True), (None, None))

    def test_an_offer_that_we_do_not_like_is_refused_each_time(self) -> None:
        options = OptionStates()
        for _ in range(3):
            self.assertEqual(options.receive(DO, ECHO, False), (WONT, None))

    def test_an_acknowledgement_is_never_answered(self) -> None:
        options = OptionStates()
        self.assertEqual((options.want(DO, BINARY), options.want(WILL, BINARY)), (DO, WILL))
        self.assertEqual(options.receive(WILL, BINARY, True), (None, Effect.ENABLED))
        self.assertEqual(options.receive(DO, BINARY, True), (None, Effect.ENABLED))

    def test_a_refusal_is_reported_as_such(self) -> None:
        options = OptionStates()
        options.want(DO, ECHO)
        self.assertEqual(options.receive(WONT, ECHO, True), (None, Effect.REFUSED))
        self.assertFalse(options.enabled(False, ECHO))

    def test_both_directions_of_an_option_at_once(self) -> None:
        options = OptionStates()
        options.want(DO, BINARY)
        options.want(WILL, BINARY)
        options.receive(WILL, BINARY, True)
        self.assertTrue(options.enabled(False, BINARY))
        self.assertFalse(options.enabled(True, BINARY))
        self.assertFalse(options.settled(True, BINARY))

    def test_a_peer_that_stops_is_acknowledged(self) -> None:
        options = OptionStates()
        options.receive(WILL, BINARY, True)
        self.assertEqual(options.receive(WONT, BINARY, True), (DONT, Effect.DISABLED))
        self.assertEqual(options.receive(WONT, BINARY, True), (None, None))

    def test_a_change_of_mind_waits_for_the_answer(self) -> None:
        options = OptionStates()
        self.assertEqual((options.want(DO, ECHO), options.want(DONT, ECHO)), (DO, None))
        self.assertEqual(options.receive(WILL, ECHO, True), (DONT, None))
        self.assertEqual(options.receive(WONT, ECHO, True), (None, Effect.DISABLED))

    def test_two_changes_of_mind_cancel_out(self) -> None:
        options = OptionStates()
        options.receive(WILL, ECHO, True)
        self.assertEqual(
            (options.want(DONT, ECHO), options.want(DO, ECHO), options.want(DONT, ECHO)),
            (DONT, None, None),
        )
        self.assertEqual(options.receive(WONT, ECHO, True), (None, Effect.DISABLED))
        self.assertEqual(
            (options.want(DO, ECHO), options.want(DONT, ECHO), options.want(DO, ECHO)),
            (DO, None, None),
        )
        self.assertEqual(options.receive(WILL, ECHO, True), (None, Effect.ENABLED))

    def test_a_will_that_crosses_our_dont_is_not_an_error(self) -> None:
        options = OptionStates()
        options.receive(WILL, ECHO, True)
        options.want(DONT, ECHO)
        self.assertEqual(options.receive(WILL, ECHO, True), (None, Effect.DISABLED))
        self.assertTrue(options.settled(False, ECHO))

    def test_options_do_not_touch_each_other(self) -> None:
        options = OptionStates()
        options.receive(WILL, 255, True)
        options.receive(DO, 0, True)
        on = [(o, options.enabled(True, o), options.enabled(False, o)) for o in (0, 1, 254, 255)]
        expected = [(0, True, False), (1, False, False), (254, False, False), (255, False, True)]
        self.assertEqual(on, expected)


class AsAValue(SynchronousTestCase):
    @given(st.lists(st.tuples(VERBS, st.integers(0, 255), st.booleans()), max_size=20))
    @settings(deadline=None)
    def test_goes_through_bytes_and_behaves_the_same(
        self, inputs: list[tuple[int, int, bool]]
    ) -> None:
        one = OptionStates()
        for verb, option, agree in inputs:
            one.want(DO, option)
            one.receive(verb, option, agree)
            one.want(WONT, option)
        other = OptionStates(one.to_bytes())
        self.assertEqual(other.to_bytes(), one.to_bytes())
        for (verb, option, agree), wish in product(inputs, (DO, WONT)):
            self.assertEqual(one.want(wish, option), other.want(wish, option))
            self.assertEqual(one.receive(verb, option, agree), other.receive(verb, option, agree))

    def test_what_no_table_wrote_is_refused(self) -> None:
        for state in (b"\0", b"\0\1", b"\0\1\2\0", b"\0\1\0", b"\0\1\6", b"\2\1\1"):
            with self.assertRaises(ValueError):
                OptionStates(state)


class End:
    """One of two ends: its table, what is on the way to it, and what it was told."""

    def __init__(self) -> None:
        self.options = OptionStates()
        self.inbox: deque[tuple[int, int]] = deque()
        self.agrees = {BINARY: True, ECHO: False}
        self.told = {(ours, option): False for ours in (True, False) for option in (BINARY, ECHO)}

    def hear(self) -> tuple[int, int] | None:
        """Deal with the oldest message; the answer."""
        verb, option = self.inbox.popleft()
        reply, effect = self.options.receive(verb, option, self.agrees[option])
        if effect is not None:
            self.told[verb in (DO, DONT), option] = effect is Effect.ENABLED
        return None if reply is None else (reply, option)


class TwoEnds(RuleBasedStateMachine):
    """Lossless and in order both ways, as TCP is; anybody may want anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = (End(), End())
        self.wishes = self.messages = 0

    def post(self, sender: int, message: tuple[int, int] | None) -> None:
        if message is not None:
            self.messages += 1
            self.ends[1 - sender].inbox.append(message)

    @rule(who=st.integers(0, 1), wish=VERBS, option=BOTH)
    def want(self, who: int, wish: int, option: int) -> None:
        self.wishes += 1
        verb = self.ends[who].options.want(wish, option)
        self.post(who, None if verb is None else (verb, option))

    @rule(who=st.integers(0, 1), option=BOTH, agree=st.booleans())
    def change_taste(self, who: int, option: int, agree: bool) -> None:
        self.ends[who].agrees[option] = agree

    @precondition(lambda self: any(end.inbox for end in self.ends))
    @rule(who=st.integers(0, 1))
    def deliver(self, who: int) -> None:
        if self.ends[who].inbox:
            self.post(who, self.ends[who].hear())

    @invariant()
    def what_was_told_is_what_is_so(self) -> None:
        for end in self.ends:
            for (ours, option), told in end.told.items():
                options = end.options
                assert not options.settled(ours, option) or options.enabled(ours, option) == told

    @invariant()
    def each_wish_costs_few_messages(self) -> None:
        # Its request, the answer, and a queued change of mind with its answer, at each end.
        assert self.messages <= 4 * self.wishes

    def teardown(self) -> None:
        while any(end.inbox for end in self.ends):
            for who in (0, 1):
                self.deliver(who)
            self.each_wish_costs_few_messages()
        self.what_was_told_is_what_is_so()
        one, other = (end.options for end in self.ends)
        for option in (BINARY, ECHO):
            assert one.settled(True, option)
            assert one.settled(False, option)
            assert one.enabled(True, option) == other.enabled(False, option)
            assert one.enabled(False, option) == other.enabled(True, option)


class Convergence(SynchronousTestCase):
    def test_two_ends_always_come_to_agree_and_to_rest(self) -> None:
        run_state_machine_as_test(
            TwoEnds, settings=settings(deadline=None, max_examples=100, stateful_step_count=30)
        )
