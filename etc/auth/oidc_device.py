#!/usr/bin/python3 -I
"""Log in vspc's operators at an OpenID Connect issuer by the device authorization grant, RFC 8628.
docs/auth-command.md describes the lines to the server, and how to set up an issuer.

    [ssh]
    auth_command = ["/usr/local/libexec/vspc-auth-oidc", "--issuer", "https://login.example.com",
                    "--client-id", "vspc"]

The operator is shown a URL and a code, logs in there with a browser, and is let in as soon as the
issuer says so, if the name in the token is the name that was given to ssh. Groups are passed on;
those named in [ssh] auth_command_groups count.

Copy this program to a place where only root can change it. It needs Python 3.10 and `cryptography`
(Debian: python3-cryptography). The first line names the Python that has both.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import http.client
import json
import math
import os
import re
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import quote_plus, unquote_to_bytes, urlencode, urlsplit

REQUEST = 8.0
"""Seconds that a request may take."""

BODY = 1024 * 1024
"""Bytes of an answer."""

LEEWAY = 60
"""Seconds by which the clocks of the issuer and of this machine may differ."""

INTERVAL = 5
SLOWER = 5
"""Seconds between two polls if the issuer says nothing, and what `slow_down` adds (section 3.5)."""

GROUPS = 500
GROUP = 64
"""Groups that are passed on, and characters of a name: the server keeps no longer ones."""

CHECKING = 30
"""Seconds that it may take from the token to the verdict."""

GRANT = "urn:ietf:params:oauth:grant-type:device_code"

UNAVAILABLE = "The login server cannot be used; the administrator's log has the reason"
UNREACHABLE = "The login server cannot be reached; try again later"


class Refused(Exception):
    """No login. `told` is shown to the operator, the text is for the server's log."""

    def __init__(self, told: str, logged: str) -> None:
        super().__init__(logged)
        self.told = told


class OAuthError(Exception):
    """An answer with an error code (RFC 6749 section 5.2); the text is the code."""


class Unreachable(Exception):
    """A request that had no answer, or one that says to try again later."""


# The lines between vspc and this program


class Server:
    """The two pipes to vspc."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer

    def hear(self, word: str) -> str:
        """The text of the next line, which must begin with `word`."""
        line = self._reader.readline()
        found, _space, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or found != word.encode():
            raise EOFError
        return unquote_to_bytes(text).decode("utf-8", "surrogateescape")

    def say(self, word: str, text: str = "") -> None:
        """A line. What is not plain text in it is written %XX."""
        data = text.encode("utf-8", "surrogateescape")
        escaped = re.sub(rb"[\0-\x1f%\x7f]", lambda match: b"%%%02X" % match[0][0], data)
        self._writer.write(word.encode() + (b" " + escaped if data else b"") + b"\n")
        self._writer.flush()


# Requests


class Http:
    """Requests to the issuer: over TLS that is verified, without proxies and redirects."""

    def __init__(self, ca_file: str | None) -> None:
        self._tls = ssl.create_default_context(cafile=ca_file)

    def get(self, url: str, token: str = "") -> dict[str, Any]:
        """A JSON object."""
        return self._send("GET", url, {"Authorization": f"Bearer {token}"} if token else {})

    def post(self, url: str, form: dict[str, str], basic: str = "") -> dict[str, Any]:
        """A form, answered with a JSON object. Raises `OAuthError`."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            headers["Authorization"] = f"Basic {basic}"
        return self._send("POST", url, headers, urlencode(form).encode())

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> dict[str, Any]:
        try:
            status, answer = self._exchange(method, url, headers, body)
        except ssl.SSLCertVerificationError as error:
            raise Refused(UNAVAILABLE, f"{url}: {error.verify_message}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"{url}: {error}") from None
        if status == 200:
            return parsed(answer, url)
        if status == 429 or status >= 500:
            raise Unreachable(f"{url}: status {status}")
        code = parsed(answer, url, status).get("error")
        if isinstance(code, str):
            raise OAuthError(code)
        raise Refused(UNAVAILABLE, f"{url}: status {status}")

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        """The status and the body of an answer. Raises OSError, ValueError, HTTPException."""
        parts = urlsplit(check_url(url))
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=REQUEST, context=self._tls
        )
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            connection.request(method, path, body, {"Accept": "application/json", **headers})
            response = connection.getresponse()
            return response.status, read(response)
        finally:
            connection.close()


