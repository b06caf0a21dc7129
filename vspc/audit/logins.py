"""Who came, who left and who did not get in: the witness of a door where operators log in."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, field

from vspc.audit.bounds import MINUTE, AuditBounds
from vspc.audit.refusals import RecentRefusals, hint_for
from vspc.console.audit import Audit
from vspc.console.authentication import RefusalCause
from vspc.console.session import Proof, Session


class RecordedLogin(Protocol):
    """An operator who is in, as his door has him."""

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
    _bounds: AuditBounds = field(factory=AuditBounds, init=False)

    def came(self, login: RecordedLogin) -> None:
        """Somebody is in."""
        try:
            session = login.session
            roles = ",".join(sorted(session.operator.roles)) or None
            principals = ",".join(session.proof.principals) or None
            self.audit.record("login", session, roles=roles, principals=principals)
        except Exception:
            self.failed_inside()

    def left(self, login: RecordedLogin) -> None:
        """He is gone."""
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
        """Who failed so is in, by the same connection: nobody was turned away."""
        try:
            for failure in failures:
                self.refused.take_back(*_what(failure))
        except Exception:
            self.failed_inside()

    def _failed(self, failure: RecordedFailure) -> None:
        proof = failure.proof
        hint = hint_for(failure.operator, proof, failure.cause)
        self.refused.add(*_what(failure), *hint)
        if not self._bounds.take(failure.address, self.seconds()):
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
        """Say what had no line of its own; call it now and then, at last with infinity."""
        for over in self._bounds.over(now):
            self.audit.record(
                "login-failed",
                result="failed",
                address=over.address or None,
                count=over.count,
                seconds=MINUTE,
            )


def _what(failure: RecordedFailure) -> tuple[str, str, str, str]:
    """Under which it stands among what was turned away."""
    reason = f"{failure.proof.via or 'nothing'}: {failure.reason or 'refused'}"
    return "login", failure.address, failure.operator, reason
