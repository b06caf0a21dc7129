"""Sessions by a real SSH server and by the control socket: counted, recorded, ended."""

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import FakeChannel
from tests.audit.holding import Recorded
from tests.fakes import FakeClock
from tests.ssh.bench import ALICE as KEY
from tests.ssh.bench import (
    AUTH_SUCCESS,
    DISCONNECT,
    OPEN,
    STRANGER,
    Bench,
    authenticate,
    probe,
)
from vspc.console.logins import Login, LoginFailure
from vspc.console.sessions import Quota, Sessions
from vspc.server.logins import LoginService
from vspc.server.reload import LOCAL
from vspc.wire.ssh import string, uint32


class Recording:
    """`vspc.server.logins.LoginRecording` that remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def came(self, login: Login) -> None:
        self.told.append(f"{login.operator} came")

    def left(self, login: Login) -> None:
        self.told.append(f"{login.operator} left")

    def failed(self, failure: LoginFailure) -> None:
        self.told.append(f"{failure.operator} failed")

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        self.told += [f"{failure.operator} excused" for failure in failures]


class LoginServiceTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.sessions = Sessions(lambda: Quota(sessions=2))
        self.audit, self.recording = Recorded(), Recording()
        self.logins = LoginService(self.sessions, self.audit, self.recording, FakeClock().wall)
        self.bench = Bench(observer=self.logins)

    def login(self) -> Any:
        client = self.bench.asking()
        authenticate(client, b"alice", KEY)
        self.bench.settle()
        return client

    def open(self, client: Any) -> None:
        window = uint32(1 << 20) + uint32(1 << 15)
        client.say(OPEN, string(b"session") + uint32(0) + window)
        self.bench.settle()

    def test_the_sixty_first_key_is_accepted(self) -> None:
        client = self.bench.asking()
        for _ in range(60):
            probe(client, b"alice", STRANGER)
        authenticate(client, b"alice", KEY)
        self.bench.settle()
        self.assertTrue(client.got(AUTH_SUCCESS))
        self.assertEqual(self.recording.told, ["alice failed", "alice came", "alice excused"])

    def test_failures_under_another_name_are_not_excused(self) -> None:
        client = self.bench.asking()
        for _ in range(40):
            probe(client, b"root", STRANGER)
        authenticate(client, b"alice", KEY)
        self.bench.settle()
        self.assertEqual(self.recording.told, ["root failed", "root failed", "alice came"])

    def test_a_session_lasts_until_its_connection_is_lost(self) -> None:
        client = self.login()
        [present] = self.sessions
        self.assertEqual(present.session.operator.name, "alice")
        self.assertTrue(present.idle())
        self.open(client)
        self.assertFalse(present.idle())
        client.transport.loseConnection()
        self.bench.settle()
        self.assertEqual(list(self.sessions), [])
        self.assertEqual(self.recording.told, ["alice came", "alice left"])

    def test_a_session_over_the_limit_replaces_one_that_is_not_in_use(self) -> None:
        first, second = self.login(), self.login()
        self.open(first)
        third = self.login()
        self.bench.settle()
        self.assertTrue(third.got(AUTH_SUCCESS))
        self.assertIn(b"newer session", second.got(DISCONNECT)[0])
        self.assertEqual(len(list(self.sessions)), 2)

    def test_where_all_are_in_use_a_login_is_refused_and_recorded(self) -> None:
        for _ in range(2):
            self.open(self.login())
        third = self.login()
        self.assertFalse(third.got(AUTH_SUCCESS))
        self.assertIn(b"you have 2 sessions already", third.got(DISCONNECT)[0])
        [limit] = self.audit.named("limit")
        self.assertEqual((limit["operator"], limit["limit"]), ("alice", "max_sessions"))
        self.assertEqual(self.recording.told, ["alice came", "alice came"])

    def test_to_end_a_session_ends_its_connection_with_a_reason(self) -> None:
        client = self.login()
        [present] = self.sessions
        present.end("locked out")
        self.bench.settle()
        self.assertIn(b"locked out", client.got(DISCONNECT)[0])

    def test_a_thousand_channels_are_one_line(self) -> None:
        client = self.login()
        for _ in range(1000):
            self.open(client)
        limits = self.audit.named("limit")
        self.assertEqual([event["limit"] for event in limits], ["max_channels"])

    def test_a_local_session_has_no_limits_and_is_recorded(self) -> None:
        leave = []
        for _ in range(5):
            channel = FakeChannel()
            session, left = self.logins.local(channel)
            self.assertIs(session.operator, LOCAL)
            leave.append(left)
        self.assertEqual(len(list(self.sessions)), 5)
        present = list(self.sessions)[-1]
        present.end("off you go")
        self.assertEqual((channel.status, channel.complaint), (1, "off you go\n"))
        for left in leave:
            left()
        self.assertEqual(list(self.sessions), [])
        self.assertEqual(self.recording.told, ["root@local came"] * 5 + ["root@local left"] * 5)

    def test_a_local_session_that_is_ended_is_recorded_at_once_and_once(self) -> None:
        _, left = self.logins.local(FakeChannel())
        [present] = self.sessions
        present.end("the server stops")
        left()
        self.assertEqual(self.recording.told, ["root@local came", "root@local left"])

    def test_another_user_at_the_control_socket_is_a_failed_login(self) -> None:
        self.logins.refused("local uid=1000")
        self.assertEqual(self.recording.told, ["root@local failed"])
