"""One line, from its connection to its end: events go through the table of `vspc.vm.roles`, and
the actions in it are carried out.

Which console it belongs to is decided by `vspc.vm.assignment`, its part in vMotions by
`vspc.vm.vmotion`. No other module assigns a role.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Concatenate

from attrs import evolve

from vspc.common.clock import Timer
from vspc.common.serial import PortSettings
from vspc.common.text import safe
from vspc.console.console import Console, Vm
from vspc.console.identity import Claim, OldLine
from vspc.vm.assignment import Assignment, identified_claim, proved_claim
from vspc.vm.contenders import put_first
from vspc.vm.context import LineContext, Zone
from vspc.vm.early_output import EarlyOutput
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.mismatch import at_telnet
from vspc.vm.ports import VmLine
from vspc.vm.registration import Joined
from vspc.vm.reports import Reports
from vspc.vm.roles import SHOWN, LineAction, LineEvent, LineRole, step
from vspc.vm.tally import RoleCount
from vspc.vm.vmotion import Vmotion
from vspc.wire.opening import OpeningProtocol

LINGER = 5.0
"""Seconds that a peer may take to close a line that we have closed."""

SUSPECT = 600.0
"""Seconds that a line stays suspect before it is closed."""

_Do = Callable[Concatenate["LineSession", ...], object]

UNIDENTIFIED = frozenset({LineRole.UNIDENTIFIED, LineRole.FAILED_PEER})
"""The roles of lines that are not identified."""


class LineSession:
    """A `LineObserver` for the layers of its line, a `LineHandle` for its parts and other lines.

    `console` is whose line it is, or is to be at COMPLETE, or was before it became suspect.
    `limit` is the time limit of its role. Its parts are made when there is something for them to
    do: `vmotion` is None until it has a part in one.
    """

    __slots__ = (
        "_assignment",
        "_context",
        "_counted",
        "_probers",
        "_reports",
        "claim",
        "console",
        "early_output",
        "limit",
        "line",
        "role",
        "vmotion",
        "zone",
    )

    def __init__(
        self,
        context: LineContext,
        line: VmLine,
        zone: Zone,
        role: LineRole = LineRole.UNIDENTIFIED,
    ) -> None:
        self._context = context
        self.line = line
        self.zone = zone
        self.role = role
        self.console: Console | None = None
        self.claim: Claim | None = None
        self.early_output = EarlyOutput()
        self.limit = Timer(context.clock)
        self._reports: Reports | None = None
        self._assignment: Assignment | None = None
        self.vmotion: Vmotion | None = None
        self._probers: list[Callable[[OldLine], None]] = []
        self._counted: RoleCount | None = None  # as what the tally has it

    @property
    def reports(self) -> Reports:
        """What is reported of it."""
        if self._reports is None:
            self._reports = Reports(self._context, self)
        return self._reports

    @property
    def assignment(self) -> Assignment:
        """Its way to a console, until it has one."""
        if self._assignment is None:
            self._assignment = Assignment(self._context, self)
        return self._assignment

    def take_part(self) -> Vmotion:
        """Its part in vMotions."""
        if self.vmotion is None:
            self.vmotion = Vmotion(self._context, self)
        return self.vmotion

    def count(self) -> None:
        """It is one of the server's lines from now on."""
        self._counted = self._context.tally.entered(self.line, self.role, self._counted)

    def handle(self, event: LineEvent, *facts: object) -> None:
        """`event` happens: its role and what is done are in the table."""
        before, console = self.role, self.console
        self.role, actions = step(before, event)
        if actions is SHOWN:
            self._show_output(*facts)  # type: ignore[arg-type]  # what a VM sends most
            return
        if self.role is not before and self._counted is not None:
            self.count()
        for action in actions:
            if action is LineAction.AGAIN:
                self.handle(event, *facts)
            elif action is LineAction.REPORT_ILLEGAL:
                self.reports.dropped(f"{event.value} on a line that is {before.value}")
            else:
                _ACTIONS[action](self, *facts)
        watcher = self._context.changes.watcher
        if watcher is not None:
            watcher.line_changed(self.line)
            for each in (console, self.console):
                if each is not None:
                    watcher.console_changed(each.id)

    def probe(self, answer: Callable[[OldLine], None]) -> bool:
        """Call `answer` when the line answers, or is lost. False if it cannot be probed."""
        if not self._probers and not self.line.probe():
            return False
        self._probers.append(answer)
        self._context.changes.line(self.line)
        return True

    def start_limit(self, seconds: float) -> None:
        """The time limit of its role is over in `seconds`."""
        self.limit.start(seconds, partial(self.handle, LineEvent.TIME_OVER))

    # From its layers, besides events

    def traffic(self) -> bool:
        self._context.unidentified.touched(self.line, self._context.clock.seconds())
        return self.role in UNIDENTIFIED

    def other_protocol(self, spoken: OpeningProtocol) -> None:
        found = at_telnet(spoken, self.reports.peer)
        if found is not None:
            self.handle(LineEvent.REFUSED, found.reason, found.hint, found.kind)

    def dropped(self, what: str) -> None:
        self.reports.dropped(what)

    def failed(self, reason: str) -> None:
        self.reports.warn("vm-failed", reason)

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        self._context.left(self.line)
        if self._counted is not None:
            self._counted.lines -= 1
            self._counted = None
        self._stop_waiting()
        self.handle(LineEvent.LOST, safe(reason), error)
        self._answer_probers(OldLine.GONE)
        self.console = None
        # They refer to it: without them nothing of it waits to be found by a garbage collection.
        self._reports = self._assignment = self.vmotion = None

    def _answer_probers(self, old: OldLine = OldLine.ANSWERED) -> None:
        probers, self._probers = self._probers, []
        for answer in probers:
            answer(old)

    # What it sends

    @property
    def its_console(self) -> Console:
        """The console of a role that has one."""
        assert self.console is not None
        return self.console

    def _show_output(self, data: bytes) -> None:
        console = self.console
        assert console is not None
        console.link.output(data)
        if console.link.migrating:
            self.take_part().spoke()

    def _show_break(self) -> None:
        if self.reports.counts_break():
            self.its_console.link.break_received()
        else:
            self.reports.dropped("BREAK over the limit")

    def _show_port(self, settings: PortSettings) -> None:
        self.its_console.link.port.set(settings)
        self._show_modem()

    def _show_modem(self) -> None:
        if self.line.modem is not None:
            self.its_console.link.port.set_modem(self.line.modem)

    def _show_flow(self) -> None:
        self.its_console.link.flow_changed()

    def _resume_input(self) -> None:
        self.its_console.link.answered()

    # Who it is

    def _identify(self, joined: Joined) -> None:
        self._end_limit()
        self.claim = identified_claim(joined, self.line, self.zone)

    def _end_limit(self) -> None:
        """It is identified: what it waits for has time limits of its own."""
        self._context.unidentified.leave(self.line)
        self.limit.stop()
        self.line.identified()

    def _check_identity(self, joined: Joined) -> None:
        """It came by vMotion: its UUID has to be the migration's."""
        console = self.its_console
        vm = console.vm
        if joined.uuid_kind == vm.identity.kind and joined.uuid != vm.uuid:
            reason = f"the target's UUID is {joined.uuid}, the source's is {vm.uuid}"
            self.take_part().refute(console, reason)
            return
        self._note_name(joined.name)
        if self.role is LineRole.LEADING:
            self._context.roster.rename(vm, joined.name)

    @property
    def _has_sent_name(self) -> bool:
        return not isinstance(self.line, VMwareLine) or self.line.registration.over

    def _report_uuid_change(self, uuid: str) -> None:
        detail = f"its UUID changed to {uuid} on a connected line"
        self.reports.suspicion("identity-changed", self.console, detail)

    def _note_name(self, name: str) -> None:
        if self.claim is not None:
            self.claim = evolve(self.claim, name=name)

    def _rename_vm(self, name: str) -> None:
        console = self.its_console
        old = console.name
        self._context.roster.rename(console.vm, name)
        self.reports.note("vm-renamed", console=console.title, old=old)
        self.assignment.report_namesake()

    # Which console

    def _decide(self, *_: object) -> None:
        self.assignment.decide()

    def _lead(self, console: Console) -> None:
        """It is the line of `console` now: name, early output and a waiting BEGIN go there."""
        self.console = console
        if self.claim is not None and self._has_sent_name:
            self._context.roster.rename(console.vm, self.claim.name)
        else:  # a target before its identification: the source may have sent another name
            self._note_name(console.vm.claimed_name)
        self._context.roster.settle(console)
        if self.line.settings is not None:
            self._show_port(self.line.settings)
        self.early_output.drop_older(console.link.last_output)
        self._context.tally.lost_bytes += self.early_output.dropped
        self.early_output.show_on(console)
        if self._assignment is not None:
            self._assignment.stop()
            self._assignment = None
        if self.vmotion is not None:
            self.vmotion.decide_pending()

    def _enter_quarantine(self, console: Console) -> None:
        self.console = console
        console.link.connect(self.line)
        if self.line.settings is not None:
            self._show_port(self.line.settings)
        self.early_output.show_on(console)

    def _leave_quarantine(self) -> None:
        console = self.its_console
        self.early_output.append_history(console.history, console.link.last_output)
        self._free_console()

    def _free_console(self, *_: object) -> None:
        console, self.console = self.its_console, None
        self._context.roster.end_quarantine(console)

    def _contend(self, vm: Vm) -> None:
        self.console = None
        self.assignment.quarantine(vm)
        if self.console is not None:  # it had the console of `vm` once
            put_first(vm, self.console)

    def _become_suspect(self) -> None:
        if self.limit.left is None:  # else it is being closed
            self.start_limit(SUSPECT)
        self._context.send(
            self._context.suspects.add(self.its_console, self.line), LineEvent.DISMISSED
        )

    def _forget_suspicion(self, *_: object) -> None:
        self.limit.stop()
        self._context.suspects.remove(self.its_console, self.line)

    def _come_back(self, *_: object) -> None:
        self._forget_suspicion()
        self.assignment.come_back(self.its_console)

    def _await_complete(self, console: Console) -> None:
        self._end_limit()
        self.console = console
        self.claim = proved_claim(console, self.line, self.zone)
        if self.line.settings is None and console.link.port.settings is not None:
            self.line.keep_settings(console.link.port.settings)

    def _refuse_begin(self, sequence: bytes) -> None:
        self.take_part().refuse(sequence, "the line is quarantined")

    def _leave_migration(self, reason: str, *_: object) -> None:
        self.take_part().leave(reason)

    # The end

    def _report_lost_output(self, *_: object) -> None:
        lost = len(self.early_output)
        if lost:
            self._context.tally.lost_bytes += lost
            self.reports.note("vmotion-output-dropped", bytes=lost)

    def _leave_console(self, reason: str, *_: object) -> None:
        console = self.its_console
        if self.take_part().leave(reason):
            return
        console.link.disconnect(reason)
        self._context.roster.settle(console)
        self._context.log.info(
            "vm-lost",
            console=console.title,
            id=console.id,
            address=self.line.address,
            reason=reason,
        )
        self._context.reconsider(console.vm)

    def _close(self, reason: str = "", *_: object) -> None:
        self._stop_waiting()
        self.line.close(reason or self.role.value)
        self.start_limit(LINGER)

    def _abort_connection(self) -> None:
        self.line.abort()

    def _stop_waiting(self) -> None:
        self._context.unidentified.leave(self.line)
        self.limit.stop()
        if self._assignment is not None:
            self._assignment.stop()
        if self.vmotion is not None:
            self.vmotion.stop()


