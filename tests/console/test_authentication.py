"""Several proofs of one claimant, taken together."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.authentication import Proved, together
from vspc.console.session import UNLIMITED, Proof, SessionLimits

NAMES = st.lists(st.sampled_from(["web*", "db1", "x"]), max_size=3, unique=True).map(tuple)
LIMITS = st.builds(
    SessionLimits,
    st.none() | st.sampled_from(["list", "info web01"]),
    st.booleans(),
    st.booleans(),
    st.none() | NAMES,
)


class Together(SynchronousTestCase):
    def test_what_each_proves_is_there(self) -> None:
        proved = (
            Proved("publickey", Proof("publickey", "SHA256:a", key=b"a")),
            Proved("password", Proof("password", stamp=b"s")),
        )
        proof, limits = together(proved)
        self.assertEqual((proof.via, proof.fingerprint), ("publickey+password", "SHA256:a"))
        self.assertEqual((proof.key, proof.stamp, limits), (b"a", b"s", UNLIMITED))

    @given(st.lists(LIMITS, min_size=1, max_size=4))
    def test_nothing_is_allowed_that_one_of_them_forbids(self, many: list[SessionLimits]) -> None:
        proofs = tuple(Proved(str(n), Proof(str(n)), each) for n, each in enumerate(many))
        _, limits = together(proofs)
        commands = {each.command for each in many} - {None}
        if limits is None:
            self.assertGreater(len(commands), 1)
            return
        self.assertEqual(commands, {limits.command} - {None})
        self.assertEqual(limits.pty, all(each.pty for each in many))
        self.assertEqual(limits.forwarding, all(each.forwarding for each in many))
        for each in many:
            if each.opens is not None:
                assert limits.opens is not None
                self.assertLessEqual(set(limits.opens), set(each.opens))
