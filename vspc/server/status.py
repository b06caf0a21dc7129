"""The condition of the server, as `status` prints it: what each part reports of itself."""

import os
import resource
from datetime import UTC, datetime

from attrs import define, field

from vspc import __version__
from vspc.apps.verbs.context import timestamp
from vspc.audit.service import AuditService
from vspc.common.clock import Clock
from vspc.console.history import Budget
from vspc.net.certificates import Validity
from vspc.server.log_side import LogSide
from vspc.server.operator_side import OperatorSide
from vspc.server.vm_side import VmSide
from vspc.vm.server import LineServer


@define(eq=False)
class ServerStatus:
    """Nothing here waits for the disk."""

    clock: Clock
    budget: Budget
    line_server: LineServer
    vm_side: VmSide
    operators: OperatorSide
    audit: AuditService
    logs: LogSide
    _since: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._since = self.clock.wall()

    def facts(self) -> dict[str, object]:
        """Names and values, some of them tables; sizes in bytes."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": timestamp(self._since),
            "uptime_seconds": round(self.clock.wall() - self._since),
            "largest_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "certificate": _certificate(self.vm_side.validity, self.clock.wall()),
            "lines": {
                "all": len(self.line_server.sessions),
                "unidentified": len(self.line_server.unidentified),
            },
            "ssh": self.operators.condition(),
            "history": {"used": self.budget.used, "total": self.budget.total},
            **self.logs.condition(),
            "audit": self.audit.condition(),
            "limits_hit": dict(self.audit.limits()),
        }


def _certificate(validity: Validity | None, now: float) -> dict[str, object] | None:
    """The certificate of the VMs' listeners; None before there are any."""
    if validity is None:
        return None
    moment = datetime.fromtimestamp(now, UTC)
    return {
        "not_before": timestamp(validity.not_before.timestamp()),
        "not_after": timestamp(validity.not_after.timestamp()),
        "days_left": validity.days_left(moment),
        "problem": validity.problem(moment),
    }
