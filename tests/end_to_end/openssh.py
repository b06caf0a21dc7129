"""How tests run OpenSSH's client: with keys and known hosts of their own."""

import subprocess
from pathlib import Path

from tests.programs import require


def make_key(directory: Path, name: str = "id_ed25519", kind: str = "ed25519") -> Path:
    """Make a key pair without passphrase; the private key's path, the public one has `.pub`."""
    [keygen] = require("ssh-keygen")
    path = directory / name
    command = [str(keygen), "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return path


def ssh_command(directory: Path, port: int, identity: Path | None = None) -> list[str]:
    """`ssh` as far as the login, for 127.0.0.1: add options, `alice@127.0.0.1` and a command.

    It asks for nothing, accepts a new host key and remembers it in `directory`/known_hosts.
    OpenSSH looks for the user's files in his home as the system has it, whatever HOME says.
    """
    [ssh] = require("ssh")
    options = [
        f"UserKnownHostsFile={directory / 'known_hosts'}",
        "GlobalKnownHostsFile=none",
        "StrictHostKeyChecking=accept-new",
        "IdentityAgent=none",
        "IdentitiesOnly=yes",
        f"IdentityFile={identity or 'none'}",
        "BatchMode=yes",
        "ConnectTimeout=20",
        "LogLevel=ERROR",
    ]
    words = [word for option in options for word in ("-o", option)]
    return [str(ssh), "-F", "none", *words, "-p", str(port)]
