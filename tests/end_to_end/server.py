"""A vspc of a test's own: real `twistd` on ports that the kernel picks, real `ssh` to it."""

import json
import re
import signal
from pathlib import Path
from typing import Any

from tests.end_to_end.openssh import make_key, ssh_command
from tests.end_to_end.processes import Child, Completed, ProcessTestCase, Size, script

LISTENERS = """\
state_dir = "state"
[vm]
telnet = ["tcp:0:interface=127.0.0.1"]
telnets = ["tcp:0:interface=127.0.0.1"]
allow = ["127.0.0.0/8"]
[[vm.plain]]
name = "guest"
listen = "tcp:0:interface=127.0.0.1"
[ssh]
listen = ["tcp:0:interface=127.0.0.1"]
"""

_ACCESS = """
[[access]]
operators = ["alice", "bob"]
consoles = ["*"]
rights = ["read", "write", "break", "force"]
[[access]]
operators = ["carol"]
consoles = ["web*"]
rights = ["read"]
"""


class ServerTestCase(ProcessTestCase):
    """A test with a server; operators alice and bob may do everything, carol reads `web*`."""

    def setUp(self) -> None:
        super().setUp()
        self.config = self.directory / "vspc.toml"
        self.keys = {name: make_key(self.directory, name) for name in ("alice", "bob", "carol")}
        self.write_config()

    def write_config(self, more: str = "") -> None:
        """The configuration, with `more` behind it."""
        operators = "".join(
            f'[operators.{name}]\nauthorized_keys_file = "{key.name}.pub"\n'
            for name, key in self.keys.items()
        )
        self.config.write_text(LISTENERS + operators + _ACCESS + more)

    def serve(self, *command: str | Path) -> Child:
        """Start the server, under twistd unless `command` says how, and wait until it listens."""
        twistd = (script("twistd"), "-n", "--pidfile=", "vspc", "--config", self.config)
        return self.served_by(self.start(*(command or twistd)))

    def served_by(self, server: Child) -> Child:
        """`server` has been started: wait until it listens."""
        self.server = server
        self.server.out.expect(rb" info started ")
        text = self.server.out.data.decode()
        self.ports = {
            what.strip('"'): int(port)
            for what, port in re.findall(r'listening what=("[^"]*"|\S+) .*port=(\d+)', text)
        }
        return self.server

    def ssh_words(self, operator: str = "alice", user: str | None = None) -> list[str]:
        """`ssh` up to the destination; add a command."""
        key = self.keys.get(operator, Path("none"))
        words = ssh_command(self.directory, self.ports["ssh"], key)
        return [*words, f"{user or operator}@127.0.0.1"]

    def ssh(self, *words: str, operator: str = "alice", typed: bytes = b"") -> Completed:
        """Run `ssh` with a verb to its end."""
        return self.complete(*self.ssh_words(operator), *words, typed=typed)

    def attach(self, *words: str, operator: str = "alice", user: str | None = None) -> Child:
        """`ssh` without a terminal, left running."""
        return self.start(*self.ssh_words(operator, user), *words)

    def terminal(
        self,
        *words: str,
        operator: str = "alice",
        user: str | None = None,
        size: Size | None = None,
    ) -> Child:
        """`ssh -tt` in a terminal of its own, left running."""
        command = self.ssh_words(operator, user)
        return self.start(*command[:-1], "-tt", command[-1], *words, terminal=size or Size())

    def consoles(self, operator: str = "alice") -> dict[str, dict[str, Any]]:
        """`list --json` by name."""
        listed = self.ssh("list", "--json", operator=operator)
        assert listed.status == 0, listed
        return {row["name"]: row for row in json.loads(listed.out)}

    def assert_no_defects(self) -> None:
        """The server's log has no traceback of ours."""
        log = self.server.out.data + self.server.err.data
        for word in (b"traceback", b"Traceback", b" critical "):
            self.assertNotIn(word, log, log.decode("utf-8", "replace"))

    def stop_server(self) -> None:
        """Ctrl-C: twistd stops its services, then ends as a program that was interrupted."""
        self.server.send_signal(signal.SIGINT)
        self.assertEqual(self.server.wait(), -signal.SIGINT)
