"""TEXT and REGEX from a shell through the real `ssh`: what docs and `help send` say of them."""

import re
import shlex
import socket
from collections.abc import Callable

from tests.end_to_end.processes import Child, Completed, script
from tests.end_to_end.server import ServerTestCase
from vspc.apps.verbs.help_text import EXAMPLES

TYPED: dict[str, bytes] = {
    "types `it's`": b"it's",
    'types `echo "a  b"` and a CR': b'echo "a  b"\r',
    "types `grep -c '--json' x` and a CR": b"grep -c '--json' x\r",
    "types `uname -a` and a CR, waits for `Linux .*`": b"uname -a\r",
    r"waits 30 s for `eth(\d): link up`": b"",
}
"""What the VM gets of each example."""

SAYS: dict[str, tuple[bytes, bytes]] = {
    "types `uname -a` and a CR, waits for `Linux .*`": (b"Linux vm 6.1\r\n", b"Linux vm 6.1\r\n"),
    r"waits 30 s for `eth(\d): link up`": (b"eth7: link up\r\n", b"eth7: link up\n"),
}
"""What it answers, and what is printed then."""


class WordsTestCase(ServerTestCase):
    """A VM on a plain line, of which every byte is seen."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()
        self.vm = socket.create_connection(("127.0.0.1", self.ports["plain guest"]), 30)
        self.addCleanup(self.vm.close)
        self.server.out.expect(rb" vm-registered console=guest ")

    def typed(self, wanted: bytes) -> None:
        """The VM gets `wanted`, and nothing else."""
        got = b""
        while len(got) < len(wanted):
            got += self.vm.recv(len(wanted) - len(got))
        self.assertEqual(got, wanted)

    def shell(self, command: str, host: str = "ssh vspc ") -> Child:
        """A command as it is printed, in a shell: `ssh vspc` is this server."""
        self.assertTrue(command.startswith(host), command)
        words = command.removeprefix(host).replace("web01", "guest")
        return self.start("/bin/sh", "-c", f"exec {shlex.join(self.ssh_words())} {words}")


class Text(WordsTestCase):
    """TEXT and REGEX."""

    def run_example(self, command: str, effect: str, start: Callable[[str], Child]) -> None:
        child = start(command)
        self.typed(TYPED[effect])
        said, printed = SAYS.get(effect, (b"", b""))
        if said:
            while not self.consoles()["guest"]["readers"] + self.consoles()["guest"]["writers"]:
                pass
            self.vm.sendall(said)
        self.assertEqual((child.wait(), child.err.data), (0, b""), command)
        self.assertEqual(child.out.data, printed, command)

    def test_the_five_examples(self) -> None:
        self.assertEqual(len(EXAMPLES), 5)
        told = self.ssh("help", "send").out.decode()
        for each in EXAMPLES:
            self.assertIn(f"  ssh HOST {each.command}\n    {each.effect}\n", told)
            self.run_example(f"ssh vspc {each.command}", each.effect, self.shell)
        self.typed(b"")
        self.assert_no_defects()

    def test_what_shells_and_programs_make_of_text(self) -> None:
        for text in ("it's", 'say "hi"', "a\\b", " x ", "--json", "'", '"', "$HOME `id` *", "é\\"):
            quoted = shlex.quote(text) if text != "--json" else "'--json'"
            for command in (f"send guest {shlex.quote(quoted)}", f"send guest -- {quoted}"):
                child = self.shell(f"ssh vspc {command}")
                self.typed(text.encode())
                self.assertEqual((child.wait(), child.err.data), (0, b""), command)

    def test_bytes_that_are_no_utf_8(self) -> None:
        child = self.shell("ssh vspc send web01 \"$(printf 'gr\\374n')\"")
        self.typed(b"gr\xfcn")
        self.assertEqual(child.wait(), 0)

    def test_on_the_machine_itself_words_are_as_they_are(self) -> None:
        def vspc(*words: str) -> Completed:
            return self.complete(script("vspc"), *words, "--config", self.config)

        said: tuple[tuple[tuple[str, ...], bytes], ...] = (
            (("send", "guest", "'a'", 'b  "c"'), b"'a' b  \"c\""),
            (("send", "guest", "it's", "--enter"), b"it's\r"),
            (("send", "guest", "ls --enter"), b"ls --enter"),
            (("send", "--enter", "guest", "a\\b"), b"a\\b\r"),
        )
        for words, wanted in said:
            done = vspc(*words)
            self.assertEqual((done.status, done.err), (0, b""), words)
            self.typed(wanted)
        dashes = self.complete(
            script("vspc"), "send", "guest", "--config", self.config, "--", "--json", "' "
        )
        self.assertEqual(dashes.status, 0, dashes)
        self.typed(b"--json ' ")

    def test_trailing_options_and_errors(self) -> None:
        late = self.ssh("expect", "guest", "login:", "--timeout", "0.1")
        self.assertEqual(late.status, 5, late)
        for words, why in (
            (("send", "guest", "'a'", "b"), b"TEXT ends at its closing quote"),
            (("send", "guest", "'tis"), b"behind -- quotes are text"),
            (("send", "--bogus", "guest", "x"), b"unknown option '--bogus'"),
            (("snd", "guest", "x"), b"unknown verb 'snd'; did you mean send?"),
        ):
            done = self.ssh(*words)
            self.assertEqual((done.status, done.out), (2, b""), words)
            self.assertIn(why, done.err)
        for line in ("help expect", "expect --help", "log -h"):
            done = self.ssh(*line.split())
            self.assertEqual((done.status, done.err), (0, b""))
            self.assertTrue(re.match(rb"usage: (expect|log) NAME ", done.out), done)


class Logins(WordsTestCase):
    """What a login says counts for all that it runs."""

    def test_only_reading(self) -> None:
        user = "alice+guest,ro"
        for words in (("send", "x"), ("expect", "--send", "x", "y"), ("break",), ("note", "x")):
            done = self.complete(*self.ssh_words(user=user), *words)
            self.assertEqual((done.status, done.out), (4, b""), words)
            self.assertIn(b"guest: this login is read-only", done.err)
        seen = self.terminal(user=user)
        seen.out.expect(rb"\[guest connected")
        seen.type(b"x\x05ca")
        seen.out.expect(rb"\[guest: this login is read-only")
        seen.type(b"\x05c.")
        self.assertEqual(seen.wait(), 0)
        wrong = self.complete(*self.ssh_words(user="alice,rO"), "list")
        self.assertEqual((wrong.status, wrong.out), (2, b""))

    def test_a_login_that_names_a_console_means_it(self) -> None:
        simulator = self.start(
            script("vspc"),
            "simulate",
            "--proxy",
            f"telnet://127.0.0.1:{self.ports['telnet']}",
            "--name",
            "db1",
        )
        self.server.out.expect(rb" vm-registered console=db1 ")
        words = self.ssh_words(user="alice+guest")
        done = self.complete(*words, "send", "db1", "x")
        self.assertEqual(done.status, 0, done)
        self.typed(b"db1 x")
        self.assertEqual(self.complete(*words, "info", "db1").status, 2)
        self.assertIn(b"name: db1", self.complete(*words, "info", "--on", "db1").out)
        simulator.stop()

    def test_a_console_where_a_verb_should_stand(self) -> None:
        seen = self.terminal("guest")
        seen.out.expect(rb"\[guest connected")
        seen.type(b"\x05c.")
        self.assertEqual(seen.wait(), 0)
        self.assertEqual(self.ssh("guest").status, 2)

    def test_a_console_without_a_terminal_ends_with_its_input(self) -> None:
        for words, user in ((("console", "guest"), "alice"), ((), "alice+guest")):
            child = self.attach(*words, user=user)
            child.err.expect(rb"\[no terminal: [^\]]*`ssh -t` requests a terminal")
            self.vm.sendall(b"said\n")
            child.out.expect(rb"said\n")
            child.type(b"ls\r")
            self.typed(b"ls\r")
            child.end_input()
            self.assertEqual(child.wait(), 0)
