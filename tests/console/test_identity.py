"""The table that says what becomes of a newcomer."""

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World
from vspc.console.identity import Old, Standing, Verdict, choose, decide


class Deciding(SynchronousTestCase):
    def test_every_case_has_a_row(self) -> None:
        for old, same_name, same_host in product(Old, (True, False), (True, False)):
            self.assertIsInstance(decide(old, same_name, same_host), Verdict)

    def test_a_live_line_is_never_replaced_unasked_or_after_it_answered(self) -> None:
        alive = (Old.THERE, Old.ANSWERED, Old.MIGRATING)
        for old, same_name, same_host in product(alive, (True, False), (True, False)):
            verdict = decide(old, same_name, same_host)
            self.assertNotIn(verdict, (Verdict.REPLACE, Verdict.JOIN))

    def test_nobody_there_is_a_new_console(self) -> None:
        self.assertEqual(choose([]), (Verdict.OTHER, None))

    def test_the_away_console_of_its_name_before_any_other(self) -> None:
        standings = [
            Standing(1, Old.GONE, same_name=False, same_host=False),
            Standing(2, Old.GONE, same_name=True, same_host=False),
        ]
        self.assertEqual(choose(standings), (Verdict.JOIN, standings[1]))

    def test_all_alive_on_one_host_is_the_next_port(self) -> None:
        standings = [Standing(n, Old.ANSWERED, True, True) for n in (1, 2)]
        self.assertEqual(choose(standings), (Verdict.OTHER, standings[0]))

    def test_one_that_is_silent_beside_one_that_answered_on_another_host(self) -> None:
        standings = [
            Standing(1, Old.ANSWERED, True, False),
            Standing(2, Old.SILENT, True, True),
        ]
        self.assertEqual(choose(standings), (Verdict.REPLACE, standings[1]))

    def test_ids_are_stable_and_hold_nothing_foreign(self) -> None:
        claim = World().claim("../../x", "ab" * 16)
        first = claim.identity.console_id(claim.port_key, 1)
        self.assertEqual(first, claim.identity.console_id(claim.port_key, 1))
        self.assertRegex(first, r"\A[0-9a-f]{16}\Z")
        self.assertNotEqual(first, claim.identity.console_id(claim.port_key, 2))
