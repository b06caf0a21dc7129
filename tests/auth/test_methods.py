"""A method in one file, added to those there are, and what the SSH door makes of it."""

from typing import Any

from attrs import evolve

from tests.auth.fixed_answer import THINKING, FixedAnswer
from tests.auth.minting import line_of
from tests.auth.test_authenticator import AuthenticatorTest
from tests.fakes import FakeClock
from tests.ssh.bench import (
    ALICE,
    AUTH_FAILURE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    DISCONNECT,
    Bench,
    authenticate,
)
from vspc.auth.authenticator import LEAST, OperatorAuthenticator
from vspc.auth.directory import OperatorDirectory
from vspc.auth.methods import METHODS, SETTINGS
from vspc.config import ConfigError, load
from vspc.ssh.server import SshServer
from vspc.wire.ssh import SshReader, string, uint32

INFO_REQUEST, INFO_RESPONSE = 60, 61

KEY = f"authorized_keys = ['{line_of(ALICE.public().blob())}']"
BOTH = f"[operators.alice]\n{KEY}\nrequire = ['publickey', 'fixed_answer']\n"


class AddedMethod(AuthenticatorTest):
    """`FixedAnswer` beside the others, under a real SSH server and a real Conch client."""

    def setUp(self) -> None:
        super().setUp()
        self.bench = Bench()
        self.bench.watch(self)
        self.context = evolve(self.context, clock=FakeClock(self.bench.clock))

    def serve(self, text: str) -> Any:
        """A client that may ask to log in to a server with this configuration."""
        path = self.directory / "vspc.toml"
        path.write_text(text)
        config = load(path, (*SETTINGS, FixedAnswer.settings))
        authenticator = OperatorAuthenticator(
            self.context, config, OperatorDirectory(config), (*METHODS, FixedAnswer)
        )
        self.bench.ssh = SshServer(evolve(self.bench.context, authenticator=authenticator))
        return self.bench.asking()

    def ask_for_questions(self, client: Any) -> None:
        request = (b"alice", b"ssh-connection", b"keyboard-interactive", b"", b"")
        client.say(AUTH_REQUEST, *map(string, request))
        self.bench.settle()

    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.bench.settle()
        self.bench.clock.advance(0)
        self.bench.settle()

    def answer(self, client: Any, text: bytes) -> None:
        client.say(INFO_RESPONSE, uint32(1), string(text))
        self.bench.settle()

    def test_it_is_required_after_a_key(self) -> None:
        client = self.serve(BOTH)
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        [partial] = client.got(AUTH_FAILURE)
        self.assertEqual(partial, string(b"keyboard-interactive") + b"\1")
        self.ask_for_questions(client)
        self.wait(THINKING)
        [question] = client.got(INFO_REQUEST)
        reader = SshReader(question)
        asked = [reader.string(), reader.string(), reader.string(), reader.uint32()]
        self.assertEqual(asked, [b"", b"", b"", 1])
        self.assertEqual((reader.string(), reader.boolean()), (b"Answer: ", True))
        self.assertEqual(client.got(AUTH_SUCCESS), [])
        self.answer(client, b"42")
        self.assertEqual(len(client.got(AUTH_SUCCESS)), 1)
        [event] = self.bench.logged("login-accepted")
        self.assertEqual(event["via"], "publickey+fixed_answer")

    def test_a_wrong_answer_fails_as_slowly_as_a_wrong_password(self) -> None:
        client = self.serve("[operators.alice]\nrequire = ['fixed_answer']\n")
        self.ask_for_questions(client)
        self.wait(THINKING)
        self.answer(client, b"43")
        self.wait(LEAST - 0.01)
        self.assertEqual(client.got(AUTH_FAILURE), [])
        self.wait(0.01)
        self.assertEqual(client.got(AUTH_FAILURE), [string(b"keyboard-interactive") + b"\0"])

    def test_the_configuration_names_it_where_a_word_is_wrong(self) -> None:
        with self.assertRaises(ConfigError) as caught:
            self.serve("[operators.alice]\nrequire = ['fixed_answers']\n")
        self.assertIn('did you mean "fixed_answer"?', str(caught.exception))

    def test_a_request_behind_an_unanswered_question_begins_anew(self) -> None:
        client = self.serve("[operators.alice]\nrequire = ['fixed_answer']\n")
        self.ask_for_questions(client)
        self.ask_for_questions(client)  # which is read when there is a question to be answered
        self.wait(THINKING)
        self.assertEqual(len(client.got(INFO_REQUEST)), 1)
        self.wait(THINKING)
        self.assertEqual(len(client.got(INFO_REQUEST)), 2)
        self.answer(client, b"42")
        self.assertEqual(len(client.got(AUTH_SUCCESS)), 1)
        self.assertEqual(self.bench.logged("ssh-failed"), [])

    def test_an_answer_before_the_question_is_read_after_it(self) -> None:
        client = self.serve("[operators.alice]\nrequire = ['fixed_answer']\n")
        self.ask_for_questions(client)
        self.answer(client, b"42")
        self.assertEqual(client.got(DISCONNECT), [])
        self.wait(THINKING)
        self.assertEqual(len(client.got(AUTH_SUCCESS)), 1)

    def test_a_client_that_leaves_is_not_waited_for(self) -> None:
        client = self.serve("[operators.alice]\nrequire = ['fixed_answer']\n")
        self.ask_for_questions(client)
        self.wait(THINKING)
        client.server.transport.abortConnection()
        self.bench.settle()
        self.wait(60)
        self.assertEqual(self.bench.logged("ssh-failed"), [])
