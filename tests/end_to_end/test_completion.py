"""`vspc completion` in a real bash and a real zsh, `vspc man` in readers of manual pages."""

import re
import signal
from pathlib import Path

from tests.end_to_end.processes import Child, ProcessTestCase, Size, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from tests.programs import require

_ASK = """\
source ./vspc.bash
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
    _vspc
    printf '%s\n' "${COMPREPLY[@]}"
}
"""


class Completing(SimulatorTestCase):
    """Somebody presses TAB behind `vspc`."""

    def setUp(self) -> None:
        super().setUp()
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        (self.bin / "vspc").symlink_to(script("vspc"))
        self.environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "VSPC_CONFIG": str(self.config),
            "HOME": str(self.directory / "home"),
            "TERM": "dumb",
        }

    def write_script(self, shell: str) -> None:
        made = self.complete(script("vspc"), "completion", shell)
        self.assertEqual((made.status, made.err), (0, b""))
        (self.directory / f"vspc.{shell}").write_bytes(made.out)

    # bash

    def bash(self, *lines: tuple[str, ...]) -> list[list[str]]:
        """What is offered for each of `lines`: the line, and its words as bash cuts them."""
        if not (self.directory / "vspc.bash").exists():
            self.write_script("bash")
        calls = "".join(
            f"complete_line {' '.join(map(_quoted, line))}; echo end\n" for line in lines
        )
        (self.directory / "ask.sh").write_text(_ASK + calls)
        [bash] = require("bash")
        done = self.complete(bash, "--norc", "ask.sh", environment=self.environment)
        self.assertEqual((done.status, done.err), (0, b""))
        return [part.split() for part in done.out.decode().split("end\n")[:-1]]

    def test_words_options_and_values_in_bash(self) -> None:
        (self.directory / "some file").touch()
        found = self.bash(
            ("vspc refu", "vspc", "refu"),
            ("vspc log --gr", "vspc", "log", "--gr"),
            ("vspc record st", "vspc", "record", "st"),
            ("vspc expect web1 --from ", "vspc", "expect", "web1", "--from", ""),
            ("vspc expect web1 --from=n", "vspc", "expect", "web1", "--from", "=", "n"),
            ("vspc console web1 rep", "vspc", "console", "web1", "rep"),
            ("vspc reason=a:b rec", "vspc", "reason", "=", "a", ":", "b", "rec"),
            ("vspc check --config=som", "vspc", "check", "--config", "=", "som"),
            ("vspc help stat", "vspc", "help", "stat"),
            ("vspc send web1 -- --", "vspc", "send", "web1", "--", "--"),
            ("vspc nonsense ", "vspc", "nonsense", ""),
        )
        self.assertEqual(
            found,
            [
                ["refusals"],
                ["--grep"],
                ["start", "stop"],
                ["now", "boot", "last"],
                ["now"],
                ["replay="],
                ["record"],
                ["some", "file"],
                ["status"],
                [],
                [],
            ],
        )

    def test_names_of_consoles_come_from_the_server_and_without_one_nothing_does(self) -> None:
        line = ("vspc info web", "vspc", "info", "web")
        self.assertEqual(self.bash(line), [[]])
        self.serve()
        self.simulate("--ports", "2", vms=2)
        colon = ("vspc info web1:", "vspc", "info", "web1", ":", "")
        other = (
            *("vspc info --config nowhere.toml w", "vspc", "info"),
            *("--config", "nowhere.toml", "w"),
        )
        names, behind, none = self.bash(line, colon, other)
        self.assertEqual(names, ["web1:1", "web1:2", "web2:1", "web2:2"])
        self.assertEqual(behind, ["1", "2"])
        self.assertEqual(none, [])

    def test_a_server_that_does_not_answer_keeps_nobody_waiting(self) -> None:
        self.serve()
        self.server.send_signal(signal.SIGSTOP)
        self.addCleanup(self.server.send_signal, signal.SIGCONT)
        self.assertEqual(self.bash(("vspc info w", "vspc", "info", "w")), [[]])

    # zsh

    def zsh(self) -> Child:
        """An interactive zsh that has read the file."""
        [zsh] = require("zsh")
        self.write_script("zsh")
        shell = self.start(zsh, "-f", "-i", terminal=Size(), environment=self.environment)
        shell.type(b"PS1='ready> '; autoload -U compinit; compinit -u -D; unsetopt beep\r")
        shell.type(b"source ./vspc.zsh; setopt no_list_ambiguous; echo lo''aded\r")
        shell.out.expect(rb"loaded\r\n")
        return shell

    def test_words_options_values_and_names_in_zsh(self) -> None:
        self.serve()
        self.simulate(vms=2)
        shell = self.zsh()
        for line, shown in (
            (b"vspc refu\t", rb"vspc refusals "),
            (b"vspc log web1 --gre\t", rb"--grep"),
            (b"vspc record sta\t", rb"vspc record start "),
            (b"vspc expect web1 --from n\t", rb"--from now "),
            (b"vspc info we\t2", rb"vspc info web2"),
            (b"vspc reason=x bo\t", rb"reason=x boots "),
            (b"vspc console web1 rep\t", rb"web1 replay="),
            (b"vspc check --config=vspc.t\t", rb"--config=vspc.toml"),
            (b"vspc lo\t", rb"lockout  -- refuse logins"),
        ):
            shell.type(line)
            shell.out.expect(shown)
            shell.type(b"\x15")
        shell.type(b"exit\r")
        self.assertEqual(shell.wait(), 0)


class Manual(ProcessTestCase):
    """Readers of manual pages have nothing to complain of."""

    def page(self, section: str) -> Path:
        made = self.complete(script("vspc"), "man", section)
        self.assertEqual((made.status, made.err), (0, b""))
        path = self.directory / f"vspc.{section}"
        path.write_bytes(made.out)
        return path

    def test_mandoc_and_groff(self) -> None:
        mandoc, groff = require("mandoc", "groff")
        for section, words in (("1", (b"VERBS", b"expect")), ("5", (b"KEYS", b"state_dir"))):
            path = self.page(section)
            for command in (
                (mandoc, "-Tlint", "-Wwarning", path),
                (groff, "-man", "-ww", "-z", "-Tutf8", path),
            ):
                done = self.complete(*command)
                self.assertEqual((done.status, done.out, done.err), (0, b"", b""), command)
            shown = self.complete(mandoc, "-Tascii", path)
            for word in words:
                self.assertIn(word, re.sub(rb".\x08", b"", shown.out))


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
