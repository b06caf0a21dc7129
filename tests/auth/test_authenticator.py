"""Which proofs are accepted, in which order; and that unknown operators look like others."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pyotp
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import NOW, Token, Workshop, line_of
from tests.fakes import FakeClock
from vspc.apps.verbs.limits import at_once
from vspc.auth.authenticator import LEAST, OperatorAuthenticator
from vspc.auth.directory import OperatorDirectory
from vspc.auth.lockouts import LockoutStore
from vspc.auth.method import AuthContext
from vspc.auth.methods import SETTINGS, password, totp
from vspc.auth.passwords import Passwords, hash_password
from vspc.auth.programs import Programs
from vspc.auth.revocation import RevocationFile
from vspc.auth.revoked import Draft, Revoked
from vspc.auth.statefile import StateFile
from vspc.auth.totp import WINDOW, WRONG, Codes
from vspc.config import load
from vspc.config.credentials import Cost, fingerprint
from vspc.console.access import Operator
from vspc.console.authentication import (
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Question,
    Verdict,
    together,
)
from vspc.console.ports import Lockout
from vspc.console.session import Proof, Session, SessionLimits
from vspc.net.children import Child, ChildObserver
from vspc.net.waiting import sleep
from vspc.wire.ssh import string

CHEAP = Cost(7168, 5, 1)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

ALICE = Claimant("alice", "192.0.2.1")
NOBODY = Claimant("mallory", "192.0.2.1")


def plain(number: int) -> bytes:
    """The blob of an ed25519 key."""
    return string(b"ssh-ed25519") + string(bytes([number]) * 32)


class CountedPasswords(Passwords):
    """Without threads: a check takes a tenth of a second of the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.looked = 0
        self.clients: list[str] = []
        self.imitated: list[str] = []
        super().__init__(
            lambda call: Deferred.fromCoroutine(sleep(clock, 0.1)).addCallback(lambda _: call()),
            failed,
        )

    def imitate(self, hashes: Iterable[str]) -> None:
        self.imitated = list(hashes)
        super().imitate(self.imitated)

    async def check(self, hashed: str | None, password: bytes, client: str = "") -> bool:
        self.looked += 1
        self.clients.append(client)
        return await super().check(hashed, password, client)


def failed() -> None:
    raise AssertionError("a password could not be checked")


@define
class Helpers:
    """The administrator's programs: one that accepts a word, and one with a table of keys."""

    clock: FakeClock
    keys_of: dict[str, str] = field(factory=dict)
    asked: list[str] = field(factory=list)

    def start(self, _reactor: object, words: Sequence[str], observer: ChildObserver) -> Child:
        return HelperChild(self, words, observer)


@define(eq=False)
class HelperChild(Child):
    helpers: Helpers
    words: Sequence[str]
    observer: ChildObserver
    asks: bool = False

    def write(self, data: bytes) -> None:
        if data.startswith(b"version 1\noperator "):
            self.asks = True
            self.helpers.asked.append(data.split(b"\n")[1].partition(b" ")[2].decode())
            self.say(b"ask Directory password: \n")
        else:
            self.say(b"ok\n" if data == b"answer right\n" else b"no\n")

    def say(self, data: bytes) -> None:
        self.helpers.clock.call_later(0, lambda: self.observer.output(data))

    def close_input(self) -> None:
        if not self.asks:
            self.helpers.asked.append(self.words[1])
            self.say(self.helpers.keys_of.get(self.words[1], "").encode())
        self.helpers.clock.call_later(0, lambda: self.observer.exited(0))

    def ignore_output(self) -> None:
        pass

    def end(self, force: bool = False) -> None:
        pass


