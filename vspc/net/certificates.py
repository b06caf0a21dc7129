"""PEM files (RFC 7468), chains of certificates, and how long these are valid."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from vspc.common.addresses import parse_address
from vspc.common.text import safe
from vspc.common.textfile import located, read, text_of
from vspc.common.values import InvalidValue

FILE_LIMIT = 1024 * 1024
"""Bytes of a PEM file."""

_DER = (b"0\x81", b"0\x82", b"0\x83")
"""First bytes of DER."""

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----")


class PemError(ValueError):
    """A file cannot be used; the text names it and says why."""


def read_pem(path: Path) -> bytes:
    """The blocks in `path`, without the text around them. Raises `PemError`."""
    try:
        data = read(path, FILE_LIMIT).data
        if data.startswith(_DER):
            raise InvalidValue(
                "the file is DER, not PEM", "convert it with openssl x509 -inform DER, or pkey"
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
                f"line {line}: the block has no END line", "the file is cut or damaged"
            )
        at = end + len(mark)
        yield text[begin.start() : at]


@contextmanager
def as_file(data: bytes) -> Iterator[str]:
    """A path of `data`, in memory only, for a library that needs a path."""
    descriptor = os.memfd_create("vspc-pem", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def name_of(name: x509.Name) -> str:
    """A subject or issuer for people: its common name, or all of it."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return safe(str(common[0].value) if common else name.rfc4514_string(), 80)


NAMES = 8
"""Alternative names of a certificate that are looked at."""


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Names and addresses that it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(safe(str(getattr(each, "value", each)), 80) for each in list(found)[:NAMES])


def presented_host(pem: bytes) -> str:
    """The name by which others reach the server that shows the first certificate in `pem`; empty if
    that has none. Raises ValueError.
    """
    names = alternative_names(x509.load_pem_x509_certificates(pem)[0])
    usable = (each for each in names if each != "localhost" and "*" not in each)
    return next((each for each in usable if parse_address(each) is None), "")


def chain_problems(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    """What is wrong with `chain`, the server's own certificate first. Certificates are counted from
    1.
    """
    for place, (each, issuer) in enumerate(pairwise(chain), 1):
        if each.issuer != issuer.subject:
            yield _unlinked(chain, place)
        elif not _signed(each, issuer):
            what = f"certificate {place} ({name_of(each.subject)}) was not signed by the next one"
            yield f"{what}, which has the name of its issuer"
    if len(chain) == 1 and chain[0].issuer != chain[0].subject and _points_elsewhere(chain[0]):
        yield (
            f"the certificate of its issuer ({name_of(chain[0].issuer)}) is not in the file: "
            "if that is an intermediate one, append it"
        )


def _unlinked(chain: Sequence[x509.Certificate], place: int) -> str:
    """Why the certificate after number `place` is not that of its issuer."""
    each = chain[place - 1]
    if each.issuer == each.subject:
        return f"certificate {place} ({name_of(each.subject)}) is a root, but another one follows"
    for number, other in enumerate(chain, 1):
        if other.subject == each.issuer and number != place:
            what = (
                f"certificate {number} ({name_of(other.subject)}) is the issuer of number {place}"
            )
            return f"the chain is in the wrong order: {what}, and belongs behind it"
    what = f"the certificate of {name_of(each.issuer)}, the issuer of number {place}"
    return f"{what} ({name_of(each.subject)}), is missing behind it"


def _signed(each: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        each.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _points_elsewhere(certificate: x509.Certificate) -> bool:
    """Whether it names where its issuer's certificate is, as public authorities do, which issue
    from intermediate ones.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return False
    issuers = AuthorityInformationAccessOID.CA_ISSUERS
    return any(each.access_method == issuers for each in found.value)


WARN_DAYS = 30
"""Days before a certificate expires in which that is warned of."""


@frozen
class Validity:
    """From when and until when a certificate is valid, in UTC."""

    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.not_after - now) // timedelta(days=1)

    def problem(self, now: datetime) -> str:
        """What is wrong at `now`, or will be within `WARN_DAYS`; empty: nothing."""
        if now < self.not_before:
            return f"not valid before {_day(self.not_before)}"
        if now > self.not_after:
            return f"expired on {_day(self.not_after)}"
        days = self.days_left(now)
        if days < WARN_DAYS:
            left = "less than a day" if days < 1 else f"{days} day{'' if days == 1 else 's'}"
            return f"expires on {_day(self.not_after)}, in {left}"
        return ""


def validity(certificate: x509.Certificate) -> Validity:
    """The validity of one certificate."""
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def validity_of(pem: bytes) -> Validity:
    """The validity of the first certificate in `pem`. Raises ValueError."""
    return validity(x509.load_pem_x509_certificates(pem)[0])


def _day(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d")
