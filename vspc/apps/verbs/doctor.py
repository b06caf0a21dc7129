"""`doctor`: why a VM is not there, or silent, and what to do; see `vspc.apps.doctor`."""

from collections.abc import Callable, Collection, Iterable, Sequence

from attrs import evolve

from vspc.apps.describe import port_certain
from vspc.apps.doctor.console_findings import in_trouble
from vspc.apps.doctor.diagnosis import diagnose
from vspc.apps.doctor.facts import AskedAbout, ConsoleFacts, Facts, digits_of, is_about, spellings
from vspc.apps.doctor.failures import HARMLESS
from vspc.apps.doctor.report import report_json, report_text
from vspc.apps.verbs.context import NOT_FOUND, Call, Verb, VerbExit, handle_of, no_console
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, WORD, UsageError
from vspc.common.addresses import address_text, parse_address
from vspc.common.clock import timestamp
from vspc.common.text import safe
from vspc.console.access import Subject
from vspc.console.connection_history import (
    FailedConnection,
    ForgottenConsole,
    UnidentifiedLine,
)
from vspc.console.console import Console
from vspc.console.events import Introduction
from vspc.console.identity import DEFAULT_ZONE, PLAIN
from vspc.console.names import Ambiguous, Found
from vspc.net.waiting import sleep

PATIENCE = 5.0
"""Seconds without identification after which a line is worth a word among all others."""

BATCH = 256
"""Consoles that are looked at in one turn of the reactor."""

NAMELESS = 5
"""Connections without a name that may be the VM; the latest."""

WHO = Argument(
    "NAME|UUID|ADDRESS", "a VM, seen or not, or the address of a host", CONSOLE, required=False
)
VERBOSE = Flag("--verbose", "all findings, and more words about the other side")
PROBE = Option(
    "--probe", "connect there and say what answers (vspc doctor only)", WORD, value="HOST:PORT"
)

