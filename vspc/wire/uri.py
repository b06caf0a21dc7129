"""URIs as vSphere's dialogs take them: service URIs that VMs send, proxy URIs that people type.

A service URI is a free word; what follows `?` or `#` are arguments by convention (RFC 3986).
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from attrs import frozen

ARGUMENTS = 16
"""Arguments of a service URI that are read."""

LENGTH = 2048
"""Bytes of a service URI that are read."""


@frozen
class ServiceUri:
    """What DO-PROXY named: `text` as typed, `word` up to the first ? or #, `arguments` after ?."""

    text: str
    word: str
    arguments: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes) -> "ServiceUri":
        """Never fails; what is not UTF-8 stays as escapes of it, what is too long is cut."""
        text = raw[:LENGTH].decode("utf-8", "backslashreplace")
        before, _, _ = text.partition("#")
        word, _, query = before.partition("?")
        fields = query.split("&")[:ARGUMENTS]
        return cls(text, word, dict(parse_qsl("&".join(fields), keep_blank_values=True)))

    @property
    def port_label(self) -> str | None:
        """`?port=LABEL`, which tells the serial ports of one VM apart."""
        return self.arguments.get("port") or None


def proxy_uri(scheme: str, host: str, port: int, **fragment: str) -> str:
    """`telnets://host:port#key=value&...`; an IPv6 host gets its brackets."""
    shown = f"[{host}]" if ":" in host else host
    tail = "&".join(f"{key}={quote(value, safe=':')}" for key, value in fragment.items())
    return f"{scheme}://{shown}:{port}" + (f"#{tail}" if tail else "")
