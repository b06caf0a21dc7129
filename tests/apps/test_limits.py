"""What verbs remember has an end."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.limits import MESSAGES, PLACES, SPEAKERS, VerbLimits


class RememberedTest(SynchronousTestCase):
    def test_the_oldest_place_is_forgotten(self) -> None:
        remembered = VerbLimits()
        for number in range(PLACES):
            remembered.matched("alice", str(number), number)
        remembered.matched("alice", "0", 7)
        remembered.matched("bob", "0", 8)
        self.assertEqual(remembered.last_match("alice", "0"), 7)
        self.assertEqual(remembered.last_match("bob", "0"), 8)
        self.assertIsNone(remembered.last_match("alice", "1"))

    def test_the_longest_silent_speaker_is_forgotten(self) -> None:
        remembered = VerbLimits()
        for _ in range(MESSAGES):
            self.assertTrue(remembered.may_say("alice", 0.0))
        self.assertFalse(remembered.may_say("alice", 0.0))
        for number in range(SPEAKERS):
            self.assertTrue(remembered.may_say(str(number), 0.0))
        self.assertTrue(remembered.may_say("alice", 0.0))
