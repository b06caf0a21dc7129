"""Consoles over Unix sockets, which are raw everywhere: of vspc, conserver and conman.

A load generator listens on sockets 1, 2 and so on of a directory; a server connects to them.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

from attrs import define

from benchmarks.measuring import OURS
from benchmarks.processes import Server, running
from benchmarks.servers.ours import vspc
from tests.end_to_end.processes import free_port

CONSERVER, CONMAN = "conserver", "conman"

_CONSERVER = """\
config * {{ }}
default * {{ logfile {logs}/&; timestamp ""; rw *; master localhost; type uds; }}
{consoles}
access * {{ trusted 127.0.0.1; }}
"""
_CONMAN = """\
server port={port}
server loopback=on
server logdir="{logs}"
server pidfile="{directory}/pid"
{consoles}
"""
_DIAL = """
[[dial]]
name = "raw-{{n}}"
connect = "unix:{sockets}/{{n}}"
count = {count}
"""

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))


@define(eq=False)
class Logging(Server):
    """A server that has nothing but its logs to tell what has come; headers are not counted."""

    headers: int = 0

    def begin(self) -> None:
        """All consoles are connected."""
        self.settled_cpu()
        self.headers = self._size()

    def received(self) -> int:
        """Bytes in the logs."""
        return self._size() - self.headers

    def _size(self) -> int:
        return sum(path.stat().st_size for path in (self.directory / "logs").iterdir())


def program(name: str) -> str | None:
    """Where it is, if it is installed."""
    return shutil.which({CONMAN: "conmand"}.get(name, name), path=_PATH)


def _numbered(count: int, line: str, sockets: Path) -> str:
    return "\n".join(line.format(number, sockets) for number in range(1, count + 1))


@contextmanager
def _logging(name: str, directory: Path, config: str, *words: str) -> Iterator[Logging]:
    path = program(name)
    assert path is not None
    (directory / "logs").mkdir()
    (directory / "config").write_text(config.format(logs=directory / "logs", directory=directory))
    with running([path, *words], directory) as process:
        server = Logging(name, process, directory)
        server.read_on()
        yield server


@contextmanager
def conserver(directory: Path, sockets: Path, count: int) -> Iterator[Server]:
    """With its logs on, 16 consoles a process, as is its default."""
    consoles = _numbered(count, "console raw-{0} {{ uds {1}/{0}; }}", sockets)
    config = _CONSERVER.replace("{consoles}", consoles.replace("{", "{{").replace("}", "}}"))
    words = ("-C", "config", "-M", "127.0.0.1", "-p", str(free_port()), "-P", "/dev/null")
    with _logging(CONSERVER, directory, config, *words) as server:
        yield server


@contextmanager
def conman(directory: Path, sockets: Path, count: int) -> Iterator[Server]:
    """With its logs on."""
    line = 'console name="raw-{0}" dev="unix:{1}/{0}" log="{0}.log"'
    config = _CONMAN.replace("{consoles}", _numbered(count, line, sockets))
    config = config.replace("{port}", str(free_port()))
    with _logging(CONMAN, directory, config, "-F", "-c", "config") as server:
        yield server


@contextmanager
def ours(directory: Path, sockets: Path, count: int) -> Iterator[Server]:
    """vspc, with `[[dial]]`."""
    with vspc(directory, _DIAL.format(sockets=sockets, count=count)) as server:
        yield server


Starter = Callable[[Path, Path, int], AbstractContextManager[Server]]

RAW = MappingProxyType[str, Starter]({OURS: ours, CONSERVER: conserver, CONMAN: conman})
"""How each is started with a directory of its own, that of the sockets, and their count."""
