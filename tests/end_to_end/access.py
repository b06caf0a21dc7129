"""What the tests of access share: a configuration of the test's own, and `ssh` as anybody.

    class Keys(AccessTestCase):
        def test_a_key(self) -> None:
            self.keyring.key("alice")
            self.configure(operator("alice", authorized_keys=[self.public("alice")]))
            self.serve()
            self.assert_in(self.login("alice", "-i", "alice"))

Each login comes from an address of loopback of its own (127.1.0.1, 127.1.0.2 ...) unless the test
says one: so no test is slowed down by, nor shut up about, what another one did.
"""

import json
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.auth.minting import Workshop
from tests.end_to_end.openssh import ssh_command
from tests.end_to_end.processes import DEADLINE, Child, Completed, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from vspc.auth.passwords import hash_password
from vspc.config.credentials import Cost

CHEAP = Cost(7168, 5, 1)
"""The cheapest hash that is taken."""

LISTENERS = """\
state_dir = "state"
[vm]
telnet = ["tcp:0:interface=127.0.0.1"]
telnets = []
allow = ["127.0.0.0/8"]
"""

EVERYBODY = """
[[access]]
operators = ["*"]
consoles = ["*"]
rights = ["read", "write", "break", "force"]
"""

GONE = b"what you logged in with is no longer accepted here"

NOW = ("-V", "-1h:+1h")
"""For `Workshop.sign`: valid today."""


def operator(name: str, **keys: Any) -> str:
    """An [operators.NAME] table. TOML takes JSON's strings, lists and truths."""
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in keys.items()]
    return f"[operators.{name}]\n{''.join(lines)}"


def rule(operators: list[str], consoles: list[str], rights: list[str], **keys: Any) -> str:
    """An [[access]] table."""
    given = {"operators": operators, "consoles": consoles, "rights": rights} | keys
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in given.items()]
    return f"[[access]]\n{''.join(lines)}"


def hashed(password: str) -> str:
    """What `password_hash` is for it."""
    return hash_password(password.encode(), CHEAP)


def offers(done: Completed) -> list[str]:
    """What the server said may be tried, each time, as OpenSSH understood it."""
    found = re.findall(rb"Authentications that can continue: (\S+)", done.err)
    return [methods.decode() for methods in found]


def last_line(done: Completed) -> str:
    """What the user is told in the end."""
    return done.err.decode().splitlines()[-1]


class AccessTestCase(SimulatorTestCase):
    """A server whose configuration each test writes, and logins with whatever the test likes."""

    def setUp(self) -> None:
        super().setUp()
        self.keyring = Workshop(str(self.directory / "keys"))
        self._addresses = 0

    def configure(
        self, tables: str, ssh: str = "", access: str = EVERYBODY, certificates: str = ""
    ) -> None:
        """Write the configuration: operators, lines of [ssh] and of [ssh.certificates]."""
        listen = '[ssh]\nlisten = ["tcp:0:interface=0.0.0.0"]\n'
        more = f"[ssh.certificates]\n{certificates}" if certificates else ""
        self.config.write_text(LISTENERS + listen + ssh + more + tables + access)

    def reload(self) -> None:
        """SIGHUP, and the new configuration is in force."""
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" info reloaded ")

    def key(self, name: str, kind: str = "ed25519", bits: int | None = None) -> str:
        """Make a key; the line of its `.pub` file."""
        self.keyring.key(name, kind, bits)
        return self.public(name)

    def public(self, name: str) -> str:
        """The line of a `.pub` file."""
        return (self.keyring.path / f"{name}.pub").read_text().strip()

    def words(
        self,
        user: str,
        *words: str,
        key: str = "",
        address: str = "",
        options: tuple[str, ...] = (),
    ) -> list[str]:
        """`ssh` as `user` with one of the keys, from `address`; `options` are `ssh -o`'s."""
        identity = self.keyring.path / key if key else None
        [ssh, *rest] = ssh_command(self.directory, self.ports["ssh"], identity)
        said = [f"-o{option}" for option in options]
        return [ssh, "-b", address or self.address(), *said, *rest, f"{user}@127.0.0.1", *words]

    def address(self) -> str:
        """An address that nobody came from yet."""
        self._addresses += 1
        return f"127.1.{self._addresses >> 8}.{self._addresses & 255}"

    def login(
        self,
        user: str,
        *words: str,
        key: str = "",
        address: str = "",
        options: tuple[str, ...] = (),
        typed: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Log in and say a verb (`list`, if none is given), to its end."""
        command = self.words(user, *(words or ("list",)), key=key, address=address, options=options)
        return self.complete(*command, typed=typed, environment=environment)

    def enter(
        self,
        user: str,
        *words: str,
        key: str = "",
        options: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Log in and stay, without a channel where no words are given."""
        [ssh, *rest] = self.words(user, *words, key=key, options=options)
        line = b" info login-accepted operator=%s " % user.encode()
        before = self.server.out.data.count(line)
        child = self.start(ssh, *([] if words else ["-N"]), *rest, environment=environment)
        while self.server.out.data.count(line) <= before:  # others may have come before
            self.server.out.expect(line)
        return child

    def assert_in(self, done: Completed) -> None:
        """He was let in, and his verb done."""
        self.assertEqual(done.status, 0, done)

    def assert_out(self, done: Completed, reason: str = "") -> None:
        """He was turned away, and the server's log says why, which he was not told."""
        self.assertEqual(done.status, 255, done)
        self.assertIn(b"Permission denied", done.err)
        if reason:
            line = self.server.out.expect(rb" warn login-failed [^\n]*").group().decode()
            self.assertRegex(line, reason)

    def assert_ended(self, child: Child, text: bytes) -> None:
        """His connection was ended, and he was told why."""
        child.err.expect(re.escape(text))
        self.assertEqual(child.wait(), 255)

    def audited(self, event: str, **facts: object) -> dict[str, Any]:
        """Wait until the audit file has such an event."""
        end = time.monotonic() + DEADLINE
        path = self.directory / "state" / "audit.jsonl"
        while True:
            for line in path.read_text().splitlines():
                found: dict[str, Any] = json.loads(line)
                if found["event"] == event and facts.items() <= found.items():
                    return found
            self.assertLess(time.monotonic(), end, f"no {event} {facts} in {path.read_text()}")
            time.sleep(0.05)

    def check(self) -> Completed:
        """`vspc check`."""
        return self.complete(script("vspc"), "check", "--config", self.config)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file with `text`, put there in one piece."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)
    return path
