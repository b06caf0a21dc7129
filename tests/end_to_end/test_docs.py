"""Every command in README.md and docs/, run as it is printed.

A page gets a server of its own, with VMs whose guests ask for a login. `vspc` in the commands is
ours, and finds the configuration by VSPC_CONFIG; `ssh` is OpenSSH's with a configuration in which
`vspc` is that server, so that port 2222 is the port that the kernel picked. What stands for
something else, such as `SHA256:...`, is replaced (`_placeholders`).
"""

import json
import os
import re
import shlex
import signal
import socket
import sys
from pathlib import Path

from tests.cli.importing.files import CONMAN, CONSERVER
from tests.documents import NOT_RUN, PAGES, TREE, Block, blocks, commands, wanted_status
from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import Child, Completed, ProcessTestCase, Size, script
from tests.programs import require

_CONFIG = """\
state_dir = "state"
[vm]
telnet = ["tcp:0:interface=127.0.0.1"]
telnets = ["tcp:0:interface=127.0.0.1"]
allow = ["127.0.0.0/8"]
[ssh]
listen = ["tcp:0:interface=127.0.0.1"]
[operators.alice]
authorized_keys_file = "id_ed25519.pub"
groups = ["netops"]
roles = ["admin", "audit"]
[operators.ci]
authorized_keys_file = "id_ed25519.pub"
[operators.bob]
authorized_keys_file = "id_ed25519.pub"
[operators.mallory]
authorized_keys_file = "mallory.pub"
[[access]]
operators = ["alice"]
consoles = ["prod-*"]
rights = ["read", "write"]
require_reason = true
[[access]]
operators = ["*"]
consoles = ["*"]
rights = ["read", "write", "break", "force", "admin"]
"""

_CERTIFICATES = """\
[ssh.certificates]
authorities_file = "ca.pub"
revoked = "revoked"
[[ssh.certificates.map]]
principals = ["netops-*"]
groups = ["netops"]
"""

_SSH = """\
#!/bin/sh
# The port that is printed is not the one that the kernel picked.
for word; do
    shift
    if [ "$before" = -p ] && [ "$word" = 2222 ]; then word={port}; fi
    before=$word
    set -- "$@" "$word"
done
exec {ssh} -F {config} "$@"
"""

_SSH_CONFIG = """\
Host vspc
    HostName 127.0.0.1
    Port {port}
    User alice
    HostKeyAlias vspc
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile none
    StrictHostKeyChecking accept-new
    IdentityAgent none
    IdentitiesOnly yes
    IdentityFile {directory}/id_ed25519
    ConnectTimeout 20
    LogLevel ERROR
"""

_ASCIINEMA = """\
#!/bin/sh
# Without the pauses.
test "$1" = play && shift && exec {asciinema} cat "$@"
exec {asciinema} "$@"
"""

_GOES_ON = frozenset({"-f", "raw", "-W", "watch", "lease", "simulate"})
"""Words of commands that do not end by themselves."""

GUEST = Path(__file__).with_name("login_guest.py")

VMS = ("web01", "web02", "prod-db1", "test-7")

FILES = {
    "script.txt": "uname -a\r",
    "more.txt": "serial: 7\n",
    "conserver.cf": CONSERVER,
    "conman.conf": CONMAN,
}
"""Files that commands read."""

_PLAYED = "5f1c09ab37de.1042"
"""An id for `session play`."""

AWAY = 12
"""VMs called test-* that came and went: as many as `forget` is told of."""

INPUT = {
    "vspc hash-password": b"correct horse battery staple\n",
    "ssh-keygen -t ed25519 -f ca": b"\n\n",
}
"""What somebody types where a command asks."""

TYPED = {
    b" connected, ": b"\x05c.",
    b"type to filter": b"\x03",
    b"[watching ": b"\x03",
    b"(yes/no) ": b"yes\r",
    b"space pauses": b"q",
}
"""What somebody types at a terminal when it shows this: a console, the chooser, verbs."""

WAIT = 60.0
"""Seconds that one command may take."""


