"""Passwords and questions as a client on the wire may time them: early, twice, or never."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    ALICE,
    AUTH_FAILURE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    DISCONNECT,
    Bench,
    Client,
    Keys,
    authenticate,
    server_of,
)
from vspc.console.authentication import (
    Asker,
    Claimant,
    ProofRefused,
    Proved,
    Question,
    Verdict,
)
from vspc.console.session import Proof
from vspc.ssh import limits
from vspc.wire.ssh import string, uint32

INFO_REQUEST, INFO_RESPONSE = 60, 61
QUESTIONS, PASSWORD = b"keyboard-interactive", b"password"


class Slow(Keys):
    """An authenticator that thinks until the test says so, before a question and after an answer.

    The answer "right" is accepted. Two of them are required of carol and dave.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thinking: list[Deferred[None]] = []
        self.cancelled = 0
        self.heard: list[tuple[str, bytes]] = []
        self.at_once = False

    def think(self) -> "Deferred[None]":
        thought: Deferred[None] = Deferred()
        if self.at_once:
            thought.callback(None)
        else:
            self.thinking.append(thought)
        return thought

    def go_on(self) -> None:
        self.thinking.pop(0).callback(None)

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        enough = len(shown) >= (2 if claimant.name in ("carol", "dave") else 1)
        return () if enough else ("publickey", "keyboard-interactive", "password")

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        return await self._judge(claimant, password)

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        await self._pause()
        return await self._judge(claimant, await ask(Question("Password: ")))

    async def _judge(self, claimant: Claimant, answer: bytes) -> Verdict:
        self.heard.append((claimant.name, answer))
        await self._pause()
        if answer == b"broken":
            raise ZeroDivisionError
        proof = Proof("password")
        return Proved("password", proof) if answer == b"right" else ProofRefused("wrong", proof)

    async def _pause(self) -> None:
        try:
            await self.think()
        except CancelledError:
            self.cancelled += 1
            raise


class ConversingTest(SynchronousTestCase):
    kind: type[Slow] = Slow

    def setUp(self) -> None:
        self.slow = self.kind()
        self.bench = Bench(authenticator=self.slow)
        self.bench.watch(self)
        self.client: Client = self.bench.asking()

    def request(self, method: bytes = QUESTIONS, rest: bytes = b"", user: bytes = b"alice") -> None:
        service = string(b"ssh-connection")
        rest = rest or string(b"") + string(b"")
        self.client.say(AUTH_REQUEST, string(user), service, string(method), rest)

    def password(self, text: bytes, user: bytes = b"alice") -> None:
        self.request(PASSWORD, b"\0" + string(text), user)

    def answer(self, text: bytes = b"right") -> None:
        self.client.say(INFO_RESPONSE, uint32(1), string(text))

    def settle(self) -> None:
        self.bench.settle()
        self.bench.clock.advance(0)
        self.bench.settle()

    def go_on(self) -> None:
        self.settle()
        self.slow.go_on()
        self.settle()

    def counts(self) -> tuple[int, int, int]:
        """Questions, failures and successes that the client has seen."""
        kinds = (INFO_REQUEST, AUTH_FAILURE, AUTH_SUCCESS)
        first, second, third = (len(self.client.got(kind)) for kind in kinds)
        return first, second, third