def _by_assignment(call: Callable[Concatenate[Assignment, ...], object]) -> _Do:
    return lambda line, *facts: call(line.assignment, *facts)


def _by_early_output(call: Callable[Concatenate[EarlyOutput, ...], object]) -> _Do:
    return lambda line, *facts: call(line.early_output, *facts)


def _by_reports(call: Callable[Concatenate[Reports, ...], object]) -> _Do:
    return lambda line, *facts: call(line.reports, *facts)


def _by_vmotion(call: Callable[Concatenate[Vmotion, ...], object]) -> _Do:
    return lambda line, *facts: call(line.take_part(), *facts)


_A = LineAction

_ACTIONS: Mapping[LineAction, _Do] = MappingProxyType(
    {
        _A.BUFFER_OUTPUT: _by_early_output(EarlyOutput.append),
        _A.SHOW_OUTPUT: LineSession._show_output,
        _A.SHOW_BREAK: LineSession._show_break,
        _A.SHOW_PORT: LineSession._show_port,
        _A.SHOW_MODEM: LineSession._show_modem,
        _A.SHOW_FLOW: LineSession._show_flow,
        _A.RESUME_INPUT: LineSession._resume_input,
        _A.ANSWER_PROBERS: LineSession._answer_probers,
        _A.CLEAR_BUFFER: _by_early_output(EarlyOutput.clear),
        _A.NOTE_NAME: LineSession._note_name,
        _A.RENAME_VM: LineSession._rename_vm,
        _A.REPORT_UUID_CHANGE: LineSession._report_uuid_change,
        _A.CHECK_IDENTITY: LineSession._check_identity,
        _A.IDENTIFY: LineSession._identify,
        _A.DECIDE: LineSession._decide,
        _A.DECIDE_ANEW: _by_assignment(Assignment.decide_anew),
        _A.TAKE_CONSOLE: _by_assignment(Assignment.take_accepted),
        _A.LEAD: LineSession._lead,
        _A.ENTER_QUARANTINE: LineSession._enter_quarantine,
        _A.LEAVE_QUARANTINE: LineSession._leave_quarantine,
        _A.FREE_CONSOLE: LineSession._free_console,
        _A.CONTEND: LineSession._contend,
        _A.BECOME_SUSPECT: LineSession._become_suspect,
        _A.FORGET_SUSPICION: LineSession._forget_suspicion,
        _A.COME_BACK: LineSession._come_back,
        _A.DECIDE_BEGIN: _by_vmotion(Vmotion.decide),
        _A.POSTPONE_BEGIN: _by_vmotion(Vmotion.postpone),
        _A.REFUSE_BEGIN: LineSession._refuse_begin,
        _A.CLAIM_MIGRATION: _by_vmotion(Vmotion.claim),
        _A.AWAIT_COMPLETE: LineSession._await_complete,
        _A.REPORT_PEER: _by_vmotion(Vmotion.report_unknown),
        _A.COMPLETE_MIGRATION: _by_vmotion(Vmotion.complete),
        _A.ABORT_MIGRATION: _by_vmotion(Vmotion.abort),
        _A.REPORT_INCOMPLETE: _by_reports(Reports.incomplete),
        _A.REPORT_FAILED_PEER: _by_reports(Reports.failed_peer),
        _A.REPORT_REFUSAL: _by_reports(Reports.refused),
        _A.REPORT_UNIDENTIFIED: _by_reports(Reports.unidentified),
        _A.REPORT_LOST_OUTPUT: LineSession._report_lost_output,
        _A.LEAVE_MIGRATION: LineSession._leave_migration,
        _A.LEAVE_CONSOLE: LineSession._leave_console,
        _A.CLOSE: LineSession._close,
        _A.ABORT_CONNECTION: LineSession._abort_connection,
    }
)
