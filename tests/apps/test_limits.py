"""What verbs remember has an end."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.limits import MESSAGES, PLACES, SENDERS, VerbLimits


class RememberedTest(SynchronousTestCase):
    def test_the_oldest_place_is_forgotten(self) -> None:
        limits = VerbLimits()
        for number in range(PLACES):
            limits.matched("alice", str(number), number)
        limits.matched("alice", "0", 7)
        limits.matched("bob", "0", 8)
        self.assertEqual(limits.last_match("alice", "0"), 7)
        self.assertEqual(limits.last_match("bob", "0"), 8)
        self.assertIsNone(limits.last_match("alice", "1"))

    def test_the_least_recent_sender_is_forgotten(self) -> None:
        limits = VerbLimits()
        for _ in range(MESSAGES):
            self.assertTrue(limits.may_send("alice", 0.0))
        self.assertFalse(limits.may_send("alice", 0.0))
        for number in range(SENDERS):
            self.assertTrue(limits.may_send(str(number), 0.0))
        self.assertTrue(limits.may_send("alice", 0.0))
