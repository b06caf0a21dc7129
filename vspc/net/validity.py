"""How long a certificate is valid: what `vspc check`, a start and `status` say of it."""

from datetime import UTC, datetime, timedelta

from attrs import frozen
from cryptography import x509

WARN_DAYS = 30
"""Days before a certificate expires from which on that is said."""


@frozen
class Validity:
    """From when and until when a certificate is valid, in UTC."""

    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; below 0 it has expired."""
        return (self.not_after - now) // timedelta(days=1)

    def problem(self, now: datetime) -> str:
        """What is wrong with it at `now`, or soon will be; empty: nothing."""
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
    """That of one certificate."""
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def validity_of(pem: bytes) -> Validity:
    """That of the first certificate in `pem`, the server's own. Raises ValueError."""
    return validity(x509.load_pem_x509_certificates(pem)[0])


def _day(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d")
