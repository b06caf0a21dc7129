"""The tables that say what becomes of a newcomer."""

from collections.abc import Iterator
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from vspc.console.identity import Candidate, NewLine, OldLine, Takeover, Verdict, choose, decide

YES_NO = (True, False)
TAKES = (Verdict.REPLACE, Verdict.TAKE_OVER)
GETS = (*TAKES, Verdict.JOIN)


def standings() -> Iterator[Candidate]:
    for old, name, host, weaker in product(OldLine, YES_NO, YES_NO, YES_NO):
        yield Candidate(1, old, name, host, weaker)


def newcomers() -> Iterator[NewLine]:
    for takeover, certified in product(Takeover, YES_NO):
        yield NewLine(takeover, certified)


class OneConsole(SynchronousTestCase):
    def test_every_case_has_an_answer(self) -> None:
        for newcomer, standing in product(newcomers(), standings()):
            self.assertIsInstance(decide(newcomer, standing), Verdict)

    def test_a_live_line_is_never_replaced_unasked_or_after_it_answered(self) -> None:
        alive = (OldLine.THERE, OldLine.ANSWERED, OldLine.MIGRATING)
        for newcomer, standing in product(newcomers(), standings()):
            if standing.old in alive and newcomer.takeover is not Takeover.ALLOW:
                self.assertNotIn(decide(newcomer, standing), GETS, (newcomer, standing))

    def test_allow_does_not_replace_a_line_that_answers_or_migrates(self) -> None:
        for standing in standings():
            if standing.old in (OldLine.ANSWERED, OldLine.MIGRATING):
                self.assertNotIn(decide(NewLine(Takeover.ALLOW), standing), GETS)

    def test_nothing_weaker_ever_gets_the_console(self) -> None:
        for newcomer, standing in product(newcomers(), standings()):
            if standing.weaker:
                self.assertNotIn(decide(newcomer, standing), GETS, (newcomer, standing))

    def test_another_name_is_another_vm(self) -> None:
        for newcomer, standing in product(newcomers(), standings()):
            if not standing.same_name:
                self.assertIs(decide(newcomer, standing), Verdict.CLONE)

    def test_a_silent_line_of_another_host_by_the_rule_of_the_zone(self) -> None:
        silent = Candidate(1, OldLine.SILENT, same_name=True, same_host=False)
        there = Candidate(1, OldLine.THERE, same_name=True, same_host=False)
        takes, apart, asks = Verdict.TAKE_OVER, Verdict.QUARANTINE, Verdict.PROBE
        rows = (
            (NewLine(Takeover.PROBE), asks, takes),
            (NewLine(Takeover.SAME_HOST), apart, apart),
            (NewLine(Takeover.CERTIFICATE), apart, apart),
            (NewLine(Takeover.CERTIFICATE, certified=True), asks, takes),
            (NewLine(Takeover.HOLD), apart, apart),
            (NewLine(Takeover.ALLOW), takes, takes),
        )
        for newcomer, unasked, asked in rows:
            self.assertIs(decide(newcomer, there), unasked, newcomer)
            self.assertIs(decide(newcomer, silent), asked, newcomer)

    def test_a_silent_line_of_the_same_host(self) -> None:
        silent = Candidate(1, OldLine.SILENT, same_name=True, same_host=True)
        for takeover in Takeover:
            wanted = Verdict.QUARANTINE if takeover is Takeover.HOLD else Verdict.REPLACE
            self.assertIs(decide(NewLine(takeover), silent), wanted)


class AllConsoles(SynchronousTestCase):
    def test_without_a_candidate_it_gets_a_new_console(self) -> None:
        self.assertEqual(choose(NewLine(), []), (Verdict.OTHER, None))

    def test_the_away_console_of_its_name_before_any_other(self) -> None:
        found = [
            Candidate(1, OldLine.GONE, same_name=False, same_host=True),
            Candidate(2, OldLine.GONE, same_name=True, same_host=False),
        ]
        self.assertEqual(choose(NewLine(), found), (Verdict.JOIN, found[1]))

    def test_all_alive_on_one_host_is_the_next_port(self) -> None:
        found = [Candidate(n, OldLine.ANSWERED, True, True) for n in (1, 2)]
        self.assertEqual(choose(NewLine(), found), (Verdict.OTHER, found[0]))

    def test_one_that_is_silent_beside_one_that_answered_on_another_host(self) -> None:
        found = [
            Candidate(1, OldLine.ANSWERED, True, False),
            Candidate(2, OldLine.SILENT, True, True),
        ]
        self.assertEqual(choose(NewLine(), found), (Verdict.REPLACE, found[1]))
        verdict, _ = choose(NewLine(), found, [OldLine.ANSWERED])
        self.assertIs(verdict, Verdict.QUARANTINE)

    def test_while_the_vm_lives_elsewhere_there_is_no_port_of_it_for_anybody(self) -> None:
        rows = {
            OldLine.ANSWERED: Verdict.QUARANTINE,
            OldLine.THERE: Verdict.PROBE,
            OldLine.MIGRATING: Verdict.WAIT,
            OldLine.SILENT: Verdict.OTHER,
        }
        for rival, wanted in rows.items():
            self.assertIs(choose(NewLine(), [], [rival])[0], wanted)

    def test_one_rival_that_lives_outweighs_those_that_are_silent(self) -> None:
        gone = [Candidate(1, OldLine.GONE, True, False)]
        rivals = [OldLine.SILENT, OldLine.ANSWERED, OldLine.THERE]
        self.assertIs(choose(NewLine(), gone, rivals)[0], Verdict.QUARANTINE)

    def test_a_new_port_from_a_lesser_place_is_kept_apart(self) -> None:
        self.assertEqual(choose(NewLine(), [], lesser=True), (Verdict.QUARANTINE, None))
