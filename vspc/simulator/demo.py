"""`make demo`: a server on loopback with three simulated VMs, until Ctrl-C.

Everything is kept under .demo/ of the current directory; no process outlives this one.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from shlex import quote
from types import FrameType

STATE = Path(".demo")
"""In the current directory."""

SSH_PORT, TELNET_PORT, TELNETS_PORT = 2222, 13370, 13371
"""Ports on loopback; DEMO_PORT_OFFSET is added to each."""

START = 30.0
"""Seconds within which the server has to listen."""

STOP = 5.0
"""Seconds that a child may take to end before it is killed."""

_CONFIG = """\
# Written by `make demo`; etc/vspc.toml explains every key.
state_dir = "state"

[vm]
telnet = ["tcp:{telnet}:interface=127.0.0.1"]
telnets = ["tcp:{telnets}:interface=127.0.0.1"]

[ssh]
listen = ["tcp:{ssh}:interface=127.0.0.1"]

[operators.demo]
authorized_keys = ["{key}"]
roles = ["admin", "audit"]

[[access]]
operators = ["demo"]
consoles = ["*"]
rights = ["read", "write", "break", "force"]
"""

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the demonstration; its exit status."""
    offset = os.environ.get("DEMO_PORT_OFFSET", "0")
    if not offset.isascii() or not offset.isdigit() or int(offset) > 50_000:
        print(
            f"DEMO_PORT_OFFSET is {offset!r}; it must be a number from 0 to 50000", file=sys.stderr
        )
        return 2
    if shutil.which("ssh-keygen") is None:
        print("the demo needs ssh-keygen: apt install openssh-client", file=sys.stderr)
        return 1
    demo = Demo(STATE.absolute(), int(offset))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, demo.interrupt)
    try:
        return demo.run()
    finally:
        demo.stop()


class Demo:
    """The children of one demonstration."""

    def __init__(self, state: Path, offset: int) -> None:
        self._state = state
        self._ssh = SSH_PORT + offset
        self._telnet = TELNET_PORT + offset
        self._telnets = TELNETS_PORT + offset
        self._children: list[subprocess.Popen[str]] = []
        self._over = threading.Event()

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-C, or SIGTERM."""
        self._over.set()

    def run(self) -> int:
        """Start everything, print how to use it, wait."""
        config = self._prepare()
        server = self._start("run", "--config", str(config), log="server.log")
        if not self._wait_for("started", 1, "the server did not start"):
            return 1
        target = f"127.0.0.1:{self._telnet}"
        self._start(
            *("simulate", "--proxy", f"telnet://{target}", "--vms", "2", "--name", "web{n}"),
            *("--vmotion-every", "60"),
            log="simulator.log",
        )
        secure = f"127.0.0.1:{self._telnets}"
        self._start(
            *("simulate", "--proxy", f"telnets://{secure}", "--vms", "1", "--name", "db{n}"),
            log="simulator-tls.log",
        )
        if not self._wait_for("vm-registered", 3, "the simulated VMs did not connect"):
            return 1
        self._explain()
        while not self._over.wait(0.5):
            if server.poll() is not None:
                print(f"the server ended; see {self._state / 'server.log'}", file=sys.stderr)
                return 1
        return 0

    def _prepare(self) -> Path:
        self._state.mkdir(mode=0o700, exist_ok=True)
        key = self._state / "id_ed25519"
        if not key.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(key)]
            subprocess.run(words, check=True)
        public = key.with_suffix(".pub").read_text().strip()
        config = self._state / "vspc.toml"
        config.write_text(
            _CONFIG.format(ssh=self._ssh, telnet=self._telnet, telnets=self._telnets, key=public)
        )
        return config

    def _start(self, *words: str, log: str) -> "subprocess.Popen[str]":
        with (self._state / log).open("w") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "vspc", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is ours: we end them in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509  (no threads here)
            )
        self._children.append(child)
        return child

    def _wait_for(self, word: str, count: int, problem: str) -> bool:
        """Whether the server's log has so many lines with the event `word` within `START`."""
        path, server = self._state / "server.log", self._children[0]
        for _ in range(int(START * 10)):
            if path.read_text().count(f" {word} ") >= count:
                return True
            if server.poll() is not None or self._over.wait(0.1):
                break
        if not self._over.is_set():
            print(f"{problem}; see {self._state}/*.log:\n{path.read_text()}", file=sys.stderr)
        return False

    def _explain(self) -> None:
        key, known = self._state / "id_ed25519", f"UserKnownHostsFile={self._known_hosts()}"
        ssh = f"ssh -p {self._ssh} -i {quote(str(key))}"
        options = f"-o {quote(known)} -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
        vspc = quote(str(Path(sys.executable).with_name("vspc")))
        config = quote(str(self._state / "vspc.toml"))
        print(
            f"Three virtual machines are running (web1 and web2 move by vMotion every minute).\n\n"
            f"  {ssh} {options} -t demo@127.0.0.1\n\n"
            f"Choose one with the arrow keys and Enter; ^Ec. leaves it (Ctrl-E, c, full stop).\n"
            f"Put `list`, `console web1` or `raw web1` behind it for the verbs; `demo` has the\n"
            f"roles admin and audit: `status`, `sessions` and `events` answer, too.\n"
            f"The same on this machine, as root@local:\n\n"
            f"  {vspc} status --config {config}\n\n"
            f"Ctrl-C here ends the demonstration.",
            flush=True,
        )

    def _known_hosts(self) -> str:
        """As a value of ssh's options: blanks end it, and %, ~ and $ are expanded."""
        path = str(self._state / "known_hosts").replace("%", "%%")
        return f'"{path}"' if " " in path else path

    def stop(self) -> None:
        """End every child, the last started first."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        for child in self._children:
            try:
                child.wait(STOP)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _die_with_parent() -> None:
    """Ask the kernel to end this child with its parent, however that ends (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main())