class PageTest(ProcessTestCase):
    """The commands of one page, in their order."""

    def setUp(self) -> None:
        super().setUp()
        make_key(self.directory)
        make_key(self.directory, "mallory")
        (self.directory / "ci").symlink_to("id_ed25519")
        for name, text in FILES.items():
            (self.directory / name).write_text(text)
        self.config = self.directory / "vspc.toml"
        self.config.write_text(_CONFIG)

    def serve(self) -> None:
        """The server, and its VMs with their guests."""
        self.server = self.start(script("vspc"), "run", "--config", self.config)
        self.server.out.expect(rb" info started ")
        text = self.server.out.data.decode()
        self.ports = {
            what.strip('"'): int(port)
            for what, port in re.findall(r'listening what=("[^"]*"|\S+) .*port=(\d+)', text)
        }
        guest = self.start(sys.executable, "-B", GUEST, "0")
        port = int(guest.out.expect(rb"listening (\d+)")[1])
        for name in VMS:
            words = ("--name", name, "--control", f"{name}.sock")
            self._simulate(*words, "--guest", f"tcp:127.0.0.1:{port}")
            self.server.out.expect(rb"vm-registered console=" + name.encode())
        self._programs()

    def _simulate(self, *words: str) -> Child:
        proxy = f"telnet://127.0.0.1:{self.ports['telnet']}"
        return self.start(script("vspc"), "simulate", "--proxy", proxy, *words)

    def _programs(self) -> None:
        """What the commands find before everything else in their PATH."""
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        [ssh] = require("ssh")
        config = self.directory / "ssh_config"
        config.write_text(_SSH_CONFIG.format(port=self.ports["ssh"], directory=self.directory))
        text = _SSH.replace("{port}", str(self.ports["ssh"])).replace("{config}", str(config))
        self._program("ssh", text.replace("{ssh}", str(ssh)))
        (self.bin / "vspc").symlink_to(script("vspc"))

    def _program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run_page(self, page: Path) -> None:
        """Each command of `page`, whose status is what its comment says, or 0."""
        self.serve()
        for block in blocks(page):
            if block.kind in ("sh", "console") and block.words != NOT_RUN:
                self._run_block(block)
        self.assertTrue(self.server.running)
        log = self.server.out.data + self.server.err.data
        self.assertNotIn(b"Traceback", log)

    def _run_block(self, block: Block) -> None:
        for line, command in commands(block):
            where = f"{block.page.name}:{line}: {command}"
            try:
                status, wanted = self._perform(self._filled(command)), wanted_status(command)
            except AssertionError as error:
                raise AssertionError(f"{where}: {error}") from None
            self.assertEqual(status, wanted, where)
            self._follow_up()

    def _follow_up(self) -> None:
        """An authority that a command has made is trusted from then on."""
        if (self.directory / "ca.pub").exists() and "authorities" not in self.config.read_text():
            (self.directory / "revoked").write_text("#\n")
            self.config.write_text(_CONFIG + _CERTIFICATES)
            self.server.send_signal(signal.SIGHUP)
            self.server.out.expect(rb" info reloaded ")

    def _filled(self, command: str) -> str:
        command = command.replace(":13370", f":{self.ports['telnet']}")
        command = re.sub(r":13371(#thumbprint=\S+?…)?", f":{self.ports['telnets']}", command)
        if "SHA256:..." in command:
            done = self._complete("ssh-keygen -l -f mallory.pub")
            command = command.replace("SHA256:...", done.out.decode().split()[1])
        if command.startswith("vspc forget 'test-*' "):
            self._come_and_go()
        if command.startswith("vspc accept web01~6190 "):
            command = command.replace("web01~6190", self._lie("127.0.0.66"))
        if command.startswith("vspc accept web01 10.1.1.9 "):
            self._lie("127.0.0.67")
            command = command.replace("10.1.1.9", "127.0.0.67")
        if _PLAYED in command:
            command = command.replace(_PLAYED, self._attachment())
        if "--session ID" in command:
            command = command.replace("ID", self._session())
        return command

    def _session(self) -> str:
        """The id of a session that may be ended."""
        words = "ssh -i mallory -p 2222 mallory@vspc raw web02"
        self._start(words).out.expect(rb"login")
        rows = json.loads(self._complete("vspc sessions --operator mallory --json").out)
        return str(rows[0]["id"])

    def _attachment(self) -> str:
        """The id of somebody's past session on a console, for `session play`."""
        self.assertEqual(self._complete("vspc send web02 --enter id").status, 0)
        for _ in range(100):
            rows = json.loads(self._complete("vspc session list --json").out)
            if rows and rows[-1]["ended"]:
                return str(rows[-1]["id"])
        raise AssertionError("no session is in the audit file")

    def _come_and_go(self) -> None:
        """`AWAY` VMs called test-* are away, if they are not yet."""
        if self._away() == AWAY:
            return
        crowd = self._simulate("--vms", str(AWAY), "--name", "test-away{n}")
        for _ in range(AWAY):
            self.server.out.expect(rb"vm-registered console=test-away")
        crowd.stop()
        tries = 0
        while self._away() != AWAY:
            tries += 1
            self.assertLess(tries, 100)

    def _lie(self, address: str) -> str:
        """The handle of the quarantined line from `address` that claims to be web01."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.directory / "web01.sock"))
            control.sendall(f"lie {address} as=web01\n".encode())
            self.assertTrue(control.recv(100).startswith(b"ok"))
        for _ in range(100):
            for row in json.loads(self._complete("vspc list --json").out):
                if row["state"] == "quarantined" and row["address"] == address:
                    return str(row["handle"])
        raise AssertionError(f"no line from {address} is quarantined")

    def _away(self) -> int:
        rows = json.loads(self._complete("vspc list --json 'test-*'").out)
        return sum(row["state"] == "away" for row in rows)

    @property
    def _environment(self) -> dict[str, str]:
        path = f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "VSPC_CONFIG": str(self.config)}

    def _words(self, command: str) -> tuple[str, str, str]:
        return "bash", "-c", command

    def _start(self, command: str, size: Size | None = None) -> Child:
        where = "/bin/bash", "-c", f"cd {shlex.quote(str(self.directory))}; {command}"
        return self.start(*where, environment=self._environment, terminal=size)

    def _complete(self, command: str) -> Completed:
        child = self._start(command)
        for beginning, typed in INPUT.items():
            if command.startswith(beginning):
                child.type(typed)
        child.end_input()
        return Completed(child.wait(WAIT), child.out.data, child.err.data)

    def _perform(self, command: str) -> int:
        """The exit status; 0 for what would go on for ever, once it has said something."""
        words = shlex.split(command, comments=True)
        if words[0] == "make":  # tests of their own run these
            return self._complete(f"make -n -C {TREE} {words[1]} > make.out").status
        if words[0] == "asciinema":
            text = _ASCIINEMA.replace("{asciinema}", str(require("asciinema")[0]))
            self._program("asciinema", text)
            return self._start(command, Size()).wait(WAIT)
        if words[0] in ("ssh", "vspc"):
            if "-t" in words or words in (["ssh", "vspc"], ["vspc", "console", "web01"]):
                return self._in_terminal(command)
            if _GOES_ON & set(words) and "export" not in words:
                return self._begun(command)
        done = self._complete(command)
        if done.status != wanted_status(command):
            sys.stderr.write(f"{command}\n{done}\n")
        return done.status

    def _begun(self, command: str) -> int:
        child = self._start(f"exec {command}")
        child.out.expect(rb"\S") if "simulate" not in command else child.err.expect(rb"\S")
        self.assertTrue(child.running, command)
        child.stop()
        return 0

    def _in_terminal(self, command: str) -> int:
        """What is typed there depends on what is shown."""
        child = self._start(command, Size())
        seen = child.out.expect(b"|".join(map(re.escape, TYPED)))
        child.type(TYPED[seen[0]])
        return child.wait(WAIT)


class Pages(PageTest):
    """A test for each page that has commands."""


def _add_tests() -> None:
    for page in PAGES:
        runs = any(b.kind in ("sh", "console") and b.words != NOT_RUN for b in blocks(page))
        if runs:
            name = f"test_commands_of_{page.stem.lower().replace('-', '_')}"

            def method(self: PageTest, page: Path = page) -> None:
                self.run_page(page)

            setattr(Pages, name, method)


_add_tests()


class NotRun(ProcessTestCase):
    def test_what_needs_a_host_is_a_shell_s_language_at_least(self) -> None:
        found = [block for page in PAGES for block in blocks(page) if block.words == NOT_RUN]
        self.assertGreater(len(found), 3)
        for block in found:
            done = self.complete("/bin/bash", "-n", typed=block.text.encode())
            self.assertEqual((done.status, done.err), (0, b""), str(block))


class SshConfigurations(ProcessTestCase):
    def test_each_is_one_that_ssh_takes(self) -> None:
        [ssh] = require("ssh")
        found = [b for page in PAGES for b in blocks(page) if b.kind == "ssh-config"]
        self.assertGreater(len(found), 1)
        for block in found:
            path = self.directory / "config"
            path.write_text(block.text)
            done = self.complete(ssh, "-G", "-T", "-F", path, "vspc")
            self.assertEqual((done.status, done.err), (0, b""), str(block))
            self.assertIn(b"\nport 2222\n", done.out)
