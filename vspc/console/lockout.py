"""The port of lockouts: operators and keys that may not come in until that is lifted."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import frozen


@frozen
class Lockout:
    """`what`: an operator's name, or a fingerprint (`SHA256:...`) of a key or an authority.

    Times are seconds since 1970; `until` None: until it is lifted.
    """

    what: str
    by: str
    since: float
    until: float | None
    reason: str = ""


class Lockouts(Protocol):
    """All that count; `vspc.auth.lockouts` keeps them."""

    def lock(self, lockout: Lockout, saved: Callable[[str], None]) -> bool:
        """It counts from now on; `saved` gets why it could not be written, or "".

        False: there are too many.
        """

    def lift(self, what: str, saved: Callable[[str], None]) -> bool:
        """Lift it; False if there is none."""

    def find(self, names: Iterable[str]) -> Lockout | None:
        """The first lockout of any of `names`."""

    def listed(self) -> list[Lockout]:
        """All of them, oldest first."""
