"""Keys with which an operator can prove who he is, with the real `ssh`.

FIDO keys are of a software authenticator in the test (`tests.end_to_end.agent`). No hardware was
tried.
"""

import json
import time

from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.auth.minting import CurveToken, Mint, Plain, Token, line_of
from tests.end_to_end.access import GONE, AccessTestCase, last_line, offers, operator
from tests.end_to_end.agent import Agent, Certified, Signing
from tests.end_to_end.processes import Completed

UNTOUCHED, TOUCHED, VERIFIED = 0, 1, 5


class Keys(AccessTestCase):
    def test_each_type_of_key_and_each_signature_of_rsa(self) -> None:
        kinds = [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048)]
        names = {f"{kind}{bits or ''}": (kind, bits) for kind, bits in kinds}
        keys = [self.key(name, kind, bits) for name, (kind, bits) in names.items()]
        self.configure(operator("alice", authorized_keys=keys))
        self.serve()
        for name in names:
            self.assert_in(self.login("alice", key=name))
            self.server.out.expect(rb"login-accepted operator=alice .* via=publickey ")
        for signature in ("rsa-sha2-256", "rsa-sha2-512"):
            only = f"PubkeyAcceptedAlgorithms={signature}"
            self.assert_in(self.login("alice", key="rsa2048", options=(only,)))
        only = "PubkeyAcceptedAlgorithms=ssh-rsa"
        self.assert_out(self.login("alice", key="rsa2048", options=(only,)))
        self.assert_no_defects()

    def test_keys_that_are_not_authorised_and_operators_whom_nobody_knows(self) -> None:
        self.keyring.key("stranger")
        self.configure(operator("alice", authorized_keys=[self.key("alice")]))
        self.serve()
        debug = ("LogLevel=DEBUG1",)
        known = self.login("alice", key="stranger", options=debug)
        unknown = self.login("mallory", key="stranger", options=debug)
        self.assert_out(known)
        self.assert_out(unknown)
        self.assertEqual(offers(known), offers(unknown))
        self.assertEqual(last_line(known), last_line(unknown).replace("mallory", "alice"))
        self.server.out.expect(rb'login-failed operator=alice .*reason="key not authorised"')
        self.server.out.expect(rb'login-failed operator=mallory .*reason="key not authorised"')
        self.assert_out(self.login("mallory", key="alice"), "key not authorised")

    def test_a_reload_counts_for_logins_at_once_and_ends_whoever_may_not_be_there(self) -> None:
        alice, bob, carol = (self.key(name) for name in ("alice", "bob", "carol"))
        self.configure(
            operator("alice", authorized_keys=[alice, carol])
            + operator("bob", authorized_keys=[bob])
        )
        self.serve()
        stays = self.enter("alice", key="carol")
        loses_key = self.enter("alice", key="alice")
        goes = self.enter("bob", key="bob")
        self.configure(
            operator("alice", authorized_keys=[carol]) + operator("dave", authorized_keys=[bob])
        )
        self.reload()
        self.assert_ended(loses_key, GONE)
        self.assert_ended(goes, GONE)
        self.assert_out(self.login("alice", key="alice"), "key not authorised")
        self.assert_out(self.login("bob", key="bob"))
        self.assert_in(self.login("dave", key="bob"))
        self.assertTrue(stays.running)
        self.assert_no_defects()

    def test_a_key_that_is_good_for_less_since_a_reload_ends_what_it_began(self) -> None:
        alice, bob = self.key("alice"), self.key("bob")
        tables = operator("bob", authorized_keys=[bob])
        self.configure(tables + operator("alice", authorized_keys=[alice]))
        self.serve()
        stays, goes = self.enter("bob", key="bob"), self.enter("alice", key="alice")
        self.configure(tables + operator("alice", authorized_keys=[f"restrict {alice}"]))
        self.reload()
        self.assert_ended(goes, GONE)
        again = self.enter("alice", key="alice")
        self.configure(tables + operator("alice", authorized_keys=[f'from="192.0.2.1" {alice}']))
        self.reload()
        self.assert_ended(again, GONE)
        self.assertTrue(stays.running)
        self.assert_no_defects()


class Tokens(AccessTestCase):
    """FIDO keys (`sk-ssh-ed25519`, `sk-ecdsa`); of software, see above."""

    def setUp(self) -> None:
        super().setUp()
        self.agent = Agent(self.directory / "agent")
        self.addCleanup(self.agent.close)

    def touch(self, user: str, token: Token | CurveToken, flags: int) -> Completed:
        """Log in with a token that says that of its owner."""
        self.agent.keys = [evolve(token, flags=flags)]
        options = (f"IdentityAgent={self.agent.path}", "IdentitiesOnly=no")
        return self.login(user, options=options)

    def test_who_touches_his_token_comes_in_and_nobody_else(self) -> None:
        tokens: list[Token | CurveToken] = [Token(), CurveToken()]
        keys = [line_of(token.blob) for token in tokens]
        self.configure(operator("alice", authorized_keys=keys))
        self.serve()
        for token in tokens:
            self.assert_in(self.touch("alice", token, TOUCHED))
            self.assert_in(self.touch("alice", token, VERIFIED))
            self.assert_out(self.touch("alice", token, UNTOUCHED), "bad signature")
        self.assert_no_defects()

    def test_a_pin_or_a_finger_where_the_key_or_the_operator_wants_one(self) -> None:
        mine, his = Token(), CurveToken()
        first, second = line_of(mine.blob), line_of(his.blob)
        self.key("plain")
        self.configure(
            operator("alice", authorized_keys=[f"verify-required {first}"])
            + operator("bob", authorized_keys=[second, self.public("plain")], verify_required=True)
        )
        self.serve()
        pairs: list[tuple[str, Token | CurveToken]] = [("alice", mine), ("bob", his)]
        for user, token in pairs:
            self.assert_in(self.touch(user, token, VERIFIED))
            self.assert_out(self.touch(user, token, TOUCHED), "without PIN or finger")
            self.assert_out(self.touch(user, token, UNTOUCHED), "without PIN or finger")
        self.assert_out(self.login("bob", key="plain"), "a FIDO key is required")
        self.assert_no_defects()

    def test_certificates_of_tokens(self) -> None:
        ca = Plain(Ed25519PrivateKey.generate())
        now = int(time.time())
        authorities = json.dumps([line_of(ca.blob)])
        self.configure(operator("alice"), certificates=f"authorities = {authorities}\n")
        self.serve()
        options = (f"IdentityAgent={self.agent.path}", "IdentitiesOnly=no")
        for wants, flags, right in (
            ((), TOUCHED, True),
            ((), UNTOUCHED, False),
            (((b"verify-required", b""),), VERIFIED, True),
            (((b"verify-required", b""),), TOUCHED, False),
        ):
            for token in (Token(flags=flags), CurveToken(flags=flags)):
                mint = Mint(ca, token.blob, after=now - 60, before=now + 3600, options=wants)
                self.agent.keys = [Certified(mint.blob, token)]
                done = self.login("alice", options=options)
                self.assert_in(done) if right else self.assert_out(done, "bad signature")
        self.assert_no_defects()

    def test_an_agent_with_forty_keys(self) -> None:
        strangers: list[Signing] = [Token() for _ in range(40)]
        mine = Token()
        self.configure(operator("alice", authorized_keys=[line_of(mine.blob)]))
        self.serve()
        self.agent.keys = [*strangers, mine]
        options = (f"IdentityAgent={self.agent.path}", "IdentitiesOnly=no")
        self.assert_in(self.login("alice", options=options))
