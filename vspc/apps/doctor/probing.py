"""What a probe has met, as findings: a table, from the answer to what it means and what to do."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from attrs import frozen

from vspc.apps.doctor.facts import Setup
from vspc.apps.doctor.findings import Finding
from vspc.apps.doctor.other_side import Check
from vspc.net.certificates import Validity
from vspc.net.heard_peer import Answer
from vspc.net.probe import LIMIT, Probed, ShownCertificate


@frozen
class AnswerMeaning:
    """What an answer is, what it means, and what to do; {place}, {host}, {port}, {detail} and
    {banner} are of the probe.
    """

    known: str
    means: str
    do: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    is_trouble: bool = True


_FROM_ELSEWHERE = "from another machine in its network: nc -v {host} {port}"

ANSWERS: Mapping[Answer, AnswerMeaning] = MappingProxyType(
    {
        Answer.UNKNOWN_NAME: AnswerMeaning(
            "{place}: the name is not known: {detail}",
            "it is misspelt, or the name server of this machine does not have it",
        ),
        Answer.REFUSED: AnswerMeaning(
            "{place} refuses the connection",
            "the machine is there and nothing listens at this port, or a firewall rejects it; a "
            "device server refuses one reader more than it takes, too",
            (_FROM_ELSEWHERE,),
            (Check.DEVICE_SERVER,),
        ),
        Answer.NO_ANSWER: AnswerMeaning(
            "{place} does not answer within " + f"{LIMIT:g} s",
            "a firewall drops it, or the machine is off or not routed to",
            (_FROM_ELSEWHERE,),
            (Check.DIRECT_RULE_SET,),
        ),
        Answer.UNREACHABLE: AnswerMeaning(
            "{place} cannot be reached: {detail}",
            "this machine has no route, or a firewall on the way or here rejects it",
        ),
        Answer.CLOSED: AnswerMeaning(
            "{place} takes the connection and closes it",
            "this machine is not among those that may connect, or the port has as many readers as "
            "it takes",
            ("at a vspc server: `vspc doctor` there says who was refused",),
            (Check.DEVICE_SERVER,),
        ),
        Answer.SILENT: AnswerMeaning(
            "{place} takes the connection and says nothing, to telnet neither",
            "a serial port as raw TCP whose device is silent looks so, and a web server",
            (
                'a device server: [[dial]] with connect = "tcp://{place}"',
                "whether it speaks TLS: vspc doctor --probe telnets://{place}",
            ),
            is_trouble=False,
        ),
        Answer.ECHO: AnswerMeaning(
            "{place} gives back what it gets",
            "a serial port as raw TCP whose device echoes, or an echo service",
            ('a device server: [[dial]] with connect = "tcp://{place}"',),
            is_trouble=False,
        ),
        Answer.TELNET: AnswerMeaning(
            "{place} speaks telnet",
            "",
            is_trouble=False,
        ),
        Answer.TLS_FAILED: AnswerMeaning(
            "{place}: no TLS: {detail}",
            "it speaks no TLS, or only versions and ciphers that are not accepted any more",
        ),
        Answer.SSH: AnswerMeaning(
            "{place} is an SSH server: {banner}",
            "operators log in there; the port for serial ports of VMs is another one",
        ),
        Answer.HTTP: AnswerMeaning("{place} is an HTTP server", "the port is a wrong one"),
        Answer.OTHER: AnswerMeaning(
            "{place} says '{banner}'",
            "a serial port as raw TCP whose device speaks, or another service",
            ('a device server: [[dial]] with connect = "tcp://{place}"',),
            is_trouble=False,
        ),
    }
)


def of_probe(probed: Probed, setup: Setup, now: datetime) -> list[Finding]:
    """What is found about what was met; the last is about its certificate."""
    meaning = ANSWERS[probed.answer]
    place, detail, banner = probed.place, probed.detail or "unknown", probed.banner
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    known = meaning.known.format(place=place, detail=detail, banner=banner)
    means, do = (
        meaning.means,
        tuple(each.format(place=place, host=host, port=port) for each in meaning.do),
    )
    if probed.answer is Answer.TELNET:
        known, means, do = _telnet(probed)
    if probed.certificate is not None:
        known += f", within {probed.certificate.version}"
    elif probed.address and probed.address not in place:
        known += f" ({probed.address})"
    found = [Finding(probed.answer.value, known, means, do, meaning.checks, meaning.is_trouble)]
    if probed.certificate is not None:
        found.append(_certificate(probed.certificate, setup, now))
    return found


def _telnet(probed: Probed) -> tuple[str, str, tuple[str, ...]]:
    place = probed.place
    says = f"; it says '{probed.banner}'" if probed.banner else ""
    if probed.extension:
        return (
            f"{place} speaks telnet with VMware's extension: a concentrator",
            "ESXi hosts that reach it may have it as the vSPC URI of serial ports",
            (),
        )
    if probed.com_port:
        return (
            f"{place} speaks telnet with RFC 2217, without VMware's extension{says}",
            "a device server, or a serial port that another program offers",
            (f'[[dial]] with connect = "rfc2217://{place}"',),
        )
    return (
        f"{place} speaks telnet, without RFC 2217 and VMware's extension{says}",
        "a device server, the serial port of a VM without a concentrator, or a login",
        (f'[[dial]] with connect = "{_scheme(probed)}://{place}"',),
    )


def _scheme(probed: Probed) -> str:
    return "telnet" if probed.certificate is None else "telnets"


def _certificate(shown: ShownCertificate, setup: Setup, now: datetime) -> Finding:
    problem = shown.validity.problem(now)
    names = ", ".join(shown.names) or "no names"
    known = (
        f"certificate of {shown.subject!r}, issued by {shown.issuer!r}, for {names}, "
        f"{problem or 'valid until ' + _day(shown.validity)}; "
        f"SHA-1 {shown.sha1}, SHA-256 {shown.sha256}"
    )
    return Finding("certificate", known, ", ".join(_judged(shown, setup)), is_trouble=bool(problem))


def _judged(shown: ShownCertificate, setup: Setup) -> Iterator[str]:
    if setup.thumbprint:
        own = shown.sha1 == setup.thumbprint
        yield "it is that of this configuration" if own else "it is not that of this configuration"
    trusted = f"not trusted by this machine: {shown.distrust}" if shown.distrust else ""
    yield trusted or "trusted by this machine"


def _day(validity: Validity) -> str:
    return validity.not_after.strftime("%Y-%m-%d")
