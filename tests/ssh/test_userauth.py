"""Logging in: who gets in, who does not, and what either costs."""

from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    ALICE,
    AUTH_FAILURE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    DISCONNECT,
    PK_OK,
    STRANGER,
    Bench,
    authenticate,
    probe,
)
from vspc.config.credentials import fingerprint
from vspc.console.logins import Login, LoginConnection, LoginObserver
from vspc.ssh.limits import PROBES_PER_FAILURE, REASON_SHOWN, SshLimits
from vspc.wire.ssh import string

APPLICATION = b"ssh:"
PRESENT, UNTOUCHED = b"\x01", b"\x00"


class TokenTests(SynchronousTestCase):
    """FIDO keys, with a token made here."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.token = Ed25519PrivateKey.generate()
        public = self.token.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.kind = b"sk-ssh-ed25519@openssh.com"
        self.blob = string(self.kind) + string(public) + string(APPLICATION)
        self.bench.directory.known["alice"] = [self.blob]

    def sign(self, client: Any, flags: bytes) -> None:
        """Log in with the token."""
        text = string(b"alice") + string(b"ssh-connection") + string(b"publickey") + b"\1"
        text += string(self.kind) + string(self.blob)
        signed = string(client.sessionID) + bytes((AUTH_REQUEST,)) + text
        counter = b"\0\0\0\5"
        message = sha256(APPLICATION).digest() + flags + counter + sha256(signed).digest()
        signature = string(self.kind) + string(self.token.sign(message)) + flags + counter
        client.say(AUTH_REQUEST, text, string(signature))
        self.bench.settle()

    def test_a_token_that_was_touched(self) -> None:
        client = self.bench.asking()
        self.sign(client, PRESENT)
        self.assertTrue(client.got(AUTH_SUCCESS))

    def test_a_token_that_was_not_touched(self) -> None:
        client = self.bench.asking()
        self.sign(client, UNTOUCHED)
        self.assertFalse(client.got(AUTH_SUCCESS))

    def test_an_elliptic_token(self) -> None:
        self.kind = b"sk-ecdsa-sha2-nistp256@openssh.com"
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.blob = string(self.kind) + string(b"nistp256") + string(point) + string(APPLICATION)
        self.bench.directory.known["alice"] = [self.blob]

        class Elliptic:
            @staticmethod
            def sign(message: bytes) -> bytes:
                """As the wire has it: two numbers, each counted."""
                from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

                numbers = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
                return b"".join(string(b"\0" + n.to_bytes(32, "big")) for n in numbers)

        self.token = Elliptic()  # type: ignore[assignment]
        client = self.bench.asking()
        self.sign(client, PRESENT)
        self.assertTrue(client.got(AUTH_SUCCESS))


class KeyTests(SynchronousTestCase):
    """Which keys do."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.watch(self)

    def add(self, key: Key) -> Key:
        self.bench.directory.known["alice"].append(key.public().blob())
        return key

    def test_an_authorised_key_gets_in_and_is_logged(self) -> None:
        client = self.bench.logged_in()
        [event] = self.bench.logged("login-accepted")
        self.assertEqual("alice", event["operator"])
        self.assertEqual("192.0.2.1", event["address"])
        self.assertEqual(fingerprint(ALICE.public().blob()), event["key"])
        self.assertFalse(client.lost)

    def test_rsa_with_sha2(self) -> None:
        key = self.add(Key(rsa.generate_private_key(65537, 2048)))
        for algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
            client = self.bench.asking()
            authenticate(client, b"alice", key, algorithm=algorithm)
            self.bench.settle()
            self.assertTrue(client.got(AUTH_SUCCESS), algorithm)

    def test_rsa_with_sha1_is_not_even_asked_for(self) -> None:
        key = self.add(Key(rsa.generate_private_key(65537, 2048)))
        client = self.bench.asking()
        probe(client, b"alice", key, b"ssh-rsa")
        self.bench.settle()
        authenticate(client, b"alice", key, algorithm=b"ssh-rsa")
        self.bench.settle()
        self.assertEqual([], client.got(PK_OK))
        self.assertEqual([], client.got(AUTH_SUCCESS))
        self.assertEqual(2, len(client.got(AUTH_FAILURE)))

    def test_short_rsa_keys_are_refused(self) -> None:
        key = self.add(Key(rsa.generate_private_key(65537, 1024)))
        client = self.bench.asking()
        authenticate(client, b"alice", key, algorithm=b"rsa-sha2-256")
        self.bench.settle()
        self.assertEqual([], client.got(AUTH_SUCCESS))

    def test_elliptic_curves(self) -> None:
        for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
            key = self.add(Key(ec.generate_private_key(curve)))
            client = self.bench.asking()
            authenticate(client, b"alice", key)
            self.bench.settle()
            self.assertTrue(client.got(AUTH_SUCCESS), curve)

    def test_a_signature_by_another_key(self) -> None:
        client = self.bench.asking()
        authenticate(client, b"alice", ALICE, signer=STRANGER)
        self.bench.settle()
        self.assertEqual([], client.got(AUTH_SUCCESS))
        self.assertEqual([string(b"publickey") + b"\0"], client.got(AUTH_FAILURE))

    def test_only_a_known_key_is_asked_to_sign(self) -> None:
        client = self.bench.asking()
        probe(client, b"alice", STRANGER)
        self.bench.settle()
        self.assertEqual([], client.got(PK_OK))
        probe(client, b"alice", ALICE)
        self.bench.settle()
        [answer] = client.got(PK_OK)
        self.assertEqual(string(b"ssh-ed25519") + string(ALICE.public().blob()), answer)

    def test_an_unknown_operator_looks_like_one_without_the_key(self) -> None:
        answers = []
        for user in (b"alice", b"nobody", b"\xff", b"x" * 5000):
            client = self.bench.asking()
            probe(client, user, STRANGER)
            authenticate(client, user, STRANGER)
            self.bench.settle()
            answers.append(client.messages)
        self.assertEqual([answers[0]] * 4, answers)

    def test_why_a_known_key_is_refused_is_reported_whatever_else_the_client_has(self) -> None:
        self.bench.directory.refusals[ALICE.public().blob()] = "not from there"
        client = self.bench.asking()
        for key in (STRANGER, ALICE, STRANGER):
            probe(client, b"alice", key)
        client.transport.loseConnection()
        self.bench.settle()
        [event] = self.bench.logged("login-failed")
        self.assertEqual(("not from there", 3), (event["reason"], event["probes"]))

    def test_a_key_withdrawn_between_question_and_signature(self) -> None:
        client = self.bench.asking()
        probe(client, b"alice", ALICE)
        self.bench.settle()
        self.bench.directory.known.clear()
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        self.assertEqual([], client.got(AUTH_SUCCESS))

    def test_passwords_and_nothing_are_not_offered(self) -> None:
        client = self.bench.asking()
        head = string(b"alice") + string(b"ssh-connection")
        client.say(AUTH_REQUEST, head, string(b"none"))
        client.say(AUTH_REQUEST, head, string(b"password"), b"\0", string(b"secret"))
        self.bench.settle()
        self.assertEqual([string(b"publickey") + b"\0"] * 2, client.got(AUTH_FAILURE))

    def test_target_and_options_reach_the_program(self) -> None:
        client = self.bench.logged_in(b"alice+web01,ro,replay=200")
        _, program = self.bench.running(client)
        self.assertEqual(
            ("web01", ("ro", "replay=200")), (program.login.target, program.login.options)
        )


