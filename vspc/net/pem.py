"""PEM files of the administrator's: certificates, authorities, private keys (RFC 7468)."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vspc.common.errors import InvalidValue
from vspc.common.textfile import located, read, text_of

FILE_LIMIT = 1024 * 1024
"""Bytes of a PEM file."""

_DER = (b"0\x81", b"0\x82", b"0\x83")
"""How a certificate or key without PEM around it begins."""

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----")


class PemError(ValueError):
    """A file cannot be used; the text names it and says why."""


def read_pem(path: Path) -> bytes:
    """The blocks in `path`, without what stands around them. Raises `PemError`."""
    try:
        data = read(path, FILE_LIMIT).data
        if data.startswith(_DER):
            raise InvalidValue(
                "it is DER, not PEM", "openssl x509 -inform DER, or pkey, converts it"
            )
        return "".join(f"{block}\n" for block in _blocks(text_of(data))).encode()
    except InvalidValue as wrong:
        named = located(path, wrong)
        raise PemError(f"{named.problem}; {named.allowed}") from None


def _blocks(text: str) -> Iterator[str]:
    at = 0
    while begin := _BEGIN.search(text, at):
        mark = f"-----END {begin[1]}-----"
        end = text.find(mark, begin.end())
        if end < 0:
            line = text.count("\n", 0, begin.start()) + 1
            raise InvalidValue(
                f"line {line}: what begins there has no end", "it was cut, or damaged"
            )
        at = end + len(mark)
        yield text[begin.start() : at]


@contextmanager
def as_file(data: bytes) -> Iterator[str]:
    """The path of `data`, which is on no disk, for a library that takes nothing else."""
    descriptor = os.memfd_create("vspc-pem", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
