"""Connections that came to nothing: what each kind of refusal means, and what to do about it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import frozen

from vspc.apps.doctor.facts import Setup
from vspc.apps.doctor.findings import Finding, happened
from vspc.apps.doctor.other_side import Check
from vspc.console.connection_history import FailedConnection, UnidentifiedLine
from vspc.console.events import Introduction, RefusalKind

RELOAD = "then reload the server (systemctl reload vspc, or SIGHUP)"


def _nothing(_failed: FailedConnection, _setup: Setup) -> tuple[str, ...]:
    return ()


def _hint(failed: FailedConnection, _setup: Setup) -> tuple[str, ...]:
    return (failed.hint, RELOAD) if failed.hint else ()


def _proxy_uri(_failed: FailedConnection, setup: Setup) -> tuple[str, ...]:
    """The proxy URIs that fit."""
    uris = [
        f"{scheme}://{setup.host}:{port}"
        for scheme, tls in (("telnets", True), ("telnet", False))
        for port in setup.ports(tls)
    ]
    return (f"in vSphere set vSPC URI to one of {', '.join(uris)}",) if uris else ()


def _service_uri(failed: FailedConnection, setup: Setup) -> tuple[str, ...]:
    allowed, change = ", ".join(setup.words), (failed.hint, RELOAD)
    if not allowed:
        return change
    return (f"in vSphere set Port URI to one of {allowed}", f"or {failed.hint}", RELOAD)


def _always(*lines: str) -> Callable[[FailedConnection, Setup], tuple[str, ...]]:
    return lambda _failed, _setup: lines


@frozen
class FailureMeaning:
    """What one kind of failure means; `do` makes the lines of what to do. `what`: what happened,
    where the reason in the log says more than that; {missing} is what was missing.
    """

    means: str
    do: Callable[[FailedConnection, Setup], tuple[str, ...]] = _nothing
    checks: tuple[Check, ...] = ()
    what: str = ""


_K = RefusalKind

MEANINGS: Mapping[RefusalKind | None, FailureMeaning] = MappingProxyType(
    {
        _K.NOT_ALLOWED: FailureMeaning(
            "the configuration does not let this host connect; if it is one of yours:", _hint
        ),
        _K.TOO_MANY: FailureMeaning(
            "that address has as many connections as one may have, or as may wait: something there "
            "connects again and again and does not say which VM it is"
        ),
        _K.BALANCER: FailureMeaning(
            "a load balancer between does not do what proxy_protocol_from says of it", _hint
        ),
        _K.TLS_ON_TELNET: FailureMeaning(
            "the proxy URI begins with telnets:// and has the port of a listener without TLS",
            _proxy_uri,
            what="TLS came to a listener without TLS",
        ),
        _K.TELNET_ON_TLS: FailureMeaning(
            "the proxy URI begins with telnet:// and has the port of a listener with TLS",
            _proxy_uri,
            what="telnet without TLS came to a listener with TLS",
        ),
        _K.FOREIGN: FailureMeaning(
            "that is not an ESXi host: a health check, a scanner, or a client at the wrong port"
        ),
        _K.TLS: FailureMeaning(
            "host and server did not agree on TLS, so that the VM's port stays disconnected",
            _always("`vspc proxy-uri` prints the proxy URI with this server's thumbprint"),
            (Check.CERTIFICATE,),
        ),
        _K.TLS_REQUIRED: FailureMeaning(
            'start_tls is "require", and the host did not start TLS', _proxy_uri
        ),
        _K.NO_EXTENSION: FailureMeaning(
            "what connected has a serial port, but does not treat this server as a concentrator",
            _always(
                "an ESXi host: tick Use Virtual Serial Port Concentrator at the VM's serial port",
                "QEMU, a device server: give it a [[vm.plain]] listener",
            ),
            (Check.SERIAL_PORT,),
            "VMware's telnet extension was declined",
        ),
        _K.DIRECTION: FailureMeaning(
            "the VM asks to be connected to another system, and does not say to which",
            _always("in vSphere set Direction to Server at the VM's serial port"),
            (Check.SERIAL_PORT,),
            "the direction of the serial port is not Server",
        ),
        _K.REMOTE: FailureMeaning(
            "Direction is Client: the VM asks to be connected to another system, which the "
            "configuration does not allow; if it may be:",
            _hint,
            what="the remote system is not allowed",
        ),
        _K.SERVICE_URI: FailureMeaning(
            "the word that the VM's serial port has as its Port URI is not one of this server",
            _service_uri,
            what="the service URI is not one of vm.service_uris",
        ),
        _K.INCOMPLETE: FailureMeaning(
            "an ESXi host sends all of this within a second: the VM is stunned, something between "
            "changes the connection, or it is not an ESXi host",
            _always("what has no telnet extension needs a [[vm.plain]] listener"),
            (Check.SERIAL_PORT,),
            "{missing} was not received in time",
        ),
        _K.CREDENTIAL: FailureMeaning(
            "a vMotion's target came when the migration was over, or from before a restart of this "
            "server: the VM stays on its host, and may be moved again",
            checks=(Check.VMOTION,),
        ),
        _K.CONTENDED: FailureMeaning(
            "another connection has that console and answers: two hosts say they have the same VM",
            _always("if the other one is the wrong one: `accept`, or end the VM's copy there"),
        ),
        _K.OTHER: FailureMeaning("the reason says it"),
        None: FailureMeaning(
            "the host reaches this server, and ended the connection itself: a test with nc and a "
            "health check look so, and an ESXi host whose VM is switched off at that moment",
        ),
    }
)
"""One for each kind, and one for those that ended by themselves."""

HARMLESS = frozenset({None, RefusalKind.FOREIGN})
"""Kinds that are no VM's trouble as a rule."""


def failure(failed: FailedConnection, setup: Setup, now: float) -> Finding:
    """What is found about `failed`."""
    meaning = MEANINGS[failed.kind]
    refused = "left" if failed.kind is None else "was refused"
    often = happened(failed.count, failed.first, failed.last, now)
    known = (
        f"{_place(failed.address, failed.zone)} {refused} {often}: "
        f"{_what(meaning, failed)}{_said(failed.said)}"
    )
    return Finding(
        "left" if failed.kind is None else failed.kind.value,
        known,
        meaning.means,
        meaning.do(failed, setup),
        meaning.checks,
        failed.kind not in HARMLESS,
    )


def unidentified(line: UnidentifiedLine) -> Finding:
    """What is found about a line that has not identified itself yet."""
    known = (
        f"{_place(line.address, line.zone)} has been connected for {line.seconds:.0f} s and "
        f"has not identified itself{_said(line.said)}; {line.said.missing} is missing"
    )
    return Finding("identifying", known, "an ESXi host does it within a second")


def _place(address: str, zone: str) -> str:
    return address if zone in ("", "default") else f"{address} in zone {zone}"


def _what(meaning: FailureMeaning, failed: FailedConnection) -> str:
    missing = failed.said.missing
    if meaning.what:
        return meaning.what.format(missing=missing or "identification")
    over = f", before {missing} was received" if failed.kind is None and missing else ""
    return failed.reason + over


def _said(said: Introduction) -> str:
    """What it had said of itself."""
    words = [
        f"{what} '{value}'"
        for what, value in (
            ("name", said.name),
            ("UUID", said.uuid),
            ("service URI", said.service_uri),
        )
        if value
    ]
    return f"; it had said {', '.join(words)}" if words else ""
