"""Events of consoles, as events of the audit file. What VMs and their hosts cause is bounded:
each address has so many lines a minute of each event, and what is over is counted.
"""

from collections import defaultdict
from collections.abc import Callable, Collection

from attrs import define, field

from vspc.audit.rate_limit import MINUTE, EventRateLimit, SuppressedEvents
from vspc.audit.refusals import RecentRefusals
from vspc.console.audit import Audit
from vspc.console.events import (
    Attached,
    AttachmentRef,
    Broke,
    Connected,
    ConsoleRef,
    Delivered,
    Detached,
    Event,
    Forgotten,
    HostChanged,
    PenLaid,
    PenTaken,
    Replaced,
    Suspicion,
    VmRefused,
)
from vspc.console.session import Fact


@define(eq=False)
class AuditSubscriber:
    """`seconds` is for measuring, `wall` gives seconds since 1970."""

    audit: Audit
    refused: RecentRefusals
    seconds: Callable[[], float]
    wall: Callable[[], float]
    _vms: EventRateLimit = field(factory=EventRateLimit, init=False)
    # Each kind for itself: a host must not hide a takeover behind BREAKs, which cost it nothing.
    _suspicions: defaultdict[str, EventRateLimit] = field(
        factory=lambda: defaultdict(EventRateLimit), init=False
    )
    _others: defaultdict[str, EventRateLimit] = field(
        factory=lambda: defaultdict(EventRateLimit), init=False
    )

    def heard(self, event: Event) -> None:
        """One more: for `vspc.console.events.EventBus.subscribe`."""
        match event:
            case Attached(attachment):
                rights = ",".join(sorted(attachment.rights))
                self._of("attach", attachment, offset=attachment.offset, rights=rights)
            case Detached(attachment):
                lasted = round(max(0.0, self.wall() - attachment.since), 3)
                self._of("detach", attachment, offset=attachment.offset, seconds=lasted)
            case PenTaken(attachment, None):
                self._of("pen", attachment, result="taken")
            case PenTaken(attachment, former):
                self._of("force", attachment, from_operator=former)
            case PenLaid(_, former):
                self._of("pen", former, result="laid")
            case Delivered(console, session, count, dropped, answers):
                self.audit.record(
                    "input",
                    session,
                    console,
                    bytes=count,
                    dropped=dropped,
                    answers=answers or None,
                )
            case Broke(console, str(), session):
                self.audit.record("break", session, console, direction="to-vm")
            case _:
                self._by_vm(event)

    def _of(self, event: str, attachment: AttachmentRef, **facts: Fact) -> None:
        self.audit.record(event, attachment.session, attachment.console, **facts)

    def _by_vm(self, event: Event) -> None:
        match event:
            case Broke(console):
                self._bounded("break", console, console.address, direction="from-vm")
            case Connected(console, _) if console.quarantined:
                host = console.address
                self._bounded("quarantine", console, host, host=host)
            case HostChanged(console, old, new, how):
                self._bounded("takeover", console, new, how=how.value, old=old, new=new)
            case Replaced(console, old, new, why) if old == new:
                self._bounded("vm-replaced", console, new, old=old, new=new, detail=why)
            case Forgotten(console):
                self._bounded("forgotten", console, console.address)
            case Suspicion():
                self._suspicious(event)
            case VmRefused():
                self._refused(event)

    def renamed(self, console: ConsoleRef, before: str, operators: Collection[str]) -> None:
        """The VM of `console` said `before` until now, and these operators' rights changed."""
        self._bounded(
            "rename",
            console,
            console.address,
            name_before=before,
            operators=",".join(sorted(operators)),
            count=len(operators),
        )

    def _bounded(self, event: str, console: ConsoleRef, address: str, **facts: Fact) -> None:
        if self._others[event].take(address, self.seconds()):
            self.audit.record(event, None, console, **facts)

    def _suspicious(self, event: Suspicion) -> None:
        if self._suspicions[event.kind].take(event.claimant, self.seconds()):
            self.audit.record(
                "security",
                None,
                event.console,
                kind=event.kind,
                address=event.claimant,
                holder=event.holder or None,
                detail=event.detail,
            )

    def _refused(self, event: VmRefused) -> None:
        self.refused.add(
            "vm", event.address, event.zone, event.reason, event.hint, vm_name=event.vm_name
        )
        if self._vms.take(event.address, self.seconds()):
            self.audit.record(
                "vm-refused",
                address=event.address,
                zone=event.zone,
                reason=event.reason,
                vm_name=event.vm_name or None,
            )

    def tick(self, now: float) -> None:
        """Record how many events had no line; call it every second, at last with infinity."""
        for suppressed in self._vms.suppressed(now):
            self._more("vm-refused", suppressed)
        for kind, limit in self._suspicions.items():
            for suppressed in limit.suppressed(now):
                self._more("security", suppressed, kind="more", detail=kind)
        for event, limit in self._others.items():
            for suppressed in limit.suppressed(now):
                self._more("security", suppressed, kind="too-many-events", detail=event)

    def _more(self, event: str, suppressed: SuppressedEvents, **facts: Fact) -> None:
        address = suppressed.address or None
        count = suppressed.count
        self.audit.record(event, None, None, address=address, count=count, seconds=MINUTE, **facts)
