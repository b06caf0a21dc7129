"""The diagnosis: facts in, findings out. Pure, and a table: for what was asked, rules in the order
in which their findings are printed; for a console, rules of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from attrs import evolve

from vspc.apps.doctor.facts import AskedAbout, ConsoleFacts, Facts
from vspc.apps.doctor.failures import RELOAD, failure, unidentified
from vspc.apps.doctor.findings import Finding, ago, counted, lasting
from vspc.apps.doctor.other_side import Check
from vspc.common.addresses import LOOPBACK, parse_address
from vspc.common.columns import listed
from vspc.console.console import ConsoleState
from vspc.console.events import HOST_CLOSED

TITLES_WIDTH = 300
"""Characters of a list of consoles, about."""

SILENT = 600.0
"""Seconds without output after which that is a finding."""

_NOT_THERE = (Check.SERIAL_PORT, Check.RULE_SET, Check.REACH, Check.CERTIFICATE, Check.LICENCE)

# One console


def _quarantined(console: ConsoleFacts, now: float) -> Finding | None:
    if console.state is not ConsoleState.QUARANTINED:
        return None
    claims = f" to be {console.claims}" if console.claims else " to be a VM"
    return Finding(
        "quarantined",
        f"{console.title} is a quarantined line: {console.address} claims "
        f"{lasting(now, console.since)}{claims}, which has another line or came by TLS before",
        "the host of the VM was changed without vMotion, or the claim is false; it reads and types "
        "nothing until the other line ends or an administrator decides",
        (f"accept {console.handle}", f"or forget {console.handle}, which closes it"),
    )


def _claimed(console: ConsoleFacts, _now: float) -> Finding | None:
    if not console.claimants:
        return None
    those = ", ".join(console.claimants)
    return Finding(
        "claimed",
        f"quarantined lines claim to be {console.title}, too, from {those}",
        "the host of the VM was changed without vMotion, or the claim is false",
        (f"accept {console.handle} ADDRESS, if the VM is there",),
    )


def _migrating(console: ConsoleFacts, now: float) -> Finding | None:
    if console.state is not ConsoleState.MIGRATING:
        return None
    return Finding(
        "vmotion-open",
        f"a vMotion of {console.title} from {console.address} is open; connected "
        f"{lasting(now, console.since)}",
        "input is held until it is complete or given up",
        checks=(Check.VMOTION,),
    )


def _not_connected(console: ConsoleFacts, now: float) -> Finding | None:
    if console.state is not ConsoleState.AWAY or not console.dial_uri:
        return None
    where, why = console.dial_uri, console.away_reason or "not tried yet"
    failed = console.next_try is not None
    again = f", next try in {max(0, round(console.next_try - now))} s" if console.next_try else ""
    can_probe = failed and "://" in where
    return Finding(
        "not-connected",
        f"{console.title} is not connected to {where} {lasting(now, console.since)}: {why}{again}",
        "the server connects to it ([[dial]])",
        (f"vspc doctor --probe {where}, on the server's machine",) if can_probe else (),
        _of_scheme(where) if can_probe else (),
        failed,
    )


def _of_scheme(uri: str) -> tuple[Check, ...]:
    """A VM's port without a concentrator speaks telnet; a device server may, too."""
    is_telnet = uri.startswith("telnet")
    return (Check.DEVICE_SERVER, Check.DIRECT_RULE_SET) if is_telnet else (Check.DEVICE_SERVER,)


def _remarked(console: ConsoleFacts, _now: float) -> Finding | None:
    if not console.remark:
        return None
    return Finding(
        "mismatch",
        f"{console.title} at {console.dial_uri}: {console.remark}",
        "what answers there is not what its [[dial]] table says",
    )


