"""What a reload cannot change: listeners, keys of the server, sizes that tables were made with."""

from vspc.config import Config


def needs_restart(old: Config, new: Config) -> list[str]:
    """Key paths that differ and count only after a restart."""
    pairs = {
        "state_dir": (old.state_dir, new.state_dir),
        "vm.telnet": (old.vm.telnet, new.vm.telnet),
        "vm.telnets": (old.vm.telnets, new.vm.telnets),
        "vm.identify_timeout": (old.vm.identify_timeout, new.vm.identify_timeout),
        "vm.probe_timeout": (old.vm.probe_timeout, new.vm.probe_timeout),
        "vm.vmotion_timeout": (old.vm.vmotion_timeout, new.vm.vmotion_timeout),
        "vm.plain": (
            [(p.name, p.listen, p.telnet) for p in old.vm.plain],
            [(p.name, p.listen, p.telnet) for p in new.vm.plain],
        ),
        "console": (old.console, new.console),
        "ssh": (old.ssh, new.ssh),
    }
    return [key for key, (before, after) in pairs.items() if before != after]
