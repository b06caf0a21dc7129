"""`vspc doctor`: asks the running server; without one, what the configuration alone says. `--probe`
connects from this process, and needs neither.
"""

import json
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vspc.apps.doctor.diagnosis import of_configuration
from vspc.apps.doctor.facts import AskedAbout, Facts, Setup
from vspc.apps.doctor.findings import Finding
from vspc.apps.doctor.other_side import Check
from vspc.apps.doctor.probing import of_probe
from vspc.apps.doctor.report import report_json, report_text
from vspc.apps.verbs.commandline import Words
from vspc.apps.verbs.doctor import GRAMMAR, PROBE, VERBOSE, WHO
from vspc.apps.verbs.grammar import JSON, Parsed
from vspc.apps.verbs.help_text import usage
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.cli.local import NoServer, run
from vspc.common.addresses import parse_address
from vspc.common.columns import listed
from vspc.common.text import safe
from vspc.common.values import InvalidValue
from vspc.config import Config, ConfigError, state_dir
from vspc.config.dials import entries
from vspc.net.certificates import PemError, presented_host, read_pem
from vspc.net.heard_peer import Answer
from vspc.net.probe import probe
from vspc.net.tls import CERTIFICATE, Pair, thumbprint
from vspc.server.config_files import load_config
from vspc.wire.uri import DIAL_SCHEMES, RemoteUri

_NOT_REACHED = frozenset(
    {Answer.UNKNOWN_NAME, Answer.REFUSED, Answer.NO_ANSWER, Answer.UNREACHABLE, Answer.TLS_FAILED}
)
"""Answers with which a probe has failed (status 1)."""


WIDTH = 300
"""Characters of a list of consoles, about."""


def examine(words: Sequence[str], path: Path) -> int:
    """`vspc doctor WORDS`; its exit status. `path` is the configuration, which a probe does not
    need.
    """
    try:
        parsed = parse(GRAMMAR, Words(words), time.time())
        target = parsed.get(PROBE)
        if target is not None:
            return _probe(parsed, target, path)
    except (UsageError, InvalidValue) as mistake:
        allowed = getattr(mistake, "allowed", "")
        print(
            f"{mistake}; {allowed}" if allowed else mistake,
            *usage(GRAMMAR, "vspc "),
            sep="\n",
            file=sys.stderr,
        )
        return 2
    try:
        return run(state_dir(path), ["doctor", *words])
    except NoServer as absent:
        return _without_server(parsed, path, str(absent))
    except ConfigError as error:
        return _mistaken(error)


def _mistaken(error: ConfigError) -> int:
    print(*error.mistakes, sep="\n", file=sys.stderr)
    return 1


def _print(parsed: Parsed, findings: Sequence[Finding], setup: Setup) -> None:
    if parsed.has(JSON):
        print(json.dumps(report_json(findings, setup), indent=1))
    else:
        print(report_text(findings, setup, parsed.has(VERBOSE), None), end="")


def _probe(parsed: Parsed, text: str, path: Path) -> int:
    if parsed.get(WHO) is not None:
        raise UsageError("--probe takes no NAME beside it")
    target = RemoteUri.parse(text, DIAL_SCHEMES)
    if not target.host:
        raise UsageError("--probe takes HOST:PORT")
    try:
        setup = _setup(load_config(path))
    except ConfigError:
        setup = Setup()
    probed = probe(target, auto="://" not in text)
    _print(parsed, of_probe(probed, setup, datetime.now(UTC)), setup)
    return 1 if probed.answer in _NOT_REACHED else 0


def _setup(config: Config) -> Setup:
    """With what the certificate says, if there is one already; none is made here."""
    where = config.tls.certificate or config.state_dir / CERTIFICATE
    host = socket.gethostname()
    try:
        pem = read_pem(where)
        return Setup.of(config, presented_host(pem) or host, thumbprint(Pair(pem, b"")))
    except (PemError, ValueError):
        return Setup.of(config, host)


def _without_server(parsed: Parsed, path: Path, reason: str) -> int:
    try:
        config = load_config(path)
    except ConfigError as error:
        print(f"vspc: {reason}", file=sys.stderr)
        return _mistaken(error)
    setup = _setup(config)
    asked = parsed.get(WHO, "")
    about = AskedAbout.VM if parse_address(asked) is None else AskedAbout.HOST
    now = time.time()
    findings = [
        _no_server(reason, path),
        _configured(setup, config),
        *of_configuration(Facts(about, asked, now, now, setup)),
    ]
    _print(parsed, findings, setup)
    return 1


def _no_server(reason: str, path: Path) -> Finding:
    return Finding(
        "no-server",
        reason,
        "the server does not run, or has another state_dir, or belongs to another user; what it "
        "knows of VMs is not known here",
        ("systemctl status vspc", f"vspc run --config {safe(str(path))}"),
    )


def _configured(setup: Setup, config: Config) -> Finding:
    where = ", ".join(f"{each.what} on {safe(each.endpoint)}" for each in setup.listeners)
    allow = ", ".join(str(net) for _, nets in setup.allow for net in nets)
    dialled = [f"{safe(e.name)} at {safe(e.uri)}" for table in config.dial for e in entries(table)]
    connects = f"; it connects to {listed(dialled, WIDTH)}" if dialled else ""
    return Finding(
        "configuration",
        f"the configuration listens for VMs: {where or 'nowhere'}; it allows {allow or 'no host'}"
        + connects,
        checks=(Check.SERIAL_PORT, Check.RULE_SET, Check.REACH),
        is_trouble=False,
    )
