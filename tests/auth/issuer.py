"""An OpenID Connect issuer of the tests' own, with the device authorization grant (RFC 8628): what
it answers, without HTTP.
"""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CODE = "WDJB-MJHT"
DEVICE_CODE = "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"
CLIENT = "vspc"

Answer = tuple[int, dict[str, Any]]
"""A status and a JSON object."""


def encoded(data: bytes) -> str:
    """base64url, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    """As a key has it."""
    return encoded(value.to_bytes(size, "big"))


class EcKey:
    """For ES256."""

    algorithm = "ES256"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def public(self) -> dict[str, str]:
        found = self._key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": number(found.x, 32), "y": number(found.y, 32)}

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class RsaKey:
    """For RS256."""

    algorithm = "RS256"

    def __init__(self, bits: int = 2048) -> None:
        self._key = rsa.generate_private_key(65537, bits)

    def public(self) -> dict[str, str]:
        found = self._key.public_key().public_numbers()
        size = self._key.key_size // 8
        return {"kty": "RSA", "n": number(found.n, size), "e": number(found.e, 3)}

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def token(key: EcKey | RsaKey, claims: Mapping[str, Any], **header: Any) -> str:
    """A signed ID token."""
    names = {"alg": key.algorithm, "kid": "1"} | header
    parts = [encoded(json.dumps(each).encode()) for each in (names, dict(claims))]
    return ".".join([*parts, encoded(key.sign(".".join(parts).encode()))])


@define(eq=False)
class FakeIssuer:
    """`said` is what the token endpoint says next: errors, statuses; then what the user decided:
    `entered` is empty until that.
    """

    url: str
    key: EcKey | RsaKey = field(factory=EcKey)
    said: list[str | int] = field(factory=list)
    entered: str = ""
    claims: dict[str, Any] = field(factory=dict)
    userinfo: dict[str, Any] = field(factory=dict)
    provider: dict[str, Any] = field(factory=dict)
    device: dict[str, Any] = field(factory=dict)
    header: dict[str, Any] = field(factory=dict)
    signer: EcKey | RsaKey | None = None
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(factory=list)
    is_down: bool = False

    def enter(self, code: str, decision: str = "approved") -> None:
        """The user typed the code, and decided."""
        assert code == CODE, code
        self.entered = decision

    def answer(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        """To one request."""
        self.requests.append((path, form, headers))
        match path:
            case "/.well-known/openid-configuration":
                return 200, self.discovered()
            case "/device":
                return 200, self.begun()
            case "/token":
                return self._polled(form)
            case "/keys":
                return 200, {"keys": [{"kid": "1", "use": "sig", **self.key.public()}]}
            case "/userinfo":
                return 200, {"sub": "4711", **self.userinfo}
        return 404, {}

    def discovered(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "device_authorization_endpoint": f"{self.url}/device",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
        } | self.provider

    def begun(self) -> dict[str, Any]:
        return {
            "device_code": DEVICE_CODE,
            "user_code": CODE,
            "verification_uri": f"{self.url}/activate",
            "expires_in": 600,
            "interval": 1,
        } | self.device

    def _polled(self, form: dict[str, str]) -> Answer:
        if form.get("device_code") != DEVICE_CODE:
            return 400, {"error": "invalid_grant"}
        if self.said:
            said = self.said.pop(0)
            return (said, {}) if isinstance(said, int) else (400, {"error": said})
        if self.entered != "approved":
            return 400, {"error": self.entered or "authorization_pending"}
        return 200, {"access_token": "mF_9.B5f-4.1JqM", "id_token": self.token()}

    def token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "4711",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "alice",
            "groups": ["leads", "staff"],
        } | self.claims
        kept = {name: value for name, value in claims.items() if value is not None}
        return token(self.signer or self.key, kept, **self.header)