def _away(console: ConsoleFacts, now: float) -> Finding | None:
    if console.state is not ConsoleState.AWAY or console.dial_uri:
        return None
    title, since = console.title, lasting(now, console.since)
    if not console.away_reason:
        return Finding(
            "not-back",
            f"{title} is known from the log and has not connected {since}",
            "its VM is off, or its host did not connect again after this server was restarted",
            checks=() if console.is_plain else _NOT_THERE,
        )
    where = f", by {console.address}" if console.address else ""
    means = "the connection failed: host, network or firewall"
    if _is_off(console):
        means = "the VM was switched off, or its serial port was disconnected or changed in vSphere"
        if console.is_plain:
            means = "what was connected there was switched off, or closed the connection"
    return Finding(
        "away",
        f"{title} is away {since}{where}: {console.away_reason}",
        means,
        checks=() if console.is_plain else (*_NOT_THERE, Check.VCENTER),
    )


def _unanswered(console: ConsoleFacts, _now: float) -> Finding | None:
    if console.unanswered is None:
        return None
    return Finding(
        "unanswered",
        f"the host of {console.title}, {console.address}, does not answer; "
        f"{counted(console.unanswered, 'byte')} of input wait",
        "the host or the network between is stalled; the VM is stunned during a snapshot, too",
    )


def _suspended(console: ConsoleFacts, _now: float) -> Finding | None:
    if not console.suspended:
        return None
    return Finding(
        "suspended",
        f"the VM of {console.title} has suspended input (RFC 2217)",
        "its serial port takes nothing until it is resumed: flow control in the guest, or its "
        "receiver is full",
    )


def _no_remote(console: ConsoleFacts, now: float) -> Finding | None:
    remote = console.remote
    if remote is None or remote.is_connected or console.state is not ConsoleState.CONNECTED:
        return None
    since = "" if remote.since is None else f" {lasting(now, remote.since)}"
    return Finding(
        "no-remote",
        f"{console.title} asks for {remote.uri}, which is {remote.state}{since}",
        "Direction is Client: the serial port is to be connected to that system",
        ("it is tried again by itself; to make it a console only, set Direction to Server",),
    )


def _silent(console: ConsoleFacts, now: float) -> Finding | None:
    if console.state is not ConsoleState.CONNECTED:
        return None
    connected = f"{console.title} is connected {_where(console)}"
    set_to = f", {console.settings}" if console.settings else ""
    checks = (Check.DEVICE_SERVER if console.dial_uri else Check.GUEST,)
    if console.last_output is None:
        means = "the guest has no console on this serial port, or has not used it since"
        if console.dial_uri:
            means = "the device is silent or off, or its port is set to another speed than that"
        return Finding(
            "no-output",
            f"{connected} {lasting(now, console.since)} and has sent nothing{set_to}",
            means,
            (f"type Enter on it, or `break {console.handle}`",),
            checks,
        )
    if now - console.last_output < SILENT:
        return None
    return Finding(
        "silent",
        f"{connected}; its last output was {ago(now, console.last_output)}{set_to}",
        "the connection is there; the other end has nothing to say, or hangs",
        (f"type Enter on it; `log {console.handle} -n 20` prints what it said last",),
        checks,
        is_trouble=False,
    )


def _where(console: ConsoleFacts) -> str:
    return f"to {console.dial_uri}" if console.dial_uri else f"from {console.address}"


def _host_changed(console: ConsoleFacts, now: float) -> Finding | None:
    change = console.host_change
    if change is None:
        return None
    return Finding(
        "host-changed",
        f"{console.title} came to {change.new} {ago(now, change.at)}; it was on {change.old}",
        "no vMotion has proved that it is the same VM: a restart by HA looks so",
        (f"`info {console.handle}` by an administrator says that it was seen",),
    )


def _duplicate(console: ConsoleFacts, _now: float) -> Finding | None:
    if console.duplicate:
        return Finding(
            "duplicate",
            f"another VM has the UUID of {console.title}, too, and had it first",
            "a copy of a VM that kept its UUID, or one that was renamed while it was off",
            ("give the copy a UUID of its own (uuid.bios, vc.uuid)",),
        )
    return None


