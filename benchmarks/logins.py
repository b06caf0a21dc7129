"""How long a good login takes while 10,000 bad ones a minute come from the same address.

    python -m benchmarks.logins [SECONDS] [A_MINUTE]

A real server; AsyncSSH in a process of its own shows keys that nobody knows, each connection in
another name, and guesses passwords on two connections, as fast as they are looked at; real `ssh`
logs in with a key every second. Prints both rates, the times of the good logins and the processor
time of the server.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import asyncssh

from benchmarks.processes import cpu_of
from tests.end_to_end.openssh import make_key, ssh_command
from tests.end_to_end.processes import free_port

CROWD = 24
PASSWORDS = 2
"""Connections of the guesser at a time, and those of them that guess passwords."""

CONFIG = """\
state_dir = "state"
[vm]
telnet = []
telnets = []
[ssh]
listen = ["tcp:{port}:interface=127.0.0.1"]
[operators.alice]
authorized_keys_file = "alice.pub"
[operators.bob]
password_hash = "{hashed}"
[[access]]
operators = ["alice"]
consoles = ["*"]
rights = ["read"]
"""


async def guess(port: int, seconds: float, a_minute: float) -> int:
    """Guess for so long, and no faster than that; how many guesses failed."""
    begun, guesses = time.monotonic(), 0
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(CROWD)]

    class Guesser(asyncssh.SSHClient):
        """Says a wrong password as often as it is asked."""

        def password_auth_requested(self) -> str | None:
            nonlocal guesses
            guesses += 1
            return f"wrong{guesses}"

    async def crowd(number: int) -> None:
        nonlocal guesses
        shows_key = number >= PASSWORDS
        serial = number
        while time.monotonic() < begun + seconds:
            ahead = guesses - (time.monotonic() - begun) * a_minute / 60
            await asyncio.sleep(max(0.0, ahead * 60 / a_minute))
            serial += CROWD
            guesses += shows_key
            try:
                await asyncssh.connect(
                    "127.0.0.1",
                    port,
                    username=f"user{serial}",
                    client_keys=[keys[number]] if shows_key else None,
                    agent_path=None,
                    known_hosts=None,
                    preferred_auth="publickey" if shows_key else "password",
                    client_factory=Guesser,
                )
            except (OSError, asyncssh.Error):
                continue

    await asyncio.gather(*(crowd(number) for number in range(CROWD)))
    return guesses


def good_logins(directory: Path, port: int, seconds: float) -> list[float]:
    """One a second: how long each took, in seconds."""
    command = [*ssh_command(directory, port, directory / "alice"), "alice@127.0.0.1", "list"]
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        took.append(time.monotonic() - begun)
        time.sleep(max(0.0, 1.0 - took[-1]))
    return took


def measure(directory: Path, seconds: float, a_minute: float) -> None:
    """Once without and once with the guesser."""
    python, port = sys.executable, free_port()
    make_key(directory, "alice")
    hashed = subprocess.run(
        [python, "-m", "vspc", "hash-password"], input=b"right\n", capture_output=True, check=True
    )
    config = directory / "vspc.toml"
    config.write_text(CONFIG.format(port=port, hashed=hashed.stdout.decode().strip()))
    command = [python, "-m", "vspc", "run", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        while b" started " not in server.stdout.readline():
            pass
        draining = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
        quiet = good_logins(directory, port, 5)
        before = cpu_of(server.pid)
        words = [python, "-m", "benchmarks.logins", "guess", str(port), str(seconds), str(a_minute)]
        guesser = subprocess.Popen(words, stdout=subprocess.PIPE)
        beside = good_logins(directory, port, seconds)
        guesses = json.loads(guesser.communicate()[0])
        used = cpu_of(server.pid) - before
        server.terminate()
        draining.wait()
    print(f"good logins, alone:        median {median(quiet):.3f} s, longest {max(quiet):.3f} s")
    print(f"good logins, beside those: median {median(beside):.3f} s, longest {max(beside):.3f} s")
    print(f"bad logins: {guesses / seconds * 60:.0f} a minute for {seconds:.0f} s")
    print(f"the server used {used / seconds * 100:.0f} % of a processor")


def main() -> None:
    """The benchmark, or the guesser of it."""
    if sys.argv[1:2] == ["guess"]:
        print(asyncio.run(guess(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))))
        return
    numbers = [float(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), *[*numbers, *(60.0, 10_000.0)[len(numbers) :]])


if __name__ == "__main__":
    main()
