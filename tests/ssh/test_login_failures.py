"""What a client tried in vain, and what of it administrators are shown by `refusals`."""

from collections.abc import Iterable
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import Recorded
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import LoginRecorder
from vspc.console.authentication import ProofRefused, RefusalCause
from vspc.console.logins import LoginFailure, LoginObserver
from vspc.console.session import Proof
from vspc.ssh.limits import LoginFailures

KEY = Proof("publickey", "SHA256:wrong", key=b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32))
PASSWORD = Proof("password")


NO_KEY = ProofRefused("key not authorised", KEY, cause=RefusalCause.KEY_NOT_AUTHORISED)


class Told(LoginObserver):
    """What a service does with what it hears."""

    def __init__(self, logins: LoginRecorder) -> None:
        self._logins = logins

    def failed(self, failure: LoginFailure) -> None:
        self._logins.failed(failure)

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        self._logins.excused(failures)


class WrongKeyThenPassword(SynchronousTestCase):
    """A key that is not authorised, and then the password that OpenSSH asks for instead."""

    def setUp(self) -> None:
        self.recorded, self.refused = Recorded(), RecentRefusals(lambda: 60.0)
        logins = LoginRecorder(self.recorded, self.refused, lambda: 0.0, lambda: 0.0, self.fail)
        self.tries = LoginFailures("192.0.2.66", Told(logins))
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.tries.probe(ProofRefused("", Proof("")), known=False)
        self.tries.probe(NO_KEY, known=False)

    def shown(self) -> list[tuple[str, int, str]]:
        """What `refusals` has: the reason, how often, and what it begins to say to do."""
        latest = self.refused.latest()
        return [(each.reason, each.count, each.hint.partition("\n")[0]) for each in latest]

    def test_the_key_is_shown_beside_the_password(self) -> None:
        for _ in range(3):
            self.tries.fail("alice", ProofRefused("wrong password", PASSWORD))
        self.tries.conclude("alice", lambda _address: True)
        self.assertEqual(
            self.shown(),
            [
                ("publickey: key not authorised", 1, "[operators.alice]"),
                ("password: wrong password", 3, ""),
            ],
        )
        keys = [line.get("fingerprint") for line in self.recorded.named("login-failed")]
        self.assertEqual(keys, ["SHA256:wrong", None, None, None])
        logged = [each for each in self.events if each.get("log_format") == "login-failed"]
        self.assertEqual([(e["via"], e["key"]) for e in logged], [("password", "SHA256:wrong")])

    def test_it_is_reported_once_where_no_password_is_typed(self) -> None:
        self.tries.conclude("alice", lambda _address: True)
        self.assertEqual(self.shown(), [("publickey: key not authorised", 1, "[operators.alice]")])

    def test_nothing_of_it_is_left_when_the_password_is_right_in_the_end(self) -> None:
        self.tries.fail("alice", ProofRefused("wrong password", PASSWORD))
        self.tries.admitted()
        self.assertEqual(self.shown(), [])

    def test_a_key_of_another_name_is_not_reported_again(self) -> None:
        self.tries.conclude("alice", lambda _address: True)
        self.tries.fail("bob", ProofRefused("wrong password", PASSWORD))
        self.assertEqual(
            [reason for reason, _, _ in self.shown()][1:], ["password: wrong password"]
        )
