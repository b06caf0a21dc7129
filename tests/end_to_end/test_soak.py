"""The soak model for as long as it takes to meet what is rare; it needs no other program."""

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.test_soak import soak

EXAMPLES = 1000


class LongSoak(SynchronousTestCase):
    def test_whatever_happens_nothing_is_lost_doubled_or_stolen(self) -> None:
        soak(EXAMPLES)
