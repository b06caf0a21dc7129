"""What `vspc check` prints of a configuration without mistakes."""

from vspc.config.classes import Config


def summary(config: Config) -> list[str]:
    """A line for each listener, file, operator and rule."""
    vm, ssh = config.vm, config.ssh
    lines = [f"configuration {config.path}", f"state_dir {config.state_dir}"]
    lines += [f"telnet for VMs: {endpoint}" for endpoint in vm.telnet]
    lines += [f"telnets for VMs: {endpoint}" for endpoint in vm.telnets]
    lines += [f"plain {'telnet' if p.telnet else 'TCP'} for {p.name}: {p.listen}" for p in vm.plain]
    lines += [f"SSH for operators: {endpoint}" for endpoint in ssh.listen]
    lines.append(f"VMs may connect from: {', '.join(map(str, vm.allow)) or 'nowhere'}")
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