def _namesakes(console: ConsoleFacts, _now: float) -> Finding | None:
    if not console.namesakes:
        return None
    return Finding(
        "namesake",
        f"{counted(console.namesakes, 'other VM')} of the name of {console.title}; this one is "
        f"{console.console_id}",
        "names are not unique in vSphere; the VM that had it first and is connected is shown by it",
        is_trouble=False,
    )


def _uncertain(console: ConsoleFacts, _now: float) -> Finding | None:
    if console.port_certain:
        return None
    return Finding(
        "port-uncertain",
        f"{console.title} is known only by the order in which the VM's ports connected",
        "after a power cycle it may be another port of the VM",
        ("in vSphere set Port URI to vspc?port=LABEL, another label for each port",),
        is_trouble=False,
    )


CONSOLE_RULES: tuple[Callable[[ConsoleFacts, float], Finding | None], ...] = (
    _quarantined,
    _claimed,
    _migrating,
    _not_connected,
    _remarked,
    _away,
    _unanswered,
    _suspended,
    _no_remote,
    _silent,
    _host_changed,
    _duplicate,
    _namesakes,
    _uncertain,
)


def of_console(console: ConsoleFacts, now: float) -> list[Finding]:
    """What is found about one console."""
    return [found for rule in CONSOLE_RULES if (found := rule(console, now)) is not None]


def _well(console: ConsoleFacts, now: float) -> Finding:
    secure = "with TLS" if console.secure else "without TLS"
    spoke = "" if console.last_output is None else f", output {ago(now, console.last_output)}"
    return Finding(
        "connected",
        f"{console.title} is connected {_where(console)} {secure} "
        f"{lasting(now, console.since)}{spoke}",
        is_trouble=False,
    )


# What was asked


def _consoles(facts: Facts) -> Iterator[Finding]:
    for console in facts.consoles:
        found = of_console(console, facts.now)
        said = any(each.is_trouble or each.code == "silent" for each in found)
        if console.state is ConsoleState.CONNECTED and not said:
            yield _well(console, facts.now)
        yield from found


def in_trouble(console: ConsoleFacts, now: float) -> bool:
    """Whether it is worth a word where all was asked about."""
    return any(each.is_trouble for each in of_console(console, now))


def _consoles_in_trouble(facts: Facts) -> Iterator[Finding]:
    off = list[str]()
    for console in facts.consoles:
        if _is_off(console):
            off.append(console.title)
        else:
            yield from (each for each in of_console(console, facts.now) if each.is_trouble)
    if off:
        yield Finding(
            "off",
            f"{counted(len(off), 'console')} away since the host closed the connection: "
            f"{listed(off, TITLES_WIDTH)}",
            "VMs that are switched off look so; `doctor NAME` says more of one",
            is_trouble=False,
        )


def _is_off(console: ConsoleFacts) -> bool:
    is_away = console.state is ConsoleState.AWAY and not console.dial_uri
    return is_away and console.away_reason == HOST_CLOSED and not console.claimants


def _unidentified(facts: Facts) -> Iterator[Finding]:
    return map(unidentified, facts.unidentified)


def _failed(facts: Facts) -> Iterator[Finding]:
    return (failure(each, facts.setup, facts.now) for each in reversed(facts.failed))


def _forgotten(facts: Facts) -> Iterator[Finding]:
    for each in facts.forgotten:
        yield Finding(
            "forgotten",
            f"{each.console.title} was forgotten {ago(facts.now, each.at)}; it was at "
            f"{each.console.address}",
            "it appears again when its VM connects",
        )


def _running(facts: Facts) -> str:
    return f"since the server started {ago(facts.now, facts.since)}"