class LimitTests(SynchronousTestCase):
    """What failing costs."""

    def setUp(self) -> None:
        self.bench = Bench(SshLimits(attempts=3))
        self.bench.watch(self)

    def fail(self, client: Any, times: int) -> None:  # type: ignore[override]
        for _ in range(times):
            authenticate(client, b"alice", ALICE, signer=STRANGER)
            self.bench.settle()

    def test_the_last_attempt_ends_the_connection_with_one_line(self) -> None:
        client = self.bench.asking()
        self.fail(client, 2)
        self.assertFalse(client.lost)
        self.fail(client, 1)
        self.assertTrue(client.lost)
        self.assertEqual(1, len(client.got(DISCONNECT)))
        [event] = self.bench.logged("login-failed")
        self.assertEqual(
            ("alice", "bad signature", 3), (event["operator"], event["reason"], event["attempts"])
        )

    def test_unknown_keys_count_as_one_attempt_in_32(self) -> None:
        client = self.bench.asking()
        for _ in range(PROBES_PER_FAILURE * 3 - 1):
            probe(client, b"alice", STRANGER)
        self.bench.settle()
        self.assertFalse(client.lost)
        probe(client, b"alice", STRANGER)
        self.bench.settle()
        self.assertTrue(client.lost)

    def test_many_failures_make_the_next_answer_slow_but_never_refuse(self) -> None:
        for _ in range(13):
            self.fail(self.bench.asking(), 2)
        client = self.bench.asking()
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        self.assertEqual([], client.messages[1:])
        self.bench.pass_time(5)
        self.assertTrue(client.got(AUTH_SUCCESS))
        again = self.bench.asking()
        authenticate(again, b"alice", ALICE)
        self.bench.settle()
        self.assertTrue(again.got(AUTH_SUCCESS))

    def test_another_address_is_not_slowed(self) -> None:
        for _ in range(13):
            self.fail(self.bench.asking(), 2)
        self.bench.logged_in(host="192.0.2.9")

    def test_no_login_in_time(self) -> None:
        client = self.bench.asking()
        self.bench.pass_time(59)
        self.assertFalse(client.lost)
        self.bench.pass_time(1)
        self.assertTrue(client.lost)
        self.assertEqual(1, len(self.bench.logged("login-too-late")))

    def test_the_login_time_ends_with_the_login(self) -> None:
        client = self.bench.logged_in()
        self.bench.pass_time(40)
        client.say(2, string(b""))
        self.bench.pass_time(40)
        self.assertFalse(client.lost)

    def test_a_client_that_comes_and_goes_is_not_worth_a_line(self) -> None:
        client = self.bench.connect()
        client.transport.loseConnection()
        self.bench.settle()
        self.assertEqual([], [e for e in self.bench.events if e["log_level"].name != "debug"])


