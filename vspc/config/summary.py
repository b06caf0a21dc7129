"""What `vspc check` prints of a configuration without mistakes."""

from types import MappingProxyType

from vspc.common.text import safe
from vspc.common.values import written_duration
from vspc.config.checks import DEFAULT_ZONE
from vspc.config.settings import (
    AccessRule,
    AuditSettings,
    CertificateSettings,
    Config,
    OperatorSettings,
)


def summary(config: Config) -> list[str]:
    """A line for each listener, file, operator and rule."""
    vm, ssh = config.vm, config.ssh
    lines = [f"configuration {config.path}", f"state_dir {config.state_dir}"]
    for zone in vm.zones:
        where = "" if zone.name == DEFAULT_ZONE else f" of zone {zone.name}"
        lines += [f"telnet for VMs{where}: {endpoint}" for endpoint in zone.telnet]
        lines += [f"telnets for VMs{where}: {endpoint}" for endpoint in zone.telnets]
    lines += [f"plain {'telnet' if p.telnet else 'TCP'} for {p.name}: {p.listen}" for p in vm.plain]
    lines += [f"SSH for operators: {endpoint}" for endpoint in ssh.listen]
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
    return lines + _audit(config.audit)


_ON_FAILURE = MappingProxyType({"continue": "work continues", "refuse": "no pen can be taken"})


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
    return f"{', '.join(rule.operators)} on {', '.join(where)}: {rights}{reason}"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
