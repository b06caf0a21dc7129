"""`vspc check` and `vspc verify`: a configuration, and the logs that are on the disk."""

import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from vspc.common.files import Disk
from vspc.common.text import safe
from vspc.common.values import written_duration, written_size
from vspc.config.alert_settings import AlertSettings, named_alerts
from vspc.config.checks import DEFAULT_ZONE
from vspc.config.dials import entries
from vspc.config.settings import (
    AccessRule,
    AuditSettings,
    CertificateSettings,
    Config,
    LogPolicy,
    MetricsSettings,
    OperatorSettings,
)
from vspc.config.vm_settings import DialSettings, SocketSettings
from vspc.log.chain import examine, recorded_heads, verify
from vspc.server.config_files import AS_ROOT, file_warnings

DAMAGES = 20
"""Damaged files that `vspc check` names."""


def check(config: Config) -> int:
    """Print a summary of a configuration that has been loaded, and warnings; the exit status."""
    for line in [*summary(config), *user_of(config.state_dir), *forecast(config)]:
        print(line)
    for warning in [*config.warnings, *file_warnings(config)]:
        print(f"warning: {config.lines.placed(warning)}")
    return 0


def summary(config: Config) -> list[str]:
    """A line for each listener, file, operator and rule."""
    vm, ssh = config.vm, config.ssh
    lines = [f"configuration {config.path}", f"state_dir {config.state_dir}"]
    for zone in vm.zones:
        where = "" if zone.name == DEFAULT_ZONE else f" of zone {zone.name}"
        lines += [f"telnet for VMs{where}: {endpoint}" for endpoint in zone.telnet]
        lines += [f"telnets for VMs{where}: {endpoint}" for endpoint in zone.telnets]
    lines += [f"plain {'telnet' if p.telnet else 'TCP'} for {p.name}: {p.listen}" for p in vm.plain]
    lines += map(_dial, config.dial)
    lines += [f"SSH for operators: {endpoint}" for endpoint in ssh.listen]
    lines += map(_socket, config.console.listen)
    lines += _metrics(config.metrics)
    for zone in vm.zones:
        where = "" if zone.name == DEFAULT_ZONE else f" of zone {zone.name}"
        lines.append(f"VMs{where} may connect from: {', '.join(map(str, zone.allow)) or 'nowhere'}")
        lines.append(f"takeover{where}: {zone.takeover}")
    lines.append(f"service URIs: {', '.join(vm.service_uris) or 'none'}")
    certificate = config.tls.certificate or f"{config.state_dir}/tls.pem (self-signed)"
    lines.append(f"certificate: {certificate}")
    keys = ", ".join(map(str, ssh.host_keys)) or f"made in {config.state_dir}"
    lines.append(f"SSH host keys: {keys}")
    lines += _certificates(ssh.certificates)
    for what, program in (
        ("auth_command", ssh.auth_command),
        ("authorized_keys_command", ssh.authorized_keys_command),
    ):
        lines.append(f"{what}: {safe(program.words[0]) if program else 'none'}")
    lines += [f"operator {name}: {_operator(o)}" for name, o in config.operators.items()]
    lines += [f"access: {_rule(rule)}" for rule in config.access]
    lines += [_alert(each) for each in named_alerts(config.alert)]
    return lines + _audit(config.audit)


def _alert(alert: AlertSettings) -> str:
    """Without what may be secret: the path of a webhook, the arguments of a program."""
    where = f"syslog {alert.syslog}"
    if alert.url is not None:
        where = f"webhook {alert.url.shown}"
    elif alert.command is not None:
        where = f"command {alert.command.words[0]}"
    what = ", ".join(alert.patterns)
    within = written_duration(alert.within)
    consoles = ", ".join(map(str, alert.consoles))
    text = f"alert {alert.name}: {what} of consoles {consoles}, once in {within}: {where}"
    return safe(text, 400)


def _dial(settings: DialSettings) -> str:
    found = list(entries(settings))
    first, last = found[0], found[-1]
    where = f"dials {first.name}: {first.uri}"
    if last is not first:
        where = (
            f"dials {len(found)} consoles: {first.name} to {last.name}: {first.uri} to {last.uri}"
        )
    return safe(where + (" while somebody is attached" if settings.when == "attached" else ""), 400)


def user_of(state_dir: Path) -> Iterator[str]:
    """The user of the server, who owns `state_dir`, or else will make it; a warning if that is
    root.
    """
    try:
        uid = state_dir.stat().st_uid
    except OSError:
        uid = os.geteuid()
    if uid == 0:
        yield f"warning: the user of the server is root: {AS_ROOT}"
    else:
        yield f"user of the server: {_user_name(uid)}"


def _user_name(uid: int) -> str:
    try:
        return safe(pwd.getpwuid(uid).pw_name, 40)
    except KeyError:
        return str(uid)


_ON_FAILURE = MappingProxyType({"continue": "work continues", "refuse": "no pen can be taken"})


def _metrics(metrics: MetricsSettings) -> list[str]:
    if not metrics.listen:
        return ["metrics: off"]
    who = ", ".join(map(str, metrics.allow)) or "nowhere"
    which = ", ".join(metrics.per_console)
    labels = f"of consoles {safe(which, 400)}" if which else "none of single consoles"
    return [
        *(f"metrics for Prometheus: {endpoint}" for endpoint in metrics.listen),
        f"metrics may be read from {who}; {labels}",
    ]