class TwoKeys(SynchronousTestCase):
    """An operator who has to show two keys."""

    def test_the_same_one_twice_is_one(self) -> None:
        bench = Bench()
        bench.directory.known["alice"] += [STRANGER.public().blob()]
        bench.directory.methods = (  # type: ignore[method-assign]
            lambda claimant, shown: ("publickey",) if len(shown) < 2 else ()
        )
        client = bench.asking()
        for _ in range(3):
            authenticate(client, b"alice", ALICE)
            bench.settle()
        self.assertFalse(client.got(AUTH_SUCCESS))
        self.assertEqual([each[-1] for each in client.got(AUTH_FAILURE)], [1, 0, 0])
        authenticate(client, b"alice", STRANGER)
        bench.settle()
        self.assertTrue(client.got(AUTH_SUCCESS))


class Late(SynchronousTestCase):
    """Who has failed often has to wait."""

    def test_no_login_on_a_connection_that_was_ended_meanwhile(self) -> None:
        bench = Bench(SshLimits(login_timeout=3))
        client = bench.asking()
        for _ in range(40):
            bench.context.throttle.failed(client.server.address, "alice", 0.0)
        authenticate(client, b"alice", ALICE)
        bench.settle()
        client.server.transport.loseConnection = lambda: None  # it takes its time
        bench.clock.advance(3)
        self.assertTrue(client.server.ended)
        bench.clock.advance(2)
        self.assertIsNone(client.server.login)


class Told(SynchronousTestCase):
    """What is said of a client that comes to nothing."""

    def test_each_name_has_its_own_reason_and_one_line(self) -> None:
        bench = Bench()
        bench.watch(self)
        bench.directory.refusals = {ALICE.public().blob(): "the key's expiry-time is past"}
        client = bench.asking()
        probe(client, b"alice", ALICE)
        for name in (b"bob", b"carol"):
            client.say(AUTH_REQUEST, string(name), string(b"ssh-connection"), string(b"none"))
        probe(client, b"dora", STRANGER)
        bench.settle()
        client.server.transport.abortConnection()
        bench.settle()
        told = [(event["operator"], event["reason"]) for event in bench.logged("login-failed")]
        self.assertEqual(
            told, [("alice", "the key's expiry-time is past"), ("dora", "key not authorised")]
        )

    def test_a_long_reason_is_cut(self) -> None:
        bench = Bench()
        bench.watch(self)
        reason = "x" * (REASON_SHOWN + 1)
        bench.directory.refusals = {ALICE.public().blob(): reason}
        client = bench.asking()
        probe(client, b"alice", ALICE)
        client.server.transport.abortConnection()
        bench.settle()
        [event] = bench.logged("login-failed")
        self.assertLess(len(str(event["reason"])), REASON_SHOWN + 20)
        self.assertIn("+1", str(event["reason"]))

    def test_a_login_over_the_session_limit_is_logged_as_refused(self) -> None:
        class Full(LoginObserver):
            def came(self, login: Login, connection: LoginConnection) -> str:
                return "you have 64 already"

        bench = Bench(observer=Full())
        bench.watch(self)
        client = bench.asking()
        authenticate(client, b"alice", ALICE)
        bench.settle()
        self.assertFalse(client.got(AUTH_SUCCESS))
        self.assertTrue(client.got(DISCONNECT))
        self.assertTrue(bench.logged("login-without-room"))
        self.assertFalse(bench.logged("login-accepted"))
