"""The example for OpenID Connect, with an issuer of the tests' own and without a network."""

import argparse
import importlib.util
import io
import json
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.issuer import CLIENT, CODE, EcKey, FakeIssuer, RsaKey, encoded, token
from vspc.auth.dialogue import OUTPUT

HELPER = Path(__file__).parents[2] / "etc" / "auth" / "oidc_device.py"

ISSUER = "https://login.example.com/realms/main"

OPENING = "version 1\noperator {}\naddress 192.0.2.7\n"


def helper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oidc_device", HELPER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeTime:
    """`time`, as the example uses it: sleeping takes no time."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.time = wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class OidcTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.helper = helper()
        self.time = FakeTime(time.time)
        self.patch(self.helper, "time", self.time)
        self.issuer = FakeIssuer(ISSUER, entered="approved")
        self.failing: Exception | None = None

        def exchange(
            _http: object, method: str, url: str, headers: dict[str, str], body: bytes | None
        ) -> tuple[int, bytes]:
            if self.failing is not None:
                raise self.failing
            parts = urlsplit(url)
            self.assertEqual((parts.scheme, parts.hostname), ("https", "login.example.com"))
            self.assertEqual(method, "GET" if body is None else "POST")
            form = dict(parse_qsl((body or b"").decode()))
            path = parts.path.removeprefix("/realms/main")
            status, found = self.issuer.answer(path, form, headers)
            return status, json.dumps(found).encode()

        self.patch(self.helper.Http, "_exchange", exchange)
        # Reads the system's authorities, which takes longer than all else here.
        self.patch(ssl, "create_default_context", lambda **_names: None)

    def options(self, *words: str) -> argparse.Namespace:
        arguments = ["x", "--issuer", ISSUER, "--client-id", CLIENT, *words]
        self.patch(sys, "argv", arguments)
        found: argparse.Namespace = self.helper.arguments()
        return found

    def lines(self, *words: str, operator: str = "alice", answers: str = "") -> list[str]:
        """What the example prints in one login."""
        said = io.BytesIO()
        heard = io.BytesIO((OPENING.format(operator) + answers).encode())
        self.helper.decide(self.helper.Server(heard, said), self.options(*words))
        return said.getvalue().decode().splitlines()

    def refused(self, *words: str, operator: str = "alice") -> tuple[str, str]:
        """What the operator is told at the end, and the reason for the log."""
        *_before, told, reason = self.lines(*words, operator=operator)
        self.assertTrue(told.startswith("tell "), told)
        self.assertTrue(reason.startswith("no "), reason)
        return told.removeprefix("tell "), reason.removeprefix("no ")


class LoggingIn(OidcTest):
    def test_a_url_and_a_code_are_shown_and_groups_follow(self) -> None:
        self.issuer.said = ["authorization_pending", "authorization_pending"]
        first, shown, checking, *rest = self.lines()
        self.assertEqual((first, checking), ("wait 30", "wait 30"))
        self.assertEqual(
            shown,
            f"wait 300 Open {ISSUER}/activate in a browser, log in, and enter the code {CODE}",
        )
        self.assertEqual(rest, ["group leads", "group staff", "ok"])
        self.assertEqual(self.time.slept, [1, 1, 1])

    def test_an_issuer_that_wants_it_slower_and_one_that_fails_now_and_then(self) -> None:
        self.issuer.said = ["slow_down", 503, 429, "authorization_pending", "slow_down"]
        self.assertEqual(self.lines()[-1], "ok")
        self.assertEqual(self.time.slept, [1, 6, 12, 24, 6, 11])

    def test_rsa(self) -> None:
        self.issuer.key = RsaKey()
        self.assertEqual(self.lines()[-1], "ok")

    def test_a_complete_url_is_shown_too(self) -> None:
        self.issuer.device = {"verification_uri_complete": f"{ISSUER}/activate?c={CODE}%21"}
        shown = self.lines()[1]
        self.assertIn(f"(or open {ISSUER}/activate?c={CODE}%2521 and compare the code)", shown)

    def test_a_client_that_shows_questions_only(self) -> None:
        lines = self.lines("--enter", answers="answer \n")
        self.assertEqual(lines[1], "wait 300")
        self.assertTrue(lines[2].startswith(f"ask-visible Open {ISSUER}/activate"), lines)
        self.assertTrue(lines[2].endswith("Then press Enter: "), lines)

    def test_groups_by_other_names(self) -> None:
        lines = self.lines("--group", "leads=bosses", "--group", "a=b=c")
        self.assertEqual(lines[3:], ["group bosses", "ok"])

    def test_claims_of_other_names_and_a_domain(self) -> None:
        self.issuer.claims = {"upn": "Alice@Example.com", "roles": "leads"}
        words = ("--username-claim", "upn", "--groups-claim", "roles", "--domain", "example.com")
        self.assertEqual(self.lines(*words, operator="Alice")[3:], ["group leads", "ok"])

    def test_claims_that_the_token_lacks_are_asked_for(self) -> None:
        self.issuer.claims = {"groups": None, "preferred_username": None}
        self.issuer.userinfo = {"preferred_username": "alice", "groups": ["far"], "iss": "no"}
        self.assertEqual(self.lines()[3:], ["group far", "ok"])
        path, _form, headers = self.issuer.requests[-1]
        self.assertEqual((path, headers["Authorization"]), ("/userinfo", "Bearer mF_9.B5f-4.1JqM"))

    def test_a_secret_goes_in_the_header_or_where_the_issuer_wants_it(self) -> None:
        file = Path(self.mktemp())
        file.write_text("s:cret\n")
        file.chmod(0o600)
        self.lines("--client-secret-file", str(file))
        self.assertEqual(self.issuer.requests[1][2]["Authorization"], "Basic dnNwYzpzJTNBY3JldA==")
        self.assertNotIn("client_secret", self.issuer.requests[1][1])
        self.issuer.requests.clear()
        self.issuer.provider = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        self.lines("--client-secret-file", str(file))
        self.assertEqual(self.issuer.requests[1][1]["client_secret"], "s:cret")
        self.assertNotIn("Authorization", self.issuer.requests[1][2])


class Refusing(OidcTest):
    def test_denied_and_expired(self) -> None:
        self.issuer.entered = "access_denied"
        self.assertEqual(
            self.refused(), ("The login was denied at the login server.", "denied by the user")
        )
        self.issuer.entered = "expired_token"
        self.assertEqual(
            self.refused(), ("The code has expired; log in again.", "the code expired unused")
        )

    def test_nobody_enters_the_code(self) -> None:
        self.issuer.entered = ""
        self.assertIn("expired", self.refused("--timeout", "60")[0])
        self.assertLessEqual(sum(self.time.slept), 60)

    def test_an_issuer_that_is_down(self) -> None:
        self.failing = ConnectionRefusedError(111, "Connection refused")
        told, reason = self.refused()
        self.assertIn("cannot be reached; try again later", told)
        self.assertIn("Connection refused", reason)

    def test_an_issuer_that_goes_down_in_the_middle(self) -> None:
        self.issuer.said = [500] * 100
        told, reason = self.refused()
        self.assertIn("cannot be reached", told)
        self.assertIn("status 500", reason)
        self.assertLessEqual(len(self.time.slept), 100)

    def test_a_certificate_that_is_not_valid(self) -> None:
        self.failing = ssl.SSLCertVerificationError("no")
        self.failing.verify_message = "self-signed certificate"
        told, reason = self.refused()
        self.assertIn("administrator", told)
        self.assertIn("self-signed certificate", reason)

    def test_another_user_than_the_operator(self) -> None:
        told, reason = self.refused(operator="root")
        self.assertEqual(told, "The login server knows you as 'alice'; log in with that name.")
        self.assertIn("alice", reason)

    def test_tokens_that_are_not_for_us(self) -> None:
        for claims, why in (
            ({"aud": "others"}, "is for 'others', not for vspc"),
            ({"aud": [CLIENT, "others"]}, "azp"),
            ({"aud": [], "azp": CLIENT}, "is for"),
            ({"azp": "others"}, "azp"),
            ({"iss": "https://evil.example.com"}, "is from"),
            ({"exp": 1}, "expired"),
            ({"exp": None}, "exp"),
            ({"exp": True}, "exp"),
            ({"exp": float("nan")}, "exp"),
            ({"nbf": 1e12}, "future"),
            ({"sub": None}, "sub"),
        ):
            self.issuer.claims = claims
            told, reason = self.refused()
            self.assertIn("not valid", told, claims)
            self.assertIn(why, reason)

    def test_tokens_that_nobody_known_signed(self) -> None:
        self.issuer.signer = EcKey()
        self.assertIn("no key of the issuer's signed", self.refused()[1])
        self.issuer.signer = None
        for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": ["ES256"]}, {"crit": ["exp"]}):
            self.issuer.header = header
            self.assertIn("is not accepted", self.refused()[1])
        for header in ({"alg": "RS256"}, {"kid": "2"}):
            self.issuer.header = header
            self.assertIn("no key of the issuer's signed", self.refused()[1])

    def test_a_weak_key(self) -> None:
        self.issuer.key = RsaKey(1024)
        self.assertIn("no key of the issuer's signed", self.refused()[1])

    def test_userinfo_of_somebody_else(self) -> None:
        self.issuer.claims = {"groups": None}
        self.issuer.userinfo = {"sub": "12", "groups": ["leads"]}
        self.assertIn("another user", self.refused()[1])

    def test_an_issuer_that_is_another_one_or_has_no_codes(self) -> None:
        self.issuer.provider = {"issuer": "https://other.example.com"}
        self.assertIn("names the issuer 'https://other", self.refused()[1])
        self.issuer.provider = {"token_endpoint": "http://login.example.com/token"}
        self.assertIn("not an https URL", self.refused()[1])
        self.issuer.provider = {"device_authorization_endpoint": f"{ISSUER}/nothing"}
        self.assertIn("status 404", self.refused()[1])

    def test_a_url_that_would_write_on_the_terminal(self) -> None:
        for url in ("https://x/\x1b[2J", "javascript:1", "https://x/ y", 5, None):
            self.issuer.device = {"verification_uri": url}
            self.assertIn("not an https URL", self.refused()[1])

    def test_a_secret_that_others_can_read_or_that_is_not_there(self) -> None:
        file = Path(self.mktemp())
        self.assertIn("No such file", self.refused("--client-secret-file", str(file))[1])
        file.write_text("secret")
        file.chmod(0o640)
        self.assertIn("chmod 600", self.refused("--client-secret-file", str(file))[1])

    def test_over_500_groups(self) -> None:
        self.issuer.claims = {"groups": [f"g{n}" for n in range(501)]}
        self.assertIn("--group", self.refused()[1])
        self.assertEqual(self.lines("--group", "g500=x")[3:], ["group x", "ok"])

    def test_names_of_groups_that_the_server_does_not_keep(self) -> None:
        self.issuer.claims = {"groups": ["x" * 65, *(f"{n}{'y' * 61}" for n in range(500))]}
        lines = self.lines()
        self.assertEqual((len(lines), lines[-1]), (3 + 500 + 1, "ok"))
        self.assertLess(sum(map(len, lines)) + len(lines), OUTPUT)

    def test_json_without_end(self) -> None:
        text = b'{"x":' + b"[" * 200_000
        with self.assertRaises(self.helper.Refused):
            self.helper.parsed(text, ISSUER)
        with self.assertRaises(ValueError):
            self.helper.json_part(encoded(text))

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_whatever_is_changed_in_a_token_it_is_not_accepted(self, data: st.DataObject) -> None:
        key = self.issuer.key
        keys = {"keys": [{"kid": "1", **key.public()}]}
        good = token(key, {"sub": "1"})
        self.assertEqual(self.helper.verified(good, keys), {"sub": "1"})
        at = data.draw(st.integers(0, len(good) - 2))
        changed = good[:at] + data.draw(st.text(max_size=3)) + good[at + 1 :]
        if changed != good and changed[:-1] != good[:-1]:
            with self.assertRaises(ValueError):
                self.helper.verified(changed, keys)

    def test_an_ec_key_in_the_place_of_a_shared_secret(self) -> None:
        """The public key as an HMAC secret: the classic confusion of algorithms."""
        keys = {"keys": [{"kid": "1", "kty": "oct", "k": encoded(b"secret")}]}
        with self.assertRaisesRegex(ValueError, "no key"):
            self.helper.verified(token(EcKey(), {"sub": "1"}), keys)
