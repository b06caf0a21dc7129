"""Logins, logouts and failed logins, as events of the audit file."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, field

from vspc.audit.rate_limit import MINUTE, EventRateLimit
from vspc.audit.refusals import RecentRefusals, hint_for
from vspc.console.audit import Audit
from vspc.console.authentication import RefusalCause
from vspc.console.session import Proof, Session


class RecordedLogin(Protocol):
    """An operator's login, as a door has it."""

    @property
    def session(self) -> Session: ...


class RecordedFailure(Protocol):
    """Attempts that came to nothing; see `vspc.console.logins`."""

    @property
    def operator(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def proof(self) -> Proof: ...
    @property
    def attempts(self) -> int: ...
    @property
    def probes(self) -> int: ...
    @property
    def cause(self) -> RefusalCause: ...


@define(eq=False)
class LoginRecorder:
    """`seconds` is for measuring, `wall` gives seconds since 1970."""

    audit: Audit
    refused: RecentRefusals
    seconds: Callable[[], float]
    wall: Callable[[], float]
    failed_inside: Callable[[], None]
    _limit: EventRateLimit = field(factory=EventRateLimit, init=False)

    def came(self, login: RecordedLogin) -> None:
        """An operator logged in."""
        try:
            session = login.session
            roles = ",".join(sorted(session.operator.roles)) or None
            principals = ",".join(session.proof.principals) or None
            self.audit.record("login", session, roles=roles, principals=principals)
        except Exception:
            self.failed_inside()

    def left(self, login: RecordedLogin) -> None:
        """An operator logged out."""
        try:
            lasted = max(0.0, self.wall() - login.session.since)
            self.audit.record("logout", login.session, seconds=round(lasted, 3))
        except Exception:
            self.failed_inside()

    def failed(self, failure: RecordedFailure) -> None:
        """One more attempt was counted, or a client has gone that only asked for keys."""
        try:
            self._failed(failure)
        except Exception:
            self.failed_inside()

    def excused(self, failures: Iterable[RecordedFailure]) -> None:
        """The same connection logged in after all: its failures were no refusals."""
        try:
            for failure in failures:
                self.refused.take_back(*_what(failure))
        except Exception:
            self.failed_inside()

    def _failed(self, failure: RecordedFailure) -> None:
        proof = failure.proof
        hint = hint_for(failure.operator, proof, failure.cause)
        self.refused.add(*_what(failure), *hint)
        if not self._limit.take(failure.address, self.seconds()):
            return
        self.audit.record(
            "login-failed",
            result="failed",
            operator=failure.operator,
            address=failure.address,
            reason=failure.reason or None,
            via=proof.via or None,
            fingerprint=proof.fingerprint or None,
            serial=proof.serial,
            key_id=proof.key_id or None,
            ca=proof.ca or None,
            attempts=failure.attempts,
            probes=failure.probes,
        )

    def tick(self, now: float) -> None:
        """Record how many events had no line; call it every second, at last with infinity."""
        for suppressed in self._limit.suppressed(now):
            self.audit.record(
                "login-failed",
                result="failed",
                address=suppressed.address or None,
                count=suppressed.count,
                seconds=MINUTE,
            )


def _what(failure: RecordedFailure) -> tuple[str, str, str, str]:
    """Its key among the refusals."""
    reason = f"{failure.proof.via or 'nothing'}: {failure.reason or 'refused'}"
    return "login", failure.address, failure.operator, reason
