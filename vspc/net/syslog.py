"""Records of syslog, RFC 5424, and how they stand behind each other in a stream (RFC 6587)."""

INFO = 6
"""The severity of what is no trouble."""

_MARK = b"\xef\xbb\xbf"


def record(
    facility: int, time: str, hostname: str, kind: str, data: str, text: bytes, severity: int = INFO
) -> bytes:
    """One. `time` is RFC 3339 in UTC, `kind` the MSGID, `data` "-" or structured data; `text` is
    UTF-8, and the mark in front says so (section 6.4).
    """
    head = f"<{facility * 8 + severity}>1 {time} {hostname} vspc - {kind} {data} "
    return head.encode("utf-8", "replace") + _MARK + text


def counted(body: bytes) -> bytes:
    """With its length in front (RFC 6587 section 3.4.1)."""
    return f"{len(body)} ".encode() + body
