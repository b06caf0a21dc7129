"""SSH servers that people would log in to instead; each echoes the words of a command."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from attrs import define

from benchmarks.processes import Server, python, running
from benchmarks.servers.others import program
from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import free_port

SSHD, ASYNCSSH = "sshd", "asyncssh"

_HOST_KEY = "host_key"

_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/{host_key}
AuthorizedKeysFile {directory}/alice.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv HOME={directory}
ForceCommand echo "$SSH_ORIGINAL_COMMAND"
"""

_TICKS = os.sysconf("SC_CLK_TCK")


@define(eq=False)
class Forking(Server):
    """A server with processes of their own for each login, which have ended when it is counted."""

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far, of processes that have ended, too: proc(5), in 1/100 s."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text("ascii")
        user, system = stat.rpartition(")")[2].split()[13:15]
        return super().cpu + (int(user) + int(system)) / _TICKS


def _sshd_command(directory: Path, port: int) -> list[str]:
    """With keys of its own; what it has by default is not read."""
    config = directory / "sshd_config"
    make_key(directory, "alice")
    make_key(directory, _HOST_KEY)
    config.write_text(_SSHD.format(port=port, directory=directory, host_key=_HOST_KEY))
    return [program(SSHD) or SSHD, "-f", str(config)]


def sshd_runs(directory: Path) -> bool:
    """Whether OpenSSH's server is installed and would start: as root it needs a user and a
    directory that its package, or the service of it, makes.
    """
    if program(SSHD) is None:
        return False
    command = [*_sshd_command(directory, free_port()), "-t"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def sshd(directory: Path) -> Iterator[Server]:
    """OpenSSH's, with its usual processes for each login and the user's shell, which finds no file
    of the user's to read at its start.
    """
    port = free_port()
    with running([*_sshd_command(directory, port), "-D", "-e"], directory) as process:
        server = Forking(SSHD, process, directory, user=getuser(), ports={"ssh": port})
        server.read_on()
        server.wait_for("on")  # Server listening on 127.0.0.1 port ...
        yield server


@contextmanager
def asyncssh(directory: Path) -> Iterator[Server]:
    """AsyncSSH in a process of its own."""
    make_key(directory, "alice")
    make_key(directory, _HOST_KEY)
    port = free_port()
    words = (str(port), str(directory / _HOST_KEY), str(directory / "alice.pub"))
    with running(python("benchmarks.servers.asyncssh_echo", *words), directory) as process:
        server = Server(ASYNCSSH, process, directory, ports={"ssh": port})
        server.read_on()
        server.wait_for("started")
        yield server


def there(directory: Path) -> tuple[list[str], list[str]]:
    """Those that can be started here, and others."""
    found = [SSHD] if sshd_runs(directory) else []
    if find_spec("asyncssh") is not None:
        found.append(ASYNCSSH)
    return found, [name for name in LOGINS if name not in found]


LOGINS = MappingProxyType[str, Callable[[Path], AbstractContextManager[Server]]](
    {SSHD: sshd, ASYNCSSH: asyncssh}
)
"""How each is started with a directory of its own."""
