"""How many lines there are of which kind and role, and what happened on lines: counted as it
happens, for metrics.
"""

from collections.abc import Iterator

from attrs import define, field

from vspc.common.measures import Distribution
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.ports import VmLine
from vspc.vm.roles import LineRole

VMWARE, PLAIN = "vmware", "plain"


@define(eq=False)
class RoleCount:
    """`lines` of one kind in one role; `secure`: with TLS."""

    kind: str
    secure: bool
    role: LineRole
    lines: int = 0


@define(eq=False)
class LineTally:
    """`goahead`: seconds from BEGIN to GOAHEAD; `not_now`: BEGINs that were answered NOTNOW;
    `dropped`: messages of VMs that made no sense; `lost_bytes`: output of lines that had no console
    to show it on.
    """

    goahead: Distribution = field(factory=Distribution, init=False)
    not_now: int = field(default=0, init=False)
    dropped: int = field(default=0, init=False)
    lost_bytes: int = field(default=0, init=False)
    _counts: dict[tuple[str, bool, LineRole], RoleCount] = field(factory=dict, init=False)

    def entered(self, line: VmLine, role: LineRole, former: RoleCount | None) -> RoleCount:
        """`line` has `role` now, and was counted as `former` until now: as what it counts."""
        if former is not None:
            former.lines -= 1
        kind = VMWARE if isinstance(line, VMwareLine) else PLAIN
        key = kind, line.secure, role
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = RoleCount(*key)
        count.lines += 1
        return count

    def __iter__(self) -> Iterator[RoleCount]:
        return iter(self._counts.values())
