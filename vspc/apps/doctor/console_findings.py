"""What is found about one console: a table of rules, each of which finds one thing or nothing."""

from collections.abc import Callable, Iterator

from vspc.apps.doctor.facts import ConsoleFacts
from vspc.apps.doctor.findings import Finding, ago, counted, lasting
from vspc.apps.doctor.other_side import NOT_THERE, Check
from vspc.console.console import ConsoleState
from vspc.console.events import HOST_CLOSED
from vspc.wire.uri import DIAL_SCHEMES, RemoteUri

SILENT = 600.0
"""Seconds without output after which that is a finding."""


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
    return Finding(
        "not-connected",
        f"{console.title} is not connected to {where} {lasting(now, console.since)}: {why}{again}",
        "the server connects to it ([[dial]]); whether it answers is seen on the server's machine",
        tuple(_probes(where)) if failed else (),
        _of_scheme(where) if failed else (),
        failed,
    )


def _probes(uri: str) -> Iterator[str]:
    """What shows on the server's machine whether it answers."""
    if uri.startswith("unix:"):
        return
    target = RemoteUri.parse(uri, DIAL_SCHEMES)
    yield f"nc -vz {target.host} {target.port}"
    if target.scheme.tls:
        yield f"openssl s_client -connect {target.place} </dev/null"
    yield f"vspc doctor --probe {uri}"


def _of_scheme(uri: str) -> tuple[Check, ...]:
    """A VM's port without a concentrator speaks telnet; a device server may, too."""
    if uri.startswith("unix:"):
        return ()
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
            checks=() if console.is_plain else NOT_THERE,
        )
    where = f", last at {console.address}" if console.address else ""
    means = "the connection failed: host, network or firewall"
    if is_off(console):
        means = "the VM was switched off, or its serial port was disconnected or changed in vSphere"
        if console.is_plain:
            means = "what was connected there was switched off, or closed the connection"
    return Finding(
        "away",
        f"{title} is away {since}{where}: {console.away_reason}",
        means,
        checks=() if console.is_plain else (*NOT_THERE, Check.VCENTER),
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


def in_trouble(console: ConsoleFacts, now: float) -> bool:
    """Whether it is worth a word where all was asked about."""
    return any(each.is_trouble for each in of_console(console, now))


def is_off(console: ConsoleFacts) -> bool:
    """Whether its host has closed the connection, as for a VM that is switched off."""
    is_away = console.state is ConsoleState.AWAY and not console.dial_uri
    return is_away and console.away_reason == HOST_CLOSED and not console.claimants


def well(console: ConsoleFacts, now: float) -> Finding:
    """That it is connected, and since when."""
    secure = "with TLS" if console.secure else "without TLS"
    spoke = "" if console.last_output is None else f", output {ago(now, console.last_output)}"
    return Finding(
        "connected",
        f"{console.title} is connected {_where(console)} {secure} "
        f"{lasting(now, console.since)}{spoke}",
        is_trouble=False,
    )