GRAMMAR = Grammar(
    "doctor",
    "why a VM is not there or silent, and what to do",
    arguments=(WHO,),
    options=(VERBOSE, JSON, PROBE),
    examples=("doctor web1", "doctor 10.1.1.9"),
    notes=(
        "Without an argument, all that is wrong. Operators without the role admin are",
        "told of consoles that they may read, and of connections that said such a name.",
    ),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print the findings."""
    if parsed.get(PROBE) is not None:
        raise UsageError("--probe is for the command vspc doctor: the server connects to nobody")
    asked = parsed.get(WHO)
    facts = await (everything(call) if asked is None else of_asked(call, asked))
    findings = diagnose(facts)
    if parsed.has(JSON):
        since = {"asked": asked, "since": timestamp(facts.since)}
        await call.print_json(since | report_json(findings, facts.setup))
    else:
        verbose = parsed.has(VERBOSE)
        await call.print(report_text(findings, facts.setup, verbose, call.columns))


async def everything(call: Call) -> Facts:
    """What is known of all that the operator may see; of consoles only those in trouble."""
    connections, consoles = call.context.connections, call.readable()
    over = {console.vm.claimed_name: console.link.since for console in consoles}
    failed = [
        each
        for each in _visible(call, connections.attempts())
        if each.kind not in HARMLESS and each.last >= over.get(each.said.name, 0.0)
    ]
    waiting = [each for each in _unidentified(call) if each.seconds >= PATIENCE]
    now = call.context.clock.wall()
    examined = await _examined(call, consoles, lambda facts: in_trouble(facts, now))
    found = _facts(call, AskedAbout.EVERYTHING, "", examined, failed, waiting)
    return evolve(found, readable=len(consoles))


async def of_asked(call: Call, asked: str) -> Facts:
    """What is known of `asked`. `VerbExit` for those who may not know of it."""
    if parse_address(asked) is None:
        return await _of_vm(call, asked)
    if not _is_administrator(call):
        raise VerbExit(NOT_FOUND, no_console(asked))
    address = address_text(asked)
    consoles = [console for console in call.readable() if console.link.last_address == address]
    failed = [each for each in call.context.connections.attempts() if each.address == address]
    waiting = [each for each in _unidentified(call) if each.address == address]
    examined = await _examined(call, consoles)
    found = _facts(call, AskedAbout.HOST, address, examined, failed, waiting)
    return evolve(found, host=call.context.connections.host(address))


async def _of_vm(call: Call, asked: str) -> Facts:
    history, digits = call.context.connections, digits_of(asked)
    consoles = _named(call, asked if digits is None else f"uuid:{digits}")
    said = {*spellings(asked), *(name for console in consoles for name in _said_by(console))}
    # What came before a console had the line that it has, or had last, is over.
    over = min((console.link.since for console in consoles), default=0.0)
    attempts = _visible(call, history.attempts())
    failed = [each for each in attempts if each.last >= over and is_about(each.said, said)]
    waiting = [each for each in _unidentified(call) if is_about(each.said, said)]
    found = _facts(
        call, AskedAbout.VM, safe(asked), await _examined(call, consoles), failed, waiting
    )
    forgotten = () if consoles else _forgotten(call, said)
    if not (consoles or failed or waiting or forgotten or found.administrator):
        raise VerbExit(NOT_FOUND, no_console(asked))
    nameless = list[FailedConnection]()
    if found.administrator and not failed:
        nameless = _nameless(history.attempts(), consoles)
    return evolve(found, forgotten=forgotten, nameless=tuple(nameless))


def _named(call: Call, typed: str) -> Sequence[Console]:
    match call.context.roster.resolve(typed, call.may_read):
        case Found(console):
            return [console]
        case Ambiguous(consoles):
            return consoles
    return ()


def _said_by(console: Console) -> tuple[str, ...]:
    return console.vm.claimed_name, console.vm.uuid or ""


def _facts(
    call: Call,
    about: AskedAbout,
    asked: str,
    consoles: Sequence[ConsoleFacts],
    failed: Sequence[FailedConnection],
    unidentified: Sequence[UnidentifiedLine],
) -> Facts:
    context = call.context
    return Facts(
        about,
        asked,
        context.clock.wall(),
        context.connections.since,
        context.setup(),
        consoles=tuple(consoles),
        failed=tuple(failed),
        unidentified=tuple(unidentified),
        administrator=_is_administrator(call),
    )


def _forgotten(call: Call, said: Collection[str]) -> tuple[ForgottenConsole, ...]:
    names = {name.casefold() for name in said}
    return tuple(
        each
        for each in call.context.connections.forgotten()
        if not names.isdisjoint({each.console.name.casefold(), each.console.uuid})
        and _may_read(call, each.console.name, each.console.zone, each.console.uuid)
    )


def _nameless(
    attempts: Iterable[FailedConnection], consoles: Sequence[Console]
) -> list[FailedConnection]:
    """Connections without a name that may be the VM: of its host, where that is known."""
    hosts = {console.link.last_address for console in consoles}
    since = min((console.link.since for console in consoles), default=0.0)
    if any(console.live for console in consoles):
        return []
    found = [
        each
        for each in attempts
        if not each.said.name
        and each.kind not in HARMLESS
        and (not hosts or (each.address in hosts and each.last >= since))
    ]
    return found[-NAMELESS:]


async def _examined(
    call: Call,
    consoles: Iterable[Console],
    keep: Callable[[ConsoleFacts], bool] = lambda _facts: True,
) -> list[ConsoleFacts]:
    """What is known of `consoles`, as far as `keep` takes it; some in each turn of the reactor."""
    found, administrator = list[ConsoleFacts](), _is_administrator(call)
    for number, console in enumerate(consoles):
        if number and number % BATCH == 0:
            await sleep(call.context.clock, 0)
        if call.context.roster.has(console) and call.may_read(console):
            facts = _console(call, console, administrator)
            if keep(facts):
                found.append(facts)
    return found


def _console(call: Call, console: Console, administrator: bool) -> ConsoleFacts:
    link, vm, line = console.link, console.vm, console.link.line
    return ConsoleFacts(
        console.title,
        handle_of(console),
        console.state,
        link.last_address,
        link.since,
        last_output=link.last_output,
        away_reason=link.away_reason,
        dial_uri=console.dial_uri,
        next_try=link.next_try,
        remark=link.remark,
        is_plain=vm.identity.kind == PLAIN,
        settings="" if link.port.settings is None else str(link.port.settings),
        secure=line is not None and line.secure,
        unanswered=console.input.waiting if link.is_unanswered else None,
        suspended=console.input.is_suspended,
        claimants=tuple(c.link.last_address for c in vm.quarantined) if administrator else (),
        claims=_claimed(call, console) if administrator else "",
        namesakes=call.context.roster.namesakes(console),
        duplicate=vm.identity.duplicate,
        port_certain=console.quarantined or port_certain(console),
        host_change=link.unseen_change or console.attachments.host_change,
        console_id=console.id,
        remote=console.remote,
    )


def _claimed(call: Call, console: Console) -> str:
    """The VM that a quarantined line claims to be, if the operator may know of it."""
    vm = call.context.roster.about(console)
    if vm is None or not any(call.may_read(each) for each in vm.consoles.values()):
        return ""
    return vm.name


# What the operator may know


def _is_administrator(call: Call) -> bool:
    return "admin" in call.roles


def _visible(call: Call, attempts: Iterable[FailedConnection]) -> list[FailedConnection]:
    """Administrators see all, as in `refusals`; others those of names that they may read."""
    if _is_administrator(call):
        return list(attempts)
    return [each for each in attempts if _may_know(call, each.zone, each.said)]


def _unidentified(call: Call) -> list[UnidentifiedLine]:
    lines = call.context.line_registry.unidentified_lines()
    if _is_administrator(call):
        return list(lines)
    return [each for each in lines if _may_know(call, each.zone, each.said)]


def _may_know(call: Call, zone: str, said: Introduction) -> bool:
    return bool(said.name) and _may_read(call, said.name, zone or DEFAULT_ZONE, said.uuid or None)


def _may_read(call: Call, name: str, zone: str, uuid: str | None) -> bool:
    """Whether a console of that name would exist for the operator."""
    subject = Subject(name, zone, uuid)
    rights = call.context.rights(call.operator, subject)
    return "read" in call.session.narrowed(rights, subject)


VERB = Verb(GRAMMAR, run)
