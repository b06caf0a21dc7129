"""The first moment of a connection: it takes nobody's place yet.

Most logins are over before it is. So a crowd that is quick, however large, displaces nobody who is
as quick; who stays is counted, and may have to go for the next one (`limits.Admission`).
"""

from collections import OrderedDict

from attrs import define
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from vspc.ssh import limits
from vspc.ssh.limits import Admission, Displaceable


@define
class _Newcomer:
    address: str
    timer: IDelayedCall
    failed: bool = False


class GracePeriod:
    """Before `admission`: the newest `NEW_PER_ADDRESS` and `NEW_IN_ALL`, for `NEW_FOR` seconds."""

    def __init__(self, admission: Admission, clock: IReactorTime) -> None:
        self._admission = admission
        self._clock = clock
        # Oldest first.
        self._new: OrderedDict[Displaceable, _Newcomer] = OrderedDict()
        self._new_of: dict[str, OrderedDict[Displaceable, None]] = {}

    def __len__(self) -> int:
        return len(self._new)

    def came(self, connection: Displaceable, address: str) -> None:
        """A connection was made. Over a limit the oldest newcomer is one no more."""
        timer = self._clock.callLater(limits.NEW_FOR, self._admit, connection)
        self._new[connection] = _Newcomer(address, timer)
        mine = self._new_of.setdefault(address, OrderedDict())
        mine[connection] = None
        if len(mine) > limits.NEW_PER_ADDRESS:
            self._admit(next(iter(mine)))
        elif len(self._new) > limits.NEW_IN_ALL:
            self._admit(next(iter(self._new)))

    def touched(self, connection: Displaceable) -> None:
        """Something came from `connection`."""
        if connection not in self._new:
            self._admission.touched(connection, self._clock.seconds())

    def failed(self, connection: Displaceable) -> None:
        """It has failed to log in, or is going: it goes first if somebody must."""
        newcomer = self._new.get(connection)
        if newcomer is not None:
            newcomer.failed = True
        else:
            self._admission.failed(connection)

    def leave(self, connection: Displaceable) -> None:
        """It has logged in, or is gone; unknown ones do not matter."""
        if self._forget(connection) is None:
            self._admission.leave(connection)

    def _forget(self, connection: Displaceable) -> _Newcomer | None:
        newcomer = self._new.pop(connection, None)
        if newcomer is None:
            return None
        if newcomer.timer.active():
            newcomer.timer.cancel()
        mine = self._new_of[newcomer.address]
        del mine[connection]
        if not mine:
            del self._new_of[newcomer.address]
        return newcomer

    def _admit(self, connection: Displaceable) -> None:
        """From now on it counts."""
        newcomer = self._forget(connection)
        assert newcomer is not None
        leaver = self._admission.admit(connection, newcomer.address, self._clock.seconds())
        if newcomer.failed:
            self._admission.failed(connection)
        if leaver is not None:
            leaver.displace()
