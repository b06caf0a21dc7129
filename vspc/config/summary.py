"""What `vspc check` prints of a configuration without mistakes."""

from vspc.config.checks import DEFAULT_ZONE
from vspc.config.classes import Config
from vspc.config.entry import AccessRule, CertificateSettings, OperatorSettings
from vspc.text import safe


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
        lines += [f"{what}: {safe(program.words[0])}"] if program else []
    lines += [f"operator {name}: {_operator(o)}" for name, o in config.operators.items()]
    lines += [f"access: {_rule(rule)}" for rule in config.access]
    audit = config.audit
    lines.append(f"audit: {safe(str(audit.file))}" if audit.enabled else "audit: off")
    lines += [f"audit by syslog: {safe(audit.syslog)}"] if audit.syslog else []
    return lines


def _certificates(settings: CertificateSettings) -> list[str]:
    count = len(settings.keys)
    if not count:
        return []
    revoked = f", revoked by {safe(str(settings.revoked))}" if settings.revoked else ""
    maps = f", {_many(len(settings.map), 'map')}" if settings.map else ""
    return [f"certificates: {_many(count, 'authority', 'authorities')}{maps}{revoked}"]


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