class AuthenticatorTest(SynchronousTestCase):
    """An authenticator over a configuration file."""

    def setUp(self) -> None:
        self.clock = FakeClock()
        self.clock.epoch = NOW
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.revoked: Revoked | str = Revoked()
        self.known: Revoked | str = Revoked()
        self.passwords = CountedPasswords(self.clock)
        self.helpers = Helpers(self.clock)
        self.lockouts = LockoutStore(
            StateFile(self.directory / "lockouts", at_once), self.clock.wall
        )
        self.codes = Codes(self.clock, StateFile(self.directory / "codes", at_once))
        programs = Programs(None, self.clock, self.helpers.start)  # type: ignore[arg-type]
        self.context = AuthContext(
            self.clock,
            self.passwords,
            self.codes,
            programs,
            self.lockouts,
            lambda: cast(RevocationFile, self),
        )

    def current(self) -> Revoked | str:
        """What is revoked, in place of a file."""
        return self.revoked

    async def refreshed(self, _clock: object) -> None:
        """It is known at once."""

    def authenticator(self, text: str) -> OperatorAuthenticator:
        path = self.directory / "vspc.toml"
        path.write_text(text)
        config = load(path, SETTINGS)
        return OperatorAuthenticator(self.context, config, OperatorDirectory(config))

    def key(
        self,
        authenticator: OperatorAuthenticator,
        blob: bytes,
        claimant: Claimant = ALICE,
        shown: tuple[str, ...] = (),
    ) -> Offered | ProofRefused:
        answer = Deferred.fromCoroutine(authenticator.key(claimant, shown, blob))
        self.clock.advance(0)
        return self.successResultOf(answer)

    def refusal(
        self,
        authenticator: OperatorAuthenticator,
        blob: bytes,
        claimant: Claimant = ALICE,
        shown: tuple[str, ...] = (),
    ) -> str:
        answer = self.key(authenticator, blob, claimant, shown)
        assert isinstance(answer, ProofRefused), answer
        return answer.reason

    def password(
        self,
        authenticator: OperatorAuthenticator,
        word: bytes,
        claimant: Claimant = ALICE,
        shown: tuple[str, ...] = (),
    ) -> Verdict:
        answer = Deferred.fromCoroutine(authenticator.password(claimant, shown, word))
        self.clock.advance(0.2)
        self.clock.advance(LEAST)
        return self.successResultOf(answer)

    def talk(
        self,
        authenticator: OperatorAuthenticator,
        *answers: bytes,
        claimant: Claimant = ALICE,
        shown: tuple[str, ...] = (),
    ) -> list[Question | Verdict]:
        """The questions of a conversation with these answers, and what it comes to."""
        heard: list[Question | Verdict] = []
        asked: list[Deferred[bytes]] = []

        def ask(question: Question) -> Deferred[bytes]:
            heard.append(question)
            asked.append(Deferred())
            return asked[-1]

        Deferred.fromCoroutine(authenticator.converse(claimant, shown, ask)).addCallback(
            heard.append
        )
        self.clock.advance(0)
        for answer in answers:
            asked.pop().callback(answer)
            self.clock.advance(0.2)
            self.clock.advance(LEAST)
        return heard


