"""The programs of docs/auth-command.md, as they stand there."""

import re
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as any_reactor
from twisted.internet.defer import inlineCallbacks

from tests.auth.scripts import Ear, ScriptTest, claimant, until
from tests.fakes import FakeClock
from vspc.auth.methods.command import converse
from vspc.auth.methods.publickey import authorized_keys
from vspc.auth.programs import Programs
from vspc.config.values import ProgramPath
from vspc.console.authentication import Proved, Question

reactor: Any = any_reactor

PAGE = Path(__file__).parents[2] / "docs" / "auth-command.md"

KIND = b"ssh-ed25519"
BLOB = len(KIND).to_bytes(4, "big") + KIND + (32).to_bytes(4, "big") + bytes(32)


class Examples(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        self.examples = dict(found)
        self.assertLessEqual({"python", "bash", "program"}, set(self.examples))
        self.programs = Programs(reactor, FakeClock())
        self.addCleanup(self.all_gone)

    @inlineCallbacks
    def all_gone(self) -> Any:
        self.programs.close()
        yield until(reactor, lambda: not len(self.programs._running))

    def example(self, language: str, *changes: tuple[str, str]) -> ProgramPath:
        text = self.examples[language]
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return self.write(text, f"example.{language}")

    @inlineCallbacks
    def ask(self, command: ProgramPath, name: str, answer: bytes) -> Any:
        ear = Ear()
        ear.follow(converse(self.programs, command, claimant(name), ear.ask))
        said = yield ear.next()
        if isinstance(said, Question):
            self.assertFalse(said.echo)
            ear.answer(answer)
            said = yield ear.next()
        return said

    @inlineCallbacks
    def test_in_a_shell(self) -> Any:
        checker = self.shell(
            '[ "$1" = bob ] && [ "$(cat; echo .)" = " a\\\\x20%b\\\\ü ." ]', "check"
        )
        command = self.example("bash", ("/usr/local/libexec/check-password", checker.words[0]))
        right = " a\\x20%b\\ü ".encode()
        self.assertIsInstance((yield self.ask(command, "bob", right)), Proved)
        for name, answer in (("bob", right[1:]), ("bob", b""), ("eve", right)):
            said = yield self.ask(command, name, answer)
            self.assertIn("wrong password", said.reason)
        for name in ("-rf", "a b", "a%b", "$(id)", "bob\n"):
            self.assertIn("odd name", (yield self.ask(command, name, right)).reason)

    @inlineCallbacks
    def test_ldap(self) -> Any:
        told = self.directory / "told"
        ldap = self.shell(f'printf "%s|" "$@" > {told}; [ "$(cat /dev/stdin)" = "hün%ter 2" ]')
        command = self.example(
            "python",
            ("/usr/bin/python3", sys.executable),
            ('"ldapwhoami"', repr(ldap.words[0])),
        )
        right = "hün%ter 2".encode()
        self.assertIsInstance((yield self.ask(command, "alice", right)), Proved)
        self.assertIn("-D|uid=alice,ou=people,dc=example,dc=com|-y|/dev/stdin|", told.read_text())
        self.assertNotIn("ter", told.read_text())
        told.unlink()
        self.assertIn("ended with 1", (yield self.ask(command, "alice", b"wrong")).reason)
        told.unlink()
        for name, answer in (("alice", b""), ("alice,ou=x", right), ("Alice", right), ("", right)):
            self.assertIn("odd name", (yield self.ask(command, name, answer)).reason)
        self.assertFalse(told.exists())

    @inlineCallbacks
    def test_keys(self) -> Any:
        (self.directory / "bob").write_text("ssh-ed25519 AAAA\n")
        command = self.example("program", ("/srv/keys", str(self.directory)))
        for name, wanted in (("bob", b"ssh-ed25519 AAAA\n"), ("eve", None), ("../x/bob", None)):
            ear = Ear()
            ear.follow(authorized_keys(self.programs, command, claimant(name), BLOB))
            said = yield ear.next()
            if wanted is None:
                self.assertIn("ended with status 1", said.reason)
            else:
                self.assertEqual(said, wanted)