def read(response: http.client.HTTPResponse) -> bytes:
    """A body of at most `BODY` bytes, in `REQUEST` seconds. Raises ValueError."""
    ends, body = time.monotonic() + REQUEST, b""
    while piece := response.read1(65536):
        body += piece
        if len(body) > BODY or time.monotonic() > ends:
            raise ValueError("the answer is too long or too slow")
    return body


def parsed(body: bytes, url: str, status: int = 200) -> dict[str, Any]:
    """A JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(UNAVAILABLE, f"{url}: status {status}, and not a JSON object")
    return found


def check_url(url: object) -> str:
    """`url` if it is an https URL of printable ASCII."""
    if not isinstance(url, str) or not re.fullmatch(r"https://[!-~]{1,2000}", url):
        raise Refused(UNAVAILABLE, f"not an https URL: {url!r:.200}")
    return url


# The ID token (OpenID Connect Core, section 3.1.3.7)


def decoded(text: str) -> bytes:
    """base64url without padding; ValueError if it is not."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def json_part(text: str) -> dict[str, Any]:
    """A part of a token; ValueError if it is not a JSON object."""
    try:
        found = json.loads(decoded(text))
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def rs256(key: dict[str, Any], message: bytes, signature: bytes) -> None:
    """Raises InvalidSignature, ValueError."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    n, e = (int.from_bytes(decoded(key[name]), "big") for name in ("n", "e"))
    if n.bit_length() < 2048:
        raise ValueError("an RSA key of less than 2048 bits")
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def es256(key: dict[str, Any], message: bytes, signature: bytes) -> None:
    """Raises InvalidSignature, ValueError."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if key.get("crv") != "P-256" or len(signature) != 64:
        raise ValueError("not a key of P-256, or a signature of another length")
    x, y = (int.from_bytes(decoded(key[name]), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


ALGORITHMS = {"RS256": ("RSA", rs256), "ES256": ("EC", es256)}
"""Those that are accepted, with their type of key; neither "none" nor one with a shared secret."""


def suitable(keys: dict[str, Any], header: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Keys of the issuer with which the token may have been signed."""
    listed = keys.get("keys")
    for key in listed if isinstance(listed, list) else ():
        if (
            isinstance(key, dict)
            and key.get("kty") == kind
            and key.get("use", "sig") == "sig"
            and key.get("alg", header["alg"]) == header["alg"]
            and ("kid" not in header or key.get("kid") == header["kid"])
        ):
            yield key


def verified(token: object, keys: dict[str, Any]) -> dict[str, Any]:
    """The claims of `token` if one of the issuer's keys signed it. Raises ValueError."""
    from cryptography.exceptions import InvalidSignature

    if not isinstance(token, str) or token.count(".") != 2:
        raise ValueError("there is no ID token")
    first, second, third = token.split(".")
    header = json_part(first)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or "crit" in header:
        raise ValueError(f"the algorithm {algorithm!r:.40} is not accepted")
    kind, verify = ALGORITHMS[algorithm]
    for key in suitable(keys, header, kind):
        try:
            verify(key, f"{first}.{second}".encode(), decoded(third))
        except (InvalidSignature, ValueError, KeyError, TypeError):
            continue
        return json_part(second)
    raise ValueError("no key of the issuer's signed the ID token")


def number(claims: dict[str, Any], name: str) -> float:
    """A time; ValueError if it is not there."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"the ID token has no valid {name}")
    return found


def check_claims(claims: dict[str, Any], issuer: str, client: str, now: float) -> None:
    """Whether it is for this client, from this issuer, and for now. Raises ValueError."""
    if claims.get("iss") != issuer:
        raise ValueError(f"the ID token is from {claims.get('iss')!r:.200}, not from {issuer}")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client not in audiences:
        raise ValueError(f"the ID token is for {audience!r:.200}, not for {client}")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client:
        raise ValueError("the ID token was issued to another client (azp)")
    if number(claims, "exp") <= now - LEEWAY:
        raise ValueError("the ID token has expired; is the clock of this machine right?")
    for name in ("iat", "nbf"):
        if name in claims and number(claims, name) > now + LEEWAY:
            raise ValueError(f"the ID token is of the future ({name}); is the clock right?")
    if not isinstance(claims.get("sub"), str):
        raise ValueError("the ID token has no sub")


# The flow


class DeviceFlow:
    """One login at the issuer."""

    def __init__(self, options: argparse.Namespace, http: Http, server: Server) -> None:
        self.options = options
        self._http = http
        self._server = server
        self._secret = secret(options.client_secret_file)

    def discover(self) -> None:
        """The addresses of the issuer's services (OpenID Connect Discovery, section 4)."""
        issuer = self.options.issuer
        url = issuer.rstrip("/") + "/.well-known/openid-configuration"
        self.provider = self._http.get(url)
        if self.provider.get("issuer") != issuer:
            raise Refused(
                UNAVAILABLE, f"{url} names the issuer {self.provider.get('issuer')!r:.200}"
            )
        if "device_authorization_endpoint" not in self.provider:
            raise Refused(UNAVAILABLE, f"{issuer} has no device authorization grant")

    def _post(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        """As this client (RFC 6749 section 2.3.1)."""
        url, form = self.provider.get(endpoint), {"client_id": self.options.client_id, **form}
        if not self._secret:
            return self._http.post(check_url(url), form)
        known = self.provider.get("token_endpoint_auth_methods_supported")
        if isinstance(known, list) and "client_secret_basic" not in known:
            return self._http.post(check_url(url), {**form, "client_secret": self._secret})
        pair = f"{quote_plus(self.options.client_id)}:{quote_plus(self._secret)}"
        return self._http.post(check_url(url), form, base64.b64encode(pair.encode()).decode())

    def begin(self) -> None:
        """Get a code, and show it (section 3.2)."""
        try:
            found = self._post("device_authorization_endpoint", {"scope": self.options.scope})
        except OAuthError as error:
            raise Refused(UNAVAILABLE, f"the issuer gives no code: {error!s:.200}") from None
        self._device_code = found.get("device_code")
        code, url = found.get("user_code"), check_url(found.get("verification_uri"))
        if not (isinstance(self._device_code, str) and isinstance(code, str)):
            raise Refused(UNAVAILABLE, "the issuer's answer has no code")
        expires, interval = found.get("expires_in"), found.get("interval", INTERVAL)
        self._interval = float(interval) if isinstance(interval, int | float) else INTERVAL
        self._interval = max(1.0, self._interval)
        seconds = min(self.options.timeout, expires if isinstance(expires, int) else 600)
        self._ends = time.monotonic() + seconds
        self._show(url, code, found.get("verification_uri_complete"), max(1, int(seconds)))

    def _show(self, url: str, code: str, complete: object, seconds: int) -> None:
        text = f"Open {url} in a browser, log in, and enter the code {code}"
        if complete is not None:
            text += f" (or open {check_url(complete)} and compare the code)"
        if not self.options.enter:
            self._server.say("wait", f"{seconds} {text}")
            return
        self._server.say("wait", str(seconds))
        self._server.say("ask-visible", f"{text}. Then press Enter: ")
        self._server.hear("answer")
        self._server.say("wait", str(seconds))

    def token(self) -> dict[str, Any]:
        """Ask until the operator has decided (sections 3.4, 3.5)."""
        form = {"grant_type": GRANT, "device_code": str(self._device_code)}
        failures, reason = 0, ""
        while True:
            delay = self._interval * 2 ** min(failures, 3)
            if time.monotonic() + delay >= self._ends:
                if failures:
                    raise Refused(UNREACHABLE, reason)
                raise Refused("The code has expired; log in again", "the code expired unused")
            time.sleep(delay)
            try:
                return self._post("token_endpoint", form)
            except Unreachable as error:
                failures, reason = failures + 1, str(error)
            except OAuthError as error:
                failures = 0
                self._take(str(error))

    def _take(self, code: str) -> None:
        if code == "slow_down":
            self._interval += SLOWER
        elif code == "access_denied":
            raise Refused("The login was denied at the login server", "denied by the user")
        elif code == "expired_token":
            raise Refused("The code has expired; log in again", "the code expired unused")
        elif code != "authorization_pending":
            raise Refused(UNAVAILABLE, f"the issuer gives no token: {code:.200}")

    def claims(self, token: dict[str, Any]) -> dict[str, Any]:
        """What the issuer says of the user, checked."""
        keys = self._http.get(check_url(self.provider.get("jwks_uri")))
        try:
            claims = verified(token.get("id_token"), keys)
            check_claims(claims, self.options.issuer, self.options.client_id, time.time())
        except (ValueError, binascii.Error) as error:
            told = "The login server's answer is not valid; the administrator's log has the reason"
            raise Refused(told, str(error)) from None
        wanted = {self.options.username_claim, self.options.groups_claim}
        if wanted <= claims.keys() or "userinfo_endpoint" not in self.provider:
            return claims
        return {**self._userinfo(token, claims["sub"]), **claims}

    def _userinfo(self, token: dict[str, Any], subject: str) -> dict[str, Any]:
        """More claims, of the same user (OpenID Connect Core, section 5.3.2)."""
        url, access = check_url(self.provider["userinfo_endpoint"]), token.get("access_token")
        if not isinstance(access, str):
            return {}
        try:
            found = self._http.get(url, access)
        except OAuthError as error:
            raise Refused(UNAVAILABLE, f"{url}: {error!s:.200}") from None
        if found.get("sub") != subject:
            raise Refused(UNAVAILABLE, f"{url} is about another user than the ID token")
        return found


def secret(path: str | None) -> str:
    """The client's secret, from a file that nobody else can read."""
    if path is None:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Refused(UNAVAILABLE, f"{path} can be read by others; chmod 600 it")
            return file.read(4096).strip()
    except (OSError, ValueError) as error:
        raise Refused(UNAVAILABLE, f"{path}: {getattr(error, 'strerror', error)}") from None


# Who it is


def check_name(claims: dict[str, Any], operator: str, options: argparse.Namespace) -> None:
    """Whether the user of the token is the operator who logs in."""
    name = claims.get(options.username_claim)
    if not isinstance(name, str) or not name:
        raise Refused(UNAVAILABLE, f"the issuer gives no {options.username_claim}")
    if options.domain and name.casefold().endswith(f"@{options.domain}".casefold()):
        name = name[: -len(options.domain) - 1]
    if name != operator:
        told = f"The login server knows you as {name!r:.100}; log in with that name"
        raise Refused(told, f"the user is {name!r:.100}")


def groups(claims: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """The groups of the token; with --group only those, by their names here."""
    found = claims.get(options.groups_claim, [])
    if "_claim_names" in claims and options.groups_claim not in claims:
        print("the user has too many groups for a token: use app roles", file=sys.stderr)
    listed = found if isinstance(found, list) else [found]
    names = dict.fromkeys(each for each in listed if isinstance(each, str) and each)
    if options.group:
        here = dict(options.group)
        return [here[each] for each in names if each in here]
    kept = [each for each in names if len(each) <= GROUP]
    if len(kept) > GROUPS:
        raise Refused(UNAVAILABLE, f"the user is in over {GROUPS} groups: name those with --group")
    return kept


def decide(server: Server, options: argparse.Namespace) -> None:
    """One login, from the first line to the verdict."""
    server.say("wait", "30")
    if server.hear("version") != "1":
        raise EOFError
    operator, _address = server.hear("operator"), server.hear("address")
    try:
        flow = DeviceFlow(options, Http(options.ca_file), server)
        flow.discover()
        flow.begin()
        token = flow.token()
        server.say("wait", str(CHECKING))
        claims = flow.claims(token)
        check_name(claims, operator, options)
        given = groups(claims, options)
    except Refused as refused:
        server.say("tell", f"{refused.told}.")
        server.say("no", str(refused))
    except Unreachable as error:
        server.say("tell", f"{UNREACHABLE}.")
        server.say("no", str(error))
    else:
        for group in given:
            server.say("group", group)
        server.say("ok")


def pair(text: str) -> tuple[str, str]:
    """ISSUERS=OURS."""
    issuers, equals, ours = text.rpartition("=")
    if not (issuers and equals and ours):
        raise argparse.ArgumentTypeError("expected the issuer's name, = and the name here")
    return issuers, ours


def issuer_url(text: str) -> str:
    """An https URL without a query."""
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("expected an https URL")
    return text


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description="Log in to vspc at an OpenID Connect issuer.")
    parser.add_argument("--issuer", metavar="URL", required=True, type=issuer_url)
    parser.add_argument("--client-id", metavar="ID", required=True)
    parser.add_argument("--client-secret-file", metavar="FILE", help="mode 0600; none: public")
    parser.add_argument("--scope", default="openid profile", help="default: openid profile")
    parser.add_argument("--username-claim", metavar="NAME", default="preferred_username")
    parser.add_argument("--groups-claim", metavar="NAME", default="groups")
    parser.add_argument("--domain", help="alice@DOMAIN at the issuer is the operator alice")
    parser.add_argument(
        "--group",
        metavar="ISSUERS=OURS",
        action="append",
        type=pair,
        help="pass on this group, by our name; without any, all are passed on as they are",
    )
    parser.add_argument("--ca-file", metavar="FILE", help="authorities for TLS, in PEM")
    parser.add_argument("--timeout", metavar="SECONDS", type=int, default=300)
    parser.add_argument(
        "--enter", action="store_true", help="a question, for clients that show nothing else"
    )
    return parser.parse_args()


def main() -> int:
    """Status 0: there was a verdict, whatever it was."""
    try:
        decide(Server(sys.stdin.buffer, sys.stdout.buffer), arguments())
    except (EOFError, BrokenPipeError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
