"""vspc and the floor under it: started, asked what they have received."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define

from benchmarks.measuring import FLOOR, OURS
from benchmarks.processes import (
    PATIENCE,
    TOP,
    BenchmarkError,
    Server,
    environment,
    python,
    running,
)
from tests.end_to_end.openssh import make_key, ssh_command
from vspc.net.tls import load_pair
from vspc.ssh.keys import host_keys

CONFIG = """\
state_dir = "state"
[vm]
telnet = ["tcp:0:interface=127.0.0.1"]
telnets = ["tcp:0:interface=127.0.0.1"]
allow = ["127.0.0.0/8"]
[ssh]
listen = ["tcp:0:interface=127.0.0.1"]
max_sessions = 1000
max_attachments = 1000
[operators.alice]
authorized_keys_file = "alice.pub"
[[access]]
operators = ["alice"]
consoles = ["*"]
rights = ["read", "write", "break"]
"""
"""Logs, audit and history are on by default."""

_LISTENING = re.compile(r"listening what=(\S+) .*?port=(\d+)")


@define(eq=False)
class Vspc(Server):
    """A server as people run it."""

    def received(self) -> int:
        """As `list` counts them."""
        rows = json.loads(self.run("list", "--json"))
        return sum(row["bytes_from_vm"] for row in rows)

    def check_logged(self, console: str, expected: bytes) -> None:
        """Raises BenchmarkError unless the log of that console ends with these bytes."""
        said = self.run("log", console, "--raw")
        if not said.endswith(expected):
            raise BenchmarkError(f"the log of {console}, {len(said)} bytes, is not what was said")

    def run(self, *words: str) -> bytes:
        """What a verb prints."""
        command = [*python("vspc"), *words, "--config", str(self.directory / "vspc.toml")]
        done = subprocess.run(
            command, check=True, capture_output=True, env=environment(), timeout=PATIENCE
        )
        return done.stdout


@define(eq=False)
class Floor(Server):
    """Bare Twisted."""

    def received(self) -> int:
        """As it counts them."""
        assert self.process.stdin is not None
        answers = self.events["received"]
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.wait_for("received", answers + 1)
        return int(self.last.split()[1])


@contextmanager
def vspc(directory: Path, more: str = "", name: str = OURS, top: Path = TOP) -> Iterator[Vspc]:
    """A server with `more` in its configuration, of the checkout at `top`; its state in `directory`
    is kept.
    """
    if not (directory / "alice").exists():
        make_key(directory, "alice")
    (directory / "vspc.toml").write_text(CONFIG + more)
    command = python("vspc", "run", "--config", str(directory / "vspc.toml"))
    with running(command, directory, top) as process:
        server = Vspc(name, process, directory)
        _started(server)
        yield server


@contextmanager
def floor(directory: Path) -> Iterator[Floor]:
    """Bare Twisted, with a key and a certificate of the kinds that vspc makes itself."""
    make_key(directory, "alice")
    host_keys((), directory)
    load_pair(None, None, directory)
    with running(python("benchmarks.servers.bare", str(directory)), directory) as process:
        server = Floor(FLOOR, process, directory)
        _started(server)
        yield server


def _started(server: Server) -> None:
    server.read_on()
    server.wait_for("started")
    server.ports |= {what: int(port) for what, port in _LISTENING.findall(server.said)}


def ssh(server: Server, *words: str, options: Sequence[str] = ()) -> list[str]:
    """`ssh` to it, of its user, with options of the client."""
    directory = server.directory
    command = ssh_command(directory, server.ports["ssh"], directory / "alice")
    return [*command, *options, f"{server.user}@127.0.0.1", *words]