class Conversing(ConversingTest):
    def test_a_question_its_answer_and_the_login(self) -> None:
        self.request()
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 0))
        self.answer()
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 1))

    def test_an_answer_that_comes_before_the_question_waits_for_it(self) -> None:
        self.request()
        self.answer()
        self.settle()
        self.assertEqual(self.slow.heard, [])
        self.go_on()
        self.assertEqual(self.slow.heard, [("alice", b"right")])
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 1))

    def test_an_answer_over_the_limit_ends_the_connection(self) -> None:
        self.request()
        self.go_on()
        self.answer(b"x" * (limits.ANSWER_LIMIT + 1))
        self.settle()
        self.assertTrue(self.client.lost)
        self.assertEqual(self.slow.heard, [])

    def test_a_second_answer_ends_the_connection_and_changes_no_verdict(self) -> None:
        self.request()
        self.go_on()
        self.answer(b"wrong")
        self.answer(b"right")
        self.settle()
        self.assertEqual(self.slow.heard, [("alice", b"wrong")])
        self.go_on()
        self.assertEqual(self.counts(), (1, 1, 0))
        self.assertTrue(self.client.got(DISCONNECT))

    def test_an_answer_without_a_question(self) -> None:
        self.answer()
        self.settle()
        self.assertTrue(self.client.got(DISCONNECT))

    def test_another_request_in_place_of_an_answer(self) -> None:
        self.request()
        self.go_on()
        self.password(b"right")
        self.settle()
        self.assertEqual(self.slow.heard, [("alice", b"right")])
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 1))

    def test_questions_that_are_not_answered_are_each_given_up(self) -> None:
        for _ in range(3):
            self.request()
            self.go_on()
        self.assertEqual(self.counts(), (3, 0, 0))
        self.answer()
        self.go_on()
        self.assertEqual(self.counts(), (3, 0, 1))

    def test_requests_at_once_are_decided_one_after_the_other(self) -> None:
        self.password(b"wrong", b"bob")
        self.password(b"wrong")
        self.password(b"right")
        self.settle()
        for heard in range(1, 4):
            self.assertEqual(len(self.slow.heard), heard)
            self.go_on()
        self.assertEqual(self.counts(), (0, 2, 1))
        self.assertEqual(server_of(self.client).login.operator, "alice")  # type: ignore[union-attr]

    def test_at_once_they_are_decided_in_the_same_order(self) -> None:
        self.slow.at_once = True
        self.password(b"wrong")
        self.request()
        self.answer(b"wrong")
        self.request()
        self.answer(b"right")
        self.settle()
        self.assertEqual(self.counts(), (2, 2, 1))

    def test_another_name_between_two_proofs_has_to_show_both(self) -> None:
        for user, text in ((b"carol", b"right"), (b"dave", b"right"), (b"carol", b"right")):
            self.password(text, user)
            self.go_on()
        self.assertEqual(self.counts(), (0, 3, 0))
        self.password(b"right", b"carol")
        self.go_on()
        self.assertEqual(self.counts(), (0, 3, 1))

    def test_a_key_while_a_password_is_checked_waits(self) -> None:
        self.password(b"wrong")
        authenticate(self.client, b"alice", ALICE)
        self.settle()
        self.assertEqual(self.counts(), (0, 0, 0))
        self.go_on()
        self.assertEqual(self.counts(), (0, 1, 1))

    def test_the_client_leaves_at_any_moment(self) -> None:
        for steps in range(4):
            self.setUp()
            self.request()
            self.settle()
            if steps > 0:
                self.go_on()
            if steps > 1:
                self.answer()
                self.settle()
            if steps > 2:
                self.request()  # which is not read any more
                self.settle()
            self.client.transport.loseConnection()  # type: ignore[union-attr]
            self.settle()
            self.assertEqual(self.slow.cancelled, 0 if steps == 1 else 1, steps)
            self.assertEqual(self.bench.ssh.connections, set())
            self.assertEqual(self.bench.logged("ssh-failed"), [])
            calls = [each for each in self.bench.clock.getDelayedCalls() if each.active()]
            self.bench.clock.advance(100)
            self.assertEqual(self.bench.clock.getDelayedCalls(), [], calls)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_the_login_time_is_over_while_a_password_is_checked(self) -> None:
        self.password(b"right")
        self.settle()
        self.bench.pass_time(61)
        self.assertEqual(self.slow.cancelled, 1)
        self.assertEqual(self.counts(), (0, 0, 0))

    def test_an_exception_ends_the_connection_and_is_logged_without_the_password(self) -> None:
        self.password(b"broken")
        self.go_on()
        self.assertTrue(self.client.got(DISCONNECT))
        [event] = self.bench.logged("ssh-failed")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertNotIn("broken", event["log_failure"].getTraceback())

    def test_nothing_is_read_while_an_attempt_is_delayed(self) -> None:
        for _ in range(30):
            self.bench.context.throttle.failed("192.0.2.1", "alice", self.bench.clock.seconds())
        self.request()
        self.answer()
        self.password(b"wrong")
        self.settle()
        self.assertEqual(self.slow.thinking, [])
        self.bench.pass_time(6)
        self.go_on()
        self.go_on()
        self.assertEqual(self.slow.heard[0], ("alice", b"right"))
        self.assertEqual(self.counts(), (1, 0, 1))


class Elsewhere(Slow):
    """What the operator has to do elsewhere is shown; then the test decides."""

    shown = Question("Open the page", is_asked=False, seconds=300)

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        answer = await ask(self.shown)
        self.heard.append((claimant.name, answer))
        await self._pause()
        return await self._judge(claimant, b"right")


class WaitingForWhatIsDoneElsewhere(ConversingTest):
    kind = Elsewhere

    def begin(self) -> None:
        self.request()
        self.settle()
        [shown] = self.client.got(INFO_REQUEST)
        self.assertEqual(shown, string(b"") + string(b"Open the page") + string(b"") + uint32(0))

    def acknowledge(self) -> None:
        self.client.say(INFO_RESPONSE, uint32(0))
        self.settle()

    def test_the_login_time_is_longer_by_that(self) -> None:
        self.begin()
        self.acknowledge()
        self.assertEqual(self.slow.heard, [("alice", b"")])
        self.bench.pass_time(350)
        self.go_on()
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 1))

    def test_and_not_longer_than_all_logins_may_wait(self) -> None:
        for _ in range(5):  # 1500 s of 600
            self.request()
            self.settle()
            self.acknowledge()
        self.bench.pass_time(655)
        self.assertEqual(self.client.got(DISCONNECT), [])
        self.bench.pass_time(10)
        self.assertTrue(self.client.got(DISCONNECT))
        self.assertEqual(self.slow.cancelled, 5)

    def test_the_client_leaves_meanwhile(self) -> None:
        self.begin()
        self.acknowledge()
        self.client.transport.loseConnection()  # type: ignore[union-attr]
        self.settle()
        self.assertEqual(self.slow.cancelled, 1)
        self.assertEqual(self.bench.ssh.connections, set())

    def test_the_client_tries_something_else_meanwhile(self) -> None:
        self.begin()
        self.acknowledge()
        self.password(b"right")
        self.settle()
        self.assertEqual(self.slow.cancelled, 1)
        self.slow.thinking.pop(0)
        self.go_on()
        self.assertEqual(self.counts(), (1, 0, 1))

    def test_an_acknowledgement_that_answers(self) -> None:
        self.begin()
        self.client.say(INFO_RESPONSE, uint32(1), string(b"x"))
        self.settle()
        self.assertTrue(self.client.got(DISCONNECT))


class Hasty(Slow):
    """Does not wait for the answer."""

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        ask(Question("Password: "))
        await self._pause()
        return ProofRefused("changed its mind", Proof("password"))


class LateAnswers(ConversingTest):
    kind = Hasty

    def test_one_answer_after_the_verdict_is_ignored_and_a_second_is_not(self) -> None:
        self.request()
        self.go_on()
        self.assertEqual(self.counts(), (1, 1, 0))
        self.answer()
        self.settle()
        self.assertEqual(self.client.got(DISCONNECT), [])
        self.answer()
        self.settle()
        self.assertTrue(self.client.got(DISCONNECT))