def _audit(audit: AuditSettings) -> list[str]:
    if not audit.enabled:
        return ["audit: off"]
    file = safe(str(audit.file))
    why = f'on_failure = "{audit.on_failure}"'
    lines = [f"audit: {file}; if it cannot be written, {_ON_FAILURE[audit.on_failure]} ({why})"]
    copies = [f"syslog to {safe(audit.syslog)}"] if audit.syslog else []
    copies += ["journald"] if audit.journald else []
    return [*lines, f"copies of the audit: {' and '.join(copies) or 'none'}"]


def _certificates(settings: CertificateSettings) -> list[str]:
    count, longest = len(settings.keys), settings.max_validity
    facts = ["not accepted"]
    if count:
        facts = [_many(count, "authority", "authorities"), _many(len(settings.map), "map")]
        facts += [] if longest is None else [f"valid for {written_duration(longest)} at most"]
    revoked = safe(str(settings.revoked)) if settings.revoked else "no file"
    return [f"certificates: {', '.join(facts)}", f"revoked keys and certificates: {revoked}"]


def _socket(entry: SocketSettings) -> str:
    where = str(entry.listen) if entry.ports is None else f"{entry.interface} ports {entry.ports}"
    who = entry.operator or "the operator of the client's certificate"
    how = f"{entry.protocol}{' over TLS' if entry.tls else ''}"
    return f"{how} for {entry.console or entry.consoles}, as {who}: {where}"


def _operator(operator: OperatorSettings) -> str:
    words = [_many(len(operator.keys), "key")]
    words += ["password"] if operator.password else []
    words += ["one-time passwords"] if operator.totp_secret_file else []
    words += [f"groups {', '.join(operator.groups)}"] if operator.groups else []
    words += [f"roles {', '.join(operator.roles)}"] if operator.roles else []
    words += [f"requires {' and '.join(operator.require)}"] if operator.require else []
    return ", ".join(words)


def _rule(rule: AccessRule) -> str:
    where = list[str](rule.consoles)
    if rule.consoles_file is not None:
        listed = _many(len(rule.consoles_file.patterns), "pattern")
        where.append(f"{listed} of {safe(str(rule.consoles_file.path))}")
    rights = ", ".join(rule.rights) or "nothing"
    reason = " with a reason" if rule.require_reason else ""
    approval = f" with approval by {', '.join(rule.approve)}" if rule.approve else ""
    return f"{', '.join(rule.operators)} on {', '.join(where)}: {rights}{reason}{approval}"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def forecast(config: Config) -> list[str]:
    """What the logs of `config` may take, set against the disk: for `vspc check`."""
    log, root = config.log, config.state_dir / "log"
    if not log.enabled:
        return ["log: off; what VMs say is kept in memory only"]
    most, each = written_size(log.max_total), written_size(log.max_console)
    keep = written_duration(log.keep)
    lines = [f"log: {root}, at most {most}, {each} a console, {keep}, fsync {log.fsync}"]
    lines += [f"log of {', '.join(p.consoles)}: {_policy(p)}" for p in log.policy]
    known = sum(1 for _ in root.glob("consoles/??/*"))
    if known:
        most = written_size((known * log.max_console) >> 20 << 20)
        lines.append(f"log: {known} consoles have one; each at its limit would be {most}")
    there = next(path for path in (root, *root.parents) if path.is_dir())
    free, disk = Disk().free(there)
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    floor = log.free_floor.of(disk)
    spare = max(0, free - floor + used)
    if spare < log.max_total:
        lines.append(
            f"warning: log.max_total is {written_size(log.max_total)}, but the disk has room for "
            f"{spare >> 20}MiB of it: {free >> 20}MiB are free, and free_floor keeps "
            f"{floor >> 20}MiB of them"
        )
    return lines + list(_damage(root))


def _damage(root: Path) -> Iterator[str]:
    """What a look at the files of logs shows; `vspc verify` reads every byte of them."""
    found = examine(root, deep=False)
    for complaint in found[:DAMAGES]:
        yield f"warning: log: {safe(complaint.text, 1000)}"
    if len(found) > DAMAGES:
        yield f"warning: log: {len(found) - DAMAGES} more files are damaged; see vspc verify"


def _policy(policy: LogPolicy) -> str:
    if not policy.log:
        return "none"
    keep = "" if policy.keep is None else f"for {written_duration(policy.keep)}"
    most = "" if policy.max is None else f"at most {written_size(policy.max)}"
    return ", ".join(filter(None, (keep, most))) or "as all"


def check_chain(config: Config, against: Path | None) -> int:
    """`vspc verify`: print what was found; the exit status."""
    try:
        recorded = None
        if against is not None:
            with against.open(encoding="utf-8", errors="replace") as file:
                recorded = recorded_heads(file)
            if not recorded:
                print(f"{against}: no log-chain line found", file=sys.stderr)
                return 1
        verdict = verify(config.state_dir / "log", recorded)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for complaint in verdict.wrong:
        print(safe(complaint, 1000), file=sys.stderr)
    heads = "" if recorded is None else f", {verdict.heads} heads are those that were sent"
    print(f"{verdict.right} segments are unchanged, {verdict.gone} are deleted{heads}")
    return 1 if verdict.wrong else 0