class Keys(AuthenticatorTest):
    def lines(self, *options: str) -> str:
        quoted = ", ".join(f"'{each}{line_of(plain(1))}'" for each in options)
        return f"[operators.alice]\nauthorized_keys = [{quoted}]\n"

    def test_a_key_of_the_table_and_no_other(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        self.assertEqual(offered.proof, Proof("publickey", fingerprint(plain(1))))
        self.assertEqual(offered.key, plain(1))
        self.assertEqual(self.refusal(authenticator, plain(2)), "key not authorised")
        self.assertEqual(self.refusal(authenticator, plain(1), NOBODY), "key not authorised")

    def test_options_of_the_line_are_limits_of_the_session(self) -> None:
        authenticator = self.authenticator(
            self.lines('restrict,pty,command="list",permitopen="web01:1" ')
        )
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        self.assertEqual(offered.limits, SessionLimits("list", True, False, ("web01",)))

    def test_where_a_key_stands_twice_the_first_line_that_fits_counts(self) -> None:
        authenticator = self.authenticator(
            self.lines('from="10.0.0.0/8" ', 'expiry-time="20200101Z" ', 'from="192.0.2.*",no-pty ')
        )
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        self.assertFalse(offered.limits.pty)
        elsewhere = Claimant("alice", "203.0.113.5")
        self.assertIn("from=", self.refusal(authenticator, plain(1), elsewhere))

    def test_an_unknown_key_is_distinguished_from_one_that_is_refused_here(self) -> None:
        authenticator = self.authenticator(self.lines('from="10.0.0.0/8" '))
        known, strange = self.key(authenticator, plain(1)), self.key(authenticator, plain(2))
        assert isinstance(known, ProofRefused)
        assert isinstance(strange, ProofRefused)
        self.assertEqual((known.unknown_key, strange.unknown_key), (False, True))

    def test_a_key_that_has_expired(self) -> None:
        authenticator = self.authenticator(self.lines('expiry-time="20200101Z" '))
        self.assertIn("expiry-time", self.refusal(authenticator, plain(1)))

    def test_a_key_that_is_revoked(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        draft = Draft()
        draft.key(plain(1))
        self.known = draft.done()
        self.assertIn("is revoked", self.refusal(authenticator, plain(1)))
        proof = Proof("publickey", fingerprint(plain(1)), key=plain(1))
        self.assertFalse(
            authenticator.stands(Session("1", Operator("alice"), proof, "192.0.2.1", NOW))
        )

    def test_plain_keys_go_by_what_was_last_known_to_be_revoked(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        self.revoked = "the file cannot be read"
        self.assertIsInstance(self.key(authenticator, plain(1)), Offered)

    def test_no_plain_key_is_accepted_where_what_is_revoked_was_never_known(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        self.revoked = self.known = "the file cannot be read"
        for number in (1, 2):
            why = self.refusal(authenticator, plain(number))
            self.assertIn("revocation list cannot be read: the file cannot be read", why)
        proof = Proof("publickey", fingerprint(plain(1)), key=plain(1))
        self.assertTrue(
            authenticator.stands(Session("1", Operator("alice"), proof, "192.0.2.1", NOW))
        )

    def test_verify_required_needs_a_token_that_can_verify_the_user(self) -> None:
        token = Token()
        keys = f'["{line_of(plain(1))}", "{line_of(token.blob)}"]'
        authenticator = self.authenticator(
            f"[operators.alice]\nauthorized_keys = {keys}\nverify_required = true\n"
        )
        self.assertIn("FIDO", self.refusal(authenticator, plain(1)))
        offered = self.key(authenticator, token.blob)
        assert isinstance(offered, Offered)
        self.assertTrue(offered.verified)

    def test_no_signature_is_asked_for_with_a_key_that_cannot_verify_the_user(self) -> None:
        authenticator = self.authenticator(self.lines("verify-required "))
        self.assertIn("FIDO", self.refusal(authenticator, plain(1)))
        self.assertEqual(self.refusal(authenticator, plain(2)), "key not authorised")

    def test_locked_out_by_name_and_by_fingerprint(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        for what in ("alice", fingerprint(plain(1))):
            lockout = Lockout(what, "root", NOW, self.clock.wall() + 60)
            self.lockouts.lock(lockout)
            self.assertIn("locked out", self.refusal(authenticator, plain(1)))
            self.clock.advance(61)
            self.assertIsInstance(self.key(authenticator, plain(1)), Offered)

    def test_the_methods_are_the_same_for_all(self) -> None:
        authenticator = self.authenticator(self.lines(""))
        self.assertEqual(authenticator.methods(ALICE, ()), ("publickey",))
        self.assertEqual(authenticator.methods(NOBODY, ()), ("publickey",))
        self.assertEqual(authenticator.methods(ALICE, ("publickey",)), ())


class KeysOfAProgram(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.program = self.directory / "keys"
        self.program.write_text("#!/bin/true\n")
        self.program.chmod(0o755)
        self.text = (
            f'[ssh]\nauthorized_keys_command = ["{self.program.absolute()}"]\n'
            f'[operators.alice]\nauthorized_keys = ["{line_of(plain(1))}"]\n'
        )

    def test_it_is_run_for_keys_that_are_not_in_the_table(self) -> None:
        authenticator = self.authenticator(self.text)
        self.helpers.keys_of["alice"] = f"no-pty {line_of(plain(2))}\n"
        self.assertIsInstance(self.key(authenticator, plain(1)), Offered)
        self.assertEqual(self.helpers.asked, [])
        offered = self.key(authenticator, plain(2))
        assert isinstance(offered, Offered)
        self.assertFalse(offered.limits.pty)
        self.assertEqual(self.refusal(authenticator, plain(3)), "key not authorised")

    def test_a_line_with_an_unknown_option_does_not_count(self) -> None:
        authenticator = self.authenticator(self.text)
        self.helpers.keys_of["alice"] = f"sudo {line_of(plain(2))}\n"
        self.assertIn("line 1", self.refusal(authenticator, plain(2)))

    def test_it_is_run_even_if_another_proof_is_required(self) -> None:
        word = hash_password(b"secret", CHEAP)
        authenticator = self.authenticator(
            f'{self.text}require = ["password"]\npassword_hash = "{word}"\n'
        )
        self.assertIn("password is required", self.refusal(authenticator, plain(2)))
        self.lockouts.lock(Lockout("alice", "root", NOW, None))
        self.refusal(authenticator, plain(2))
        self.assertEqual(self.helpers.asked, ["alice", "alice"])

    def test_it_makes_no_operator_and_is_run_all_the_same(self) -> None:
        authenticator = self.authenticator(self.text)
        self.helpers.keys_of["mallory"] = f"{line_of(plain(2))}\n"
        self.assertIn("unknown operator", self.refusal(authenticator, plain(2), NOBODY))
        self.assertEqual(self.helpers.asked, ["mallory"])


class CertificateLogins(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.workshop = Workshop(self.mktemp())
        self.ca = self.workshop.key("ca")
        self.workshop.key("laptop")
        self.certificates = f'[ssh.certificates]\nauthorities = ["{line_of(self.ca)}"]\n'
        self.mapped = (
            self.certificates
            + '[[ssh.certificates.map]]\nprincipals = ["net-*"]\noperator = "{key_id}"\n'
            'groups = ["netops"]\nroles = ["audit"]\n'
        )

    def test_of_a_key_that_cannot_verify_the_user(self) -> None:
        authenticator = self.authenticator(
            self.certificates + "[operators.alice]\nverify_required = true\n"
        )
        self.assertIn("FIDO", self.refusal(authenticator, self.signed()))

    def signed(self, *words: str, names: str = "alice", key_id: str = "alice") -> bytes:
        return self.workshop.sign("ca", "laptop", "-I", key_id, *words, names=names)

    def admitted(
        self, authenticator: OperatorAuthenticator, blob: bytes, claimant: Claimant
    ) -> Operator | ProofRefused:
        offered = self.key(authenticator, blob, claimant)
        assert isinstance(offered, Offered), offered
        return authenticator.admit(
            claimant, (Proved("certificate", offered.proof, offered.limits),)
        )

    def test_a_principal_who_has_a_table(self) -> None:
        authenticator = self.authenticator(
            self.certificates + '[operators.alice]\ngroups = ["staff"]\n'
        )
        operator = self.admitted(authenticator, self.signed(), ALICE)
        assert isinstance(operator, Operator)
        self.assertEqual(operator.groups, {"staff"})

    def test_a_principal_without_table_and_map_is_no_operator(self) -> None:
        authenticator = self.authenticator(self.certificates)
        self.assertIn("neither an [operators] table", self.refusal(authenticator, self.signed()))

    def test_a_map_makes_operators_with_groups_and_roles(self) -> None:
        authenticator = self.authenticator(self.mapped)
        blob = self.signed(names="net-1,other", key_id="dora")
        operator = self.admitted(authenticator, blob, Claimant("dora", "192.0.2.1"))
        assert isinstance(operator, Operator)
        self.assertEqual((operator.groups, operator.roles), ({"netops"}, {"audit"}))
        self.assertIn("do not stand for", self.refusal(authenticator, blob, ALICE))

    def test_groups_of_table_and_map_come_together_and_a_reload_counts(self) -> None:
        table = '[operators.alice]\ngroups = ["staff"]\n'
        authenticator = self.authenticator(self.mapped + table)
        operator = self.admitted(authenticator, self.signed(names="net-1"), ALICE)
        assert isinstance(operator, Operator)
        self.assertEqual(operator.groups, {"netops", "staff"})
        proof = Proof("certificate", "SHA256:x", ca=fingerprint(self.ca))
        session = Session("1", operator, proof, "192.0.2.1", NOW)
        self.assertTrue(authenticator.stands(session))
        self.assertFalse(self.authenticator(self.mapped.replace("net-*", "db-*")).stands(session))
        untrusted = self.mapped.replace(line_of(self.ca), line_of(plain(9)))
        self.assertFalse(self.authenticator(untrusted + table).stands(session))

    def test_a_force_command_and_what_is_revoked(self) -> None:
        authenticator = self.authenticator(self.certificates + "[operators.alice]\n")
        offered = self.key(authenticator, self.signed("-O", "force-command=list", "-z", "7"))
        assert isinstance(offered, Offered)
        self.assertEqual(offered.limits.command, "list")
        draft = Draft()
        draft.range(self.ca, 7, 7)
        self.revoked = draft.done()
        self.assertIn("7 is revoked", self.refusal(authenticator, self.signed("-z", "7")))
        self.revoked = "the file is gone"
        self.assertIn("the file is gone", self.refusal(authenticator, self.signed("-z", "8")))

    def test_a_locked_out_authority(self) -> None:
        authenticator = self.authenticator(self.certificates + "[operators.alice]\n")
        lockout = Lockout(fingerprint(self.ca), "root", NOW, None)
        self.lockouts.lock(lockout)
        self.assertIn("locked out", self.refusal(authenticator, self.signed()))


class PasswordLogins(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.text = (
            f'[operators.alice]\npassword_hash = "{hash_password(b"secret", CHEAP)}"\n'
            f'[operators.carol]\nauthorized_keys = ["{line_of(plain(1))}"]\n'
        )

    def test_right_and_wrong(self) -> None:
        authenticator = self.authenticator(self.text)
        self.assertEqual(
            self.password(authenticator, b"secret"), Proved("password", Proof("password"))
        )
        for claimant in (ALICE, NOBODY, Claimant("carol", "192.0.2.1")):
            self.assertIsInstance(self.password(authenticator, b"wrong", claimant), ProofRefused)
        self.assertEqual(self.passwords.looked, 4)  # for whom there is no hash, too

    def test_a_refusal_is_delayed_and_a_success_is_not(self) -> None:
        authenticator = self.authenticator(self.text)
        said: list[Verdict] = []
        for claimant, word in ((ALICE, b"secret"), (ALICE, b"wrong"), (NOBODY, b"wrong")):
            checking = Deferred.fromCoroutine(authenticator.password(claimant, (), word))
            checking.addCallback(said.append)
        self.clock.advance(0.5)
        self.assertEqual(len(said), 1)
        self.clock.advance(LEAST - 0.5 - 0.01)
        self.assertEqual(len(said), 1)
        self.clock.advance(0.01)
        self.assertEqual(len(said), 3)

    def test_a_host_has_one_turn_however_many_addresses_it_takes(self) -> None:
        authenticator = self.authenticator(self.text)
        for last in range(3):
            self.password(authenticator, b"wrong", Claimant("alice", f"2001:db8::{last}"))
        self.assertEqual(len(set(self.passwords.clients)), 1)

    def test_a_cancelled_check_leaves_no_timer(self) -> None:
        authenticator = self.authenticator(self.text)
        for passed in (0.0, 0.5):
            waiting = Deferred.fromCoroutine(authenticator.password(ALICE, (), b"wrong"))
            self.clock.advance(passed)
            self.assertNoResult(waiting)
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_methods_and_conversations_are_alike_for_all(self) -> None:
        authenticator = self.authenticator(self.text)
        for claimant in (ALICE, NOBODY, Claimant("carol", "192.0.2.1")):
            self.assertEqual(
                authenticator.methods(claimant, ()),
                ("publickey", "keyboard-interactive", "password"),
            )
            heard = self.talk(authenticator, b"wrong", claimant=claimant)
            self.assertEqual(heard[0], Question(password.PROMPT))
            self.assertIsInstance(heard[1], ProofRefused)
        self.assertEqual(
            self.talk(authenticator, b"secret"),
            [Question(password.PROMPT), Proved("password", Proof("password"))],
        )

    def test_the_hashes_of_the_table_are_imitated(self) -> None:
        self.authenticator(self.text)
        self.assertEqual(len(self.passwords.imitated), 1)


class SeveralProofs(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        (self.directory / "totp").write_text(SECRET + "\n")
        (self.directory / "totp").chmod(0o600)
        self.text = (
            f'[operators.alice]\nauthorized_keys = ["{line_of(plain(1))}"]\n'
            f'password_hash = "{hash_password(b"secret", CHEAP)}"\n'
            'totp_secret_file = "totp"\nrequire = ["publickey", "password", "totp"]\n'
        )

    def code(self) -> bytes:
        return pyotp.TOTP(SECRET).at(int(self.clock.wall())).encode()

    def test_each_in_its_turn(self) -> None:
        authenticator = self.authenticator(self.text)
        self.assertIsInstance(self.key(authenticator, plain(1)), Offered)
        self.assertEqual(
            authenticator.methods(ALICE, ("publickey",)), ("password", "keyboard-interactive")
        )
        self.assertEqual(
            authenticator.methods(ALICE, ("publickey", "password")), ("keyboard-interactive",)
        )
        shown = ("publickey", "password")
        heard = self.talk(authenticator, self.code(), shown=shown)
        self.assertEqual(heard, [Question(totp.PROMPT), Proved("totp", Proof("totp"))])
        self.assertEqual(authenticator.methods(ALICE, (*shown, "totp")), ())

    def test_nothing_counts_out_of_its_turn(self) -> None:
        authenticator = self.authenticator(self.text)
        early = self.password(authenticator, b"secret")
        assert isinstance(early, ProofRefused)
        self.assertIn("publickey is required", early.reason)
        self.assertIn(
            "password is required", self.refusal(authenticator, plain(1), shown=("publickey",))
        )
        self.assertIsInstance(self.talk(authenticator, b"secret")[-1], ProofRefused)

    def test_no_code_twice_also_after_a_restart(self) -> None:
        authenticator = self.authenticator(self.text)
        shown, code = ("publickey", "password"), self.code()
        self.assertIsInstance(self.talk(authenticator, code, shown=shown)[-1], Proved)
        self.assertIsInstance(self.talk(authenticator, code, shown=shown)[-1], ProofRefused)
        again = Codes(self.clock, StateFile(self.directory / "codes", at_once))
        again.load()
        checking = Deferred.fromCoroutine(again.check("alice", SECRET, code))
        self.assertNotEqual(self.successResultOf(checking), "")

    def test_codes_cannot_be_guessed(self) -> None:
        authenticator = self.authenticator(self.text)
        shown = ("publickey", "password")
        for _ in range(WRONG):
            self.talk(authenticator, b"x", shown=shown)
        said = self.talk(authenticator, self.code(), shown=shown)[-1]
        assert isinstance(said, ProofRefused)
        self.assertIn("none is checked", said.reason)
        self.clock.advance(WINDOW)
        self.assertIsInstance(self.talk(authenticator, self.code(), shown=shown)[-1], Proved)

    def test_guesses_from_elsewhere_do_not_lock_out_an_operator_at_the_usual_address(self) -> None:
        authenticator = self.authenticator(self.text)
        shown, elsewhere = ("publickey", "password"), Claimant("alice", "203.0.113.9")
        self.assertIsInstance(self.talk(authenticator, self.code(), shown=shown)[-1], Proved)
        self.clock.advance(60)
        for _ in range(WRONG):
            self.talk(authenticator, b"x", shown=shown, claimant=elsewhere)
        said = self.talk(authenticator, self.code(), shown=shown, claimant=elsewhere)[-1]
        self.assertIsInstance(said, ProofRefused)
        self.assertIsInstance(self.talk(authenticator, self.code(), shown=shown)[-1], Proved)
        for _ in range(WRONG):
            self.talk(authenticator, b"x", shown=shown)
        self.clock.advance(60)
        said = self.talk(authenticator, self.code(), shown=shown)[-1]
        self.assertIsInstance(said, ProofRefused)


class OwnPrograms(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        program = self.directory / "helper"
        program.write_text("#!/bin/true\n")
        program.chmod(0o755)
        self.text = (
            f'[ssh]\nauth_command = ["{program.absolute()}"]\n[operators.alice]\n'
            '[operators.root]\nrequire = ["publickey"]\n'
            f'authorized_keys = ["{line_of(plain(1))}"]\n'
        )

    def test_it_asks_and_decides(self) -> None:
        authenticator = self.authenticator(self.text)
        self.assertEqual(authenticator.methods(ALICE, ()), ("publickey", "keyboard-interactive"))
        heard = self.talk(authenticator, b"right")
        self.assertEqual(heard[0], Question("Directory password: "))
        self.assertEqual(heard[1], Proved("auth_command", Proof("auth_command")))
        self.assertIsInstance(self.talk(authenticator, b"wrong")[-1], ProofRefused)

    def test_it_makes_no_operator_and_is_not_enough_where_another_proof_is_required(self) -> None:
        authenticator = self.authenticator(self.text)
        for name in ("mallory", "root"):
            heard = self.talk(authenticator, b"right", claimant=Claimant(name, "192.0.2.1"))
            self.assertEqual(heard[0], Question("Directory password: "))
            self.assertIsInstance(heard[-1], ProofRefused)

    def admitted(
        self, name: str, *granted: str, more: str = ""
    ) -> tuple[OperatorAuthenticator, Operator | ProofRefused]:
        text = self.text.replace("[operators.alice]", f"{more}[operators.alice]\ngroups = ['own']")
        authenticator = self.authenticator(text)
        proof = Proof("auth_command", granted=frozenset(granted))
        proved = (Proved("auth_command", proof),)
        return authenticator, authenticator.admit(Claimant(name, "192.0.2.1"), proved)

    def test_groups_that_it_gives_count_as_far_as_it_may_give_them(self) -> None:
        _authenticator, alice = self.admitted("alice", "leads", "staff")
        self.assertEqual(alice.groups, {"own"})  # type: ignore[union-attr]
        may = 'auth_command_groups = ["leads", "netops"]\n'
        _authenticator, alice = self.admitted("alice", "leads", "staff", more=may)
        self.assertEqual(alice.groups, {"own", "leads"})  # type: ignore[union-attr]
        self.assertEqual(alice.roles, frozenset())  # type: ignore[union-attr]

    def test_operators_without_a_table_that_it_may_log_in(self) -> None:
        may = 'auth_command_groups = ["leads"]\nauth_command_operators = ["ext-*"]\n'
        for name in ("mallory", "ext-@local", "ext-a b", "-ext"):
            _authenticator, refused = self.admitted(name, "leads", more=may)
            self.assertIsInstance(refused, ProofRefused, name)
        _authenticator, zoe = self.admitted("ext-zoe", "leads", more=may)
        self.assertEqual(zoe.groups, {"leads"})  # type: ignore[union-attr]
        authenticator = self.authenticator(
            self.text.replace("[operators.alice]", f"{may}[operators.alice]")
        )
        heard = self.talk(authenticator, b"right", claimant=Claimant("ext-zoe", "192.0.2.1"))
        self.assertIsInstance(heard[-1], Proved)

    def test_after_a_reload_groups_and_operators_follow_from_what_it_said(self) -> None:
        may = 'auth_command_groups = ["leads"]\nauth_command_operators = ["ext-*"]\n'
        authenticator, zoe = self.admitted("ext-zoe", "leads", more=may)
        assert isinstance(zoe, Operator)
        proof = Proof("auth_command", granted=frozenset({"leads"}))
        session = Session("1", zoe, proof, "192.0.2.1", NOW)
        self.assertTrue(authenticator.stands(session))
        less = may.replace('"leads"', "")
        self.assertTrue(self.admitted("x", more=less)[0].stands(session))
        _authenticator, zoe = self.admitted("ext-zoe", "leads", more=less)
        self.assertEqual(zoe.groups, frozenset())  # type: ignore[union-attr]
        self.assertFalse(self.admitted("x")[0].stands(session))


class Standing(AuthenticatorTest):
    """Which sessions stay after a reload, and which logins fail because of one."""

    LINE = line_of(plain(1))

    def table(self, line: str = LINE, more: str = "") -> str:
        return f"[operators.alice]\nauthorized_keys = ['{line}']\n{more}"

    def session(self, authenticator: OperatorAuthenticator) -> Session:
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        who = Operator("alice")
        return Session("1", who, offered.proof, "192.0.2.1", NOW, offered.limits)

    def test_a_key_that_was_taken_out_and_an_operator_who_was(self) -> None:
        authenticator = self.authenticator(self.table())
        session = self.session(authenticator)
        self.assertTrue(authenticator.stands(session))
        self.assertFalse(self.authenticator(self.table(line_of(plain(2)))).stands(session))
        self.assertFalse(self.authenticator("").stands(session))

    def test_a_key_that_is_for_less_than_it_was(self) -> None:
        session = self.session(self.authenticator(self.table()))
        for option in ('command="list"', "restrict", 'permitopen="web01:1"', 'from="10.0.0.0/8"'):
            self.assertFalse(
                self.authenticator(self.table(f"{option} {self.LINE}")).stands(session), option
            )
        self.assertTrue(
            self.authenticator(self.table(f'from="192.0.2.0/24" {self.LINE}')).stands(session)
        )

    def test_a_key_that_is_for_more_than_it_was(self) -> None:
        narrow = self.session(self.authenticator(self.table(f'no-pty,command="list" {self.LINE}')))
        self.assertTrue(self.authenticator(self.table(f"no-pty {self.LINE}")).stands(narrow))

    def test_more_is_required_than_at_the_login(self) -> None:
        session = self.session(self.authenticator(self.table()))
        (self.directory / "totp").write_text(SECRET)
        (self.directory / "totp").chmod(0o600)
        more = 'totp_secret_file = "totp"\nrequire = ["publickey", "totp"]\n'
        self.assertFalse(self.authenticator(self.table(more=more)).stands(session))
        self.assertTrue(
            self.authenticator(self.table(more='require = ["publickey"]\n')).stands(session)
        )

    def test_the_program_is_not_configured_any_more(self) -> None:
        program = self.directory / "helper"
        program.write_text("#!/bin/true\n")
        program.chmod(0o755)
        asked = f'[ssh]\nauth_command = ["{program.absolute()}"]\n'
        proof = Proof("auth_command")
        session = Session("1", Operator("alice"), proof, "192.0.2.1", NOW)
        self.assertTrue(self.authenticator(asked + self.table()).stands(session))
        self.assertFalse(self.authenticator(self.table()).stands(session))

    def test_another_password(self) -> None:
        hashes = [hash_password(word, CHEAP) for word in (b"secret", b"another")]
        tables = [f'[operators.alice]\npassword_hash = "{each}"\n' for each in hashes]
        authenticator = self.authenticator(tables[0])
        proved = self.password(authenticator, b"secret")
        assert isinstance(proved, Proved)
        session = Session("1", Operator("alice"), proved.proof, "192.0.2.1", NOW)
        self.assertTrue(authenticator.stands(session))
        self.assertFalse(self.authenticator(tables[1]).stands(session))
        self.assertFalse(self.authenticator(self.table()).stands(session))

    def test_a_reload_between_two_proofs_and_before_the_last_counts(self) -> None:
        more = 'totp_secret_file = "totp"\nrequire = ["publickey", "totp"]\n'
        (self.directory / "totp").write_text(SECRET)
        (self.directory / "totp").chmod(0o600)
        authenticator = self.authenticator(self.table(more=more))
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        proved = (
            Proved("publickey", offered.proof, offered.limits),
            Proved("totp", Proof("totp")),
        )
        self.assertIsInstance(authenticator.admit(ALICE, proved), Operator)
        for line in (line_of(plain(2)), f'command="list" {self.LINE}'):
            refused = self.authenticator(self.table(line, more)).admit(ALICE, proved)
            self.assertIsInstance(refused, ProofRefused)
        draft = Draft()
        draft.key(plain(1))
        self.known = draft.done()
        self.assertIsInstance(authenticator.admit(ALICE, proved), ProofRefused)

    def test_a_lockout_between_the_offer_and_the_signature_counts(self) -> None:
        authenticator = self.authenticator(self.table())
        offered = self.key(authenticator, plain(1))
        assert isinstance(offered, Offered)
        for what in ("alice", fingerprint(plain(1))):
            self.lockouts.lock(Lockout(what, "root", NOW, None))
            refused = authenticator.admit(
                ALICE, (Proved("publickey", offered.proof, offered.limits),)
            )
            assert isinstance(refused, ProofRefused)
            self.assertIn("locked out", refused.reason)
            self.lockouts.lift(what)

    def test_each_of_two_keys_that_were_shown_has_to_stay(self) -> None:
        workshop = Workshop(self.mktemp())
        ca = workshop.key("ca")
        laptop = workshop.key("laptop")
        certificate = workshop.sign("ca", "laptop", names="alice")
        trusted = f'[ssh.certificates]\nauthorities = ["{line_of(ca)}"]\n'
        for kinds in (("publickey", "certificate"), ("certificate", "publickey")):
            more = f"require = {list(kinds)}\n"
            authenticator = self.authenticator(trusted + self.table(more=more))
            proved: tuple[Proved, ...] = ()
            for kind in kinds:
                blob = plain(1) if kind == "publickey" else certificate
                shown = kinds[: len(proved)]
                offered = self.successResultOf(
                    Deferred.fromCoroutine(authenticator.key(ALICE, shown, blob))
                )
                assert isinstance(offered, Offered), offered
                proved = (*proved, Proved(kind, offered.proof, offered.limits))
            operator = authenticator.admit(ALICE, proved)
            proof, limits = together(proved)
            assert isinstance(operator, Operator)
            assert limits is not None
            session = Session("1", operator, proof, "192.0.2.1", NOW, limits)
            self.assertTrue(authenticator.stands(session))
            other = self.table(line_of(plain(2)), more)
            self.assertFalse(self.authenticator(trusted + other).stands(session))
            for key in (plain(1), laptop):
                draft = Draft()
                draft.key(key)
                self.known = draft.done()
                self.assertFalse(authenticator.stands(session))
                self.known = Revoked()

    def test_a_certificate_that_is_revoked_by_a_long_name(self) -> None:
        workshop = Workshop(self.mktemp())
        ca = workshop.key("ca")
        workshop.key("laptop")
        text = f'[ssh.certificates]\nauthorities = ["{line_of(ca)}"]\n[operators.alice]\n'
        authenticator, long = self.authenticator(text), "x" * 300
        offered = self.key(authenticator, workshop.sign("ca", "laptop", "-I", long, names="alice"))
        assert isinstance(offered, Offered)
        proved = Proved("certificate", offered.proof, offered.limits)
        operator = authenticator.admit(ALICE, (proved,))
        assert isinstance(operator, Operator)
        session = Session("1", operator, offered.proof, "192.0.2.1", NOW, offered.limits)
        self.assertTrue(authenticator.stands(session))
        draft = Draft()
        draft.key_id(ca, long)
        self.known = draft.done()
        self.assertFalse(authenticator.stands(session))