def _never_seen(facts: Facts) -> Iterator[Finding]:
    if facts.consoles or facts.failed or facts.unidentified or facts.forgotten:
        return
    yield Finding(
        "never-seen",
        f"{facts.asked}: no console, and no VM has said that it is this one {_running(facts)}",
        "its host has not connected, or the connection ended before the VM had said its name",
        ("`doctor ADDRESS` with the address of its ESXi host says what came from there",),
        _NOT_THERE,
    )


def _nameless(facts: Facts) -> Iterator[Finding]:
    for each in reversed(facts.nameless):
        found = failure(each, facts.setup, facts.now)
        yield evolve(found, known=f"this may be it: {found.known}")


def _host(facts: Facts) -> Iterator[Finding]:
    host, address = facts.host, facts.asked
    if host is None:
        yield Finding(
            "no-connection",
            f"nobody has connected from {address} {_running(facts)}",
            "the firewall of the host, the network, or a wrong host or port in the proxy URI; or "
            "no VM there has such a port that is connected",
            checks=_NOT_THERE,
        )
        return
    served = f", the last {ago(facts.now, host.last_served)}" if host.last_served else ""
    yield Finding(
        "host",
        f"{address} connected last {ago(facts.now, host.last)}: "
        f"{counted(host.served, 'line')} got a console{served}; {host.refused} were refused, "
        f"{host.left} left before they had identified themselves",
        is_trouble=False,
    )


def _allowed(facts: Facts) -> Iterator[Finding]:
    """Whether the configuration lets the host in now, where nothing else has shown it."""
    address = parse_address(facts.asked)
    shown = facts.host is not None or not facts.setup.allow
    if address is None or shown or facts.setup.zones_for(facts.asked):
        return
    yield Finding(
        "not-allowed",
        f"allow has no network with {address}",
        "a connection from there is closed at once; if it is a host of yours:",
        (f'add to vm.allow: "{address}/{address.max_prefixlen}"', RELOAD),
    )


def _setup(facts: Facts) -> Iterator[Finding]:
    setup = facts.setup
    if not facts.administrator:
        return
    if not setup.listeners:
        yield Finding(
            "no-listener",
            "the configuration has no listener for VMs",
            "no VM can connect",
            ('set vm.telnets = ["tcp:13371"], and restart the server',),
        )
    nets = {net for _, zone in setup.allow for net in zone}
    if setup.listeners and nets <= set(LOOPBACK) and not facts.readable:
        yield Finding(
            "loopback-only",
            "allow has no network but loopback",
            "no ESXi host may connect",
            ('set vm.allow to the networks of your hosts, such as ["10.0.0.0/8"]', RELOAD),
        )


def _nobody(facts: Facts) -> Iterator[Finding]:
    if facts.administrator and not (facts.readable or facts.failed or facts.unidentified):
        yield Finding(
            "nobody",
            f"nobody has connected {_running(facts)}, and no console is known",
            "no VM has a serial port with this server as its concentrator, or none gets here",
            checks=_NOT_THERE,
        )


def of_configuration(facts: Facts) -> list[Finding]:
    """What the configuration alone says of what was asked."""
    return [*_setup(facts), *_allowed(facts)]


RULES: Mapping[AskedAbout, tuple[Callable[[Facts], Iterable[Finding]], ...]] = MappingProxyType(
    {
        AskedAbout.EVERYTHING: (_setup, _consoles_in_trouble, _unidentified, _failed, _nobody),
        AskedAbout.VM: (_consoles, _forgotten, _never_seen, _unidentified, _failed, _nameless),
        AskedAbout.HOST: (_host, _allowed, _consoles, _unidentified, _failed),
    }
)
"""The rules for what was asked."""


def diagnose(facts: Facts) -> list[Finding]:
    """What is found, in the order in which it is printed; never empty."""
    found = list(chain.from_iterable(rule(facts) for rule in RULES[facts.about]))
    if found:
        return found
    many = counted(facts.readable, "console")
    known = f"{many} that you may read: nothing is wrong that the server can see"
    return [Finding("well", known, is_trouble=False)]
