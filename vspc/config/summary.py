"""What `vspc check` prints of a configuration without mistakes."""

from vspc.config.checks import DEFAULT_ZONE
from vspc.config.classes import Config


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
    for name, operator in config.operators.items():
        groups = f", groups {', '.join(operator.groups)}" if operator.groups else ""
        roles = f", roles {', '.join(operator.roles)}" if operator.roles else ""
        count = len(operator.keys)
        lines.append(f"operator {name}: {count} key{'' if count == 1 else 's'}{groups}{roles}")
    for rule in config.access:
        who, where = ", ".join(rule.operators), ", ".join(rule.consoles)
        lines.append(f"access: {who} on {where}: {', '.join(rule.rights) or 'nothing'}")
    return lines
