"""Logins and events of consoles, as events of the audit file.

What VMs and their hosts cause, and failed logins, are bounded: each address has so many lines a
minute of each event, and what is over is counted.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable

from attrs import define, field, frozen

from vspc.audit.refusals import RecentRefusals, hint_for
from vspc.common.addresses import rate_key
from vspc.common.clock import timestamp
from vspc.console.approval_events import Approval
from vspc.console.audit import Audit
from vspc.console.events import (
    Attached,
    AttachmentRef,
    BreakSignal,
    Connected,
    ConsoleRef,
    Delivered,
    Detached,
    Event,
    Forgotten,
    HostChanged,
    PenReleased,
    PenTaken,
    Replaced,
    Suspicion,
    VmRefused,
)
from vspc.console.logins import Login, LoginFailure
from vspc.console.pen_events import (
    Leased,
    LeaseEnded,
    PenAnswered,
    PenAsked,
    PenGiven,
    PenJoined,
    PenLock,
    PenLocked,
    PenUnlocked,
)
from vspc.console.session import Fact, Session

EACH = 30
"""Lines of one address in a minute."""

IN_ALL = 600
"""The same of all addresses together."""

TABLE = 4096
"""Addresses that are counted each; of more, the first are counted together."""

SUMMARIES = 100
"""Addresses that get a count each at a time; others are counted together."""

MINUTE = 60.0
"""Seconds in which lines are counted."""


@frozen
class SuppressedEvents:
    """Events without a line of their own; `address`, of IPv6 a network, is empty for many."""

    address: str
    count: int


@define
class _Minute:
    since: float
    recorded: int = 0
    suppressed: int = 0


class EventRateLimit:
    """How many lines of one kind an address gets a minute; what is over is counted. Times are the
    caller's, in seconds.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, _Minute] = OrderedDict()  # the oldest minute first
        self._rest = 0
        self._rest_since = 0.0
        self._all = _Minute(0.0)

    def take(self, address: str, now: float) -> bool:
        """Whether one more of `address` gets a line; otherwise it is counted. An IPv6 address
        counts with its network: a host there has as many as it likes.
        """
        address = rate_key(address)
        minute = self._of.get(address)
        if minute is None:
            if len(self._of) >= TABLE:
                _, first = self._of.popitem(last=False)
                self._add(first.suppressed, now)
            minute = self._of[address] = _Minute(now)
        if now - self._all.since >= MINUTE:
            self._all = _Minute(now)
        if minute.recorded < EACH and self._all.recorded < IN_ALL:
            minute.recorded += 1
            self._all.recorded += 1
            return True
        minute.suppressed += 1
        return False

    def _add(self, count: int, now: float) -> None:
        if count and not self._rest:
            self._rest_since = now
        self._rest += count

    def suppressed(self, now: float) -> list[SuppressedEvents]:
        """Events without a line, of minutes that have passed; call it at last with infinity."""
        found = list[SuppressedEvents]()
        while self._of and now - next(iter(self._of.values())).since >= MINUTE:
            address, minute = self._of.popitem(last=False)
            if minute.suppressed and len(found) < SUMMARIES:
                found.append(SuppressedEvents(address, minute.suppressed))
            else:
                self._add(minute.suppressed, now)
        if self._rest and (now - self._rest_since >= MINUTE or now == float("inf")):
            found.append(SuppressedEvents("", self._rest))
            self._rest = 0
        return found


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

    EVENTS = (
        *(Attached, Detached, Delivered, BreakSignal, PenTaken, PenReleased, PenAsked),
        *(PenAnswered, PenGiven, Approval, PenJoined, PenLocked, PenUnlocked, Leased, LeaseEnded),
        *(Connected, HostChanged, Replaced, Forgotten, Suspicion, VmRefused),
    )
    """Those that are recorded."""

    def handle(self, event: Event) -> None:
        """Record `event`; for `vspc.console.events.EventBus.subscribe`."""
        match event:
            case Attached(attachment):
                rights = ",".join(sorted(attachment.rights))
                kind = attachment.kind or None
                self._of("attach", attachment, offset=attachment.offset, rights=rights, kind=kind)
            case Detached(attachment):
                lasted = round(max(0.0, self.wall() - attachment.since), 3)
                self._of("detach", attachment, offset=attachment.offset, seconds=lasted)
            case PenTaken(attachment, None):
                self._of("pen", attachment, result="taken")
            case PenTaken(attachment, former):
                self._of("force", attachment, from_operator=former)
            case PenReleased(attachment):
                self._of("pen", attachment, result="laid")
            case Delivered(console, session, count, dropped, answers):
                self.audit.record(
                    "input",
                    session,
                    console,
                    bytes=count,
                    dropped=dropped,
                    answers=answers or None,
                )
            case BreakSignal(console, str(), session):
                self.audit.record("break", session, console, direction="to-vm")
            case _:
                self._about_pen(event)

    def _about_pen(self, event: Event) -> None:
        match event:
            case PenAsked(attachment, holder):
                self._of("ask", attachment, result="asked", holder=holder)
            case PenAnswered(attachment, holder, asked):
                self._of("ask", attachment, result=asked.value, holder=holder or None)
            case PenGiven(attachment, giver, because):
                former = None if giver is None else giver.operator.name
                self._of("give", attachment, result=because.value, from_operator=former)
            case Approval(attachment, step, None, end):
                why = None if end is None else end.value
                self._of("approve", attachment, result=step.value, cause=why)
            case Approval(attachment, step, Session() as by, _):
                asker = attachment.session.operator.name
                facts = {"result": step.value, "subject": asker}
                self.audit.record("approve", by, attachment.console, **facts)
            case PenJoined(attachment):
                self._of("pen", attachment, result="joined")
            case PenLocked(console, by, lock):
                self._lock("lock", console, by, lock, "locked", keep=lock.keeps)
            case PenUnlocked(console, ended_by, lock, end):
                self._lock("lock", console, ended_by, lock, end.value)
            case Leased(console, by, lock):
                self._lock("lease", console, by, lock, "leased")
            case LeaseEnded(console, ended_by, lock, end):
                self._lock("lease", console, ended_by, lock, end.value)
            case _:
                self._by_vm(event)

    def _lock(
        self,
        event: str,
        console: ConsoleRef,
        by: Session | None,
        lock: PenLock,
        result: str,
        **facts: Fact,
    ) -> None:
        facts |= {"until": timestamp(lock.until), "detail": lock.reason or None}
        owner = lock.operator.name
        self.audit.record(event, by, console, result=result, owner=owner, **facts)

    def _of(self, event: str, attachment: AttachmentRef, **facts: Fact) -> None:
        self.audit.record(event, attachment.session, attachment.console, **facts)

    def _by_vm(self, event: Event) -> None:
        match event:
            case BreakSignal(console):
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
        """The VM of `console` claimed the name `before` until now. These operators' rights have
        changed by that.
        """
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
            "vm", event.address, event.zone, event.reason, event.hint, vm_name=event.said.name
        )
        if self._vms.take(event.address, self.seconds()):
            self.audit.record(
                "vm-refused",
                address=event.address,
                zone=event.zone,
                reason=event.reason,
                vm_name=event.said.name or None,
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


@define(eq=False)
class LoginRecorder:
    """Logins, logouts and failed logins. `seconds` is for measuring, `wall` gives seconds since
    1970.
    """

    audit: Audit
    refused: RecentRefusals
    seconds: Callable[[], float]
    wall: Callable[[], float]
    failed_inside: Callable[[], None]
    _limit: EventRateLimit = field(factory=EventRateLimit, init=False)

    def came(self, login: Login) -> None:
        """An operator logged in."""
        try:
            session = login.session
            roles = ",".join(sorted(session.operator.roles)) or None
            principals = ",".join(session.proof.principals) or None
            given = session.operator.groups & (session.operator.granted or frozenset())
            granted = ",".join(sorted(given)) or None
            self.audit.record("login", session, roles=roles, principals=principals, granted=granted)
        except Exception:
            self.failed_inside()

    def left(self, login: Login) -> None:
        """An operator logged out."""
        try:
            lasted = max(0.0, self.wall() - login.session.since)
            self.audit.record("logout", login.session, seconds=round(lasted, 3))
        except Exception:
            self.failed_inside()

    def failed(self, failure: LoginFailure) -> None:
        """One more attempt was counted, or a client has gone that only asked for keys."""
        try:
            self._failed(failure)
        except Exception:
            self.failed_inside()

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """The same connection logged in after all: its failures were no refusals."""
        try:
            for failure in failures:
                self.refused.take_back(*_what(failure))
        except Exception:
            self.failed_inside()

    def _failed(self, failure: LoginFailure) -> None:
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
            socket=proof.socket or None,
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


def _what(failure: LoginFailure) -> tuple[str, str, str, str]:
    """Its key among the refusals."""
    reason = f"{failure.proof.via or 'nothing'}: {failure.reason or 'refused'}"
    return "login", failure.address, failure.operator, reason
