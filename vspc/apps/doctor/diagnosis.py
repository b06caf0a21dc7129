"""The diagnosis: facts in, findings out. Pure, and a table: for what was asked, rules in the order
in which their findings are printed. Those of one console are in `console_findings`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from attrs import evolve

from vspc.apps.doctor.console_findings import is_off, of_console, well
from vspc.apps.doctor.facts import AskedAbout, Facts
from vspc.apps.doctor.failures import RELOAD, failure, unidentified
from vspc.apps.doctor.findings import Finding, ago, counted
from vspc.apps.doctor.other_side import NOT_THERE
from vspc.common.addresses import LOOPBACK, parse_address
from vspc.common.columns import listed
from vspc.console.console import ConsoleState

TITLES_WIDTH = 300
"""Characters of a list of consoles, about."""


def _consoles(facts: Facts) -> Iterator[Finding]:
    for console in facts.consoles:
        found = of_console(console, facts.now)
        said = any(each.is_trouble or each.code == "silent" for each in found)
        if console.state is ConsoleState.CONNECTED and not said:
            yield well(console, facts.now)
        yield from found


def _consoles_in_trouble(facts: Facts) -> Iterator[Finding]:
    off = list[str]()
    for console in facts.consoles:
        if is_off(console):
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
        NOT_THERE,
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
            checks=NOT_THERE,
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
            checks=NOT_THERE,
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
