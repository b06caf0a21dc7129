"""What those who judge work with."""

from collections.abc import Callable

from attrs import frozen

from vspc.auth.passwords import Passwords
from vspc.auth.programs import Programs
from vspc.auth.revocation import Revocations
from vspc.auth.totp import Codes
from vspc.common.clock import Clock
from vspc.console.ports import Lockouts
from vspc.console.session import Proof


@frozen
class AuthContext:
    """The same for every configuration; `revocations` may be others after a reload."""

    clock: Clock
    passwords: Passwords
    codes: Codes
    programs: Programs
    lockouts: Lockouts
    revocations: Callable[[], Revocations]

    def locked(self, name: str, proof: Proof) -> str:
        """Empty, or who is locked out of those that `proof` is about."""
        names = [each for each in (name, proof.fingerprint, proof.ca) if each]
        lockout = self.lockouts.find(names)
        return "" if lockout is None else f"{lockout.what} is locked out"
