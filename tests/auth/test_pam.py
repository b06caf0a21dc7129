"""The example helper for PAM, with the real libpam and configurations of our own."""

import ctypes
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.internet import reactor as any_reactor
from twisted.internet.defer import inlineCallbacks

from tests.auth.scripts import Ear, ScriptTest, claimant, until
from tests.fakes import FakeClock
from tests.programs import missing
from vspc.auth.methods.command import converse
from vspc.auth.programs import Programs
from vspc.config.values import ProgramPath
from vspc.console.authentication import Proved, Question

reactor: Any = any_reactor

HELPER = Path(__file__).parents[2] / "etc" / "auth-pam.py"

PERMIT = "account required pam_permit.so"


def require(*modules: str) -> None:
    """Skips the test where libpam or one of its modules is not there."""
    try:
        ctypes.CDLL("libpam.so.0")
    except OSError:
        missing("libpam.so.0", "libpam0g")
    places = ("/lib/*/security", "/usr/lib/*/security", "/lib*/security", "/usr/lib*/security")
    for module in modules:
        if not any(list(Path("/").glob(f"{place[1:]}/{module}")) for place in places):
            missing(module, "libpam-modules")


class PamTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        require("pam_permit.so", "pam_deny.so", "pam_exec.so", "pam_echo.so")
        self.programs = Programs(reactor, FakeClock())
        self.addCleanup(self.all_gone)
        self.confdir = self.directory / "pam.d"
        self.confdir.mkdir()

    @inlineCallbacks
    def all_gone(self) -> Any:
        self.programs.close()
        yield until(reactor, lambda: not len(self.programs._running))

    def service(self, *lines: str, name: str = "vspc") -> None:
        (self.confdir / name).write_text("\n".join([*lines, ""]))

    def converse(self, *arguments: str, who: str = "alice") -> Any:
        ear = Ear()
        words = (sys.executable, "-I", str(HELPER), "--confdir", str(self.confdir), *arguments)
        asker = claimant(who, "2001:db8::7")
        ear.follow(converse(self.programs, ProgramPath(words), asker, ear.ask))
        return ear, ear

    def verdict(self, *arguments: str, who: str = "alice") -> Any:
        _conversation, ear = self.converse(*arguments, who=who)
        return ear.next()


class Deciding(PamTest):
    @inlineCallbacks
    def test_who_is_permitted_without_a_question(self) -> Any:
        self.service("auth required pam_permit.so", PERMIT)
        self.assertIsInstance((yield self.verdict()), Proved)

    @inlineCallbacks
    def test_who_is_denied_and_whose_account_is(self) -> Any:
        self.service("auth required pam_deny.so", PERMIT)
        self.assertIn("Authentication failure", (yield self.verdict()).reason)
        self.service("auth required pam_permit.so", "account required pam_deny.so")
        self.assertIn("refused: ", (yield self.verdict()).reason)

    @inlineCallbacks
    def test_another_service_and_one_that_is_not_there(self) -> Any:
        self.service("auth required pam_permit.so", PERMIT, name="consoles")
        self.assertIsInstance((yield self.verdict("consoles")), Proved)
        self.assertIn("refused: ", (yield self.verdict("other-consoles")).reason)

    @inlineCallbacks
    def test_a_password_is_asked_for_and_goes_to_the_module(self) -> Any:
        told = self.directory / "told"
        check = self.shell(
            f'echo "$PAM_USER $PAM_RHOST $PAM_TTY $PAM_SERVICE $PAM_TYPE" > {told}\n'
            'read -r p; [ "$p" = "hünter 2%" ]'
        )
        self.service(f"auth required pam_exec.so expose_authtok quiet {check.words[0]}", PERMIT)
        for answer, right in (("hünter 2%", True), ("hunter", False), ("hünter 2%\0", False)):
            conversation, ear = self.converse(who="al ice%")
            self.assertEqual((yield ear.next()), Question("Password: ", False))
            conversation.answer(answer.encode())
            self.assertEqual(isinstance((yield ear.next()), Proved), right, answer)
        self.assertEqual(told.read_text(), "al ice% 2001:db8::7 ssh vspc auth\n")

    @inlineCallbacks
    def test_what_a_module_says_comes_with_the_next_question_or_the_reason(self) -> Any:
        self.service(
            "auth optional pam_echo.so Hello %u from %H.",
            "auth required pam_exec.so expose_authtok /bin/false",
            PERMIT,
        )
        conversation, ear = self.converse()
        self.assertEqual((yield ear.next()).text, "Hello alice from 2001:db8::7. Password: ")
        conversation.answer(b"secret")
        verdict = yield ear.next()
        self.assertIn("/bin/false failed: exit code 1", verdict.reason)
        self.assertNotIn("secret", verdict.reason)

    @inlineCallbacks
    def test_what_a_module_prints_is_no_verdict(self) -> Any:
        """A module that forgets where it runs: here a program that writes where we were started."""
        check = self.shell("for each in 1 2; do echo ok >&$each; done; exit 1")
        self.service(f"auth required pam_exec.so quiet {check.words[0]}", PERMIT)
        self.assertIn("refused: ", (yield self.verdict()).reason)

    @inlineCallbacks
    def test_it_is_over_when_the_operator_goes(self) -> Any:
        self.service("auth required pam_exec.so expose_authtok quiet /bin/true", PERMIT)
        conversation, ear = self.converse()
        yield ear.next()
        conversation.cancel()
        yield until(reactor, lambda: not len(self.programs._running))
        self.assertEqual(len(ear.said), 1)


class Talking(PamTest):
    """The function that PAM calls, as a module calls it."""

    def setUp(self) -> None:
        super().setUp()
        self.helper = _helper()
        self.said = io.BytesIO()
        self.libc, _libpam = self.helper.libraries()

    def talk(self, heard: bytes, *messages: tuple[int, bytes]) -> tuple[int, Sequence[Any]]:
        """What a module gets for `messages` when the server says `heard`."""
        helper = self.helper
        server = helper.Server(io.BytesIO(heard), self.said)
        structures = [helper.Message(style, text) for style, text in messages]
        pointers = (ctypes.POINTER(helper.Message) * len(structures))(
            *map(ctypes.pointer, structures)
        )
        responses = ctypes.POINTER(helper.Response)()
        status = helper.talker(server, self.libc)(
            len(structures), pointers, ctypes.byref(responses), None
        )
        if status:
            self.assertFalse(responses)
            return status, ()
        texts = [responses[n].text for n in range(len(structures))]
        return status, [text and ctypes.string_at(text) for text in texts]

    def test_questions_of_both_kinds_and_notes_between_them(self) -> None:
        status, texts = self.talk(
            b"answer 1%31\nanswer \n",
            (4, b"Look at your phone"),
            (2, b"Code? "),
            (3, b"100% wrong\n"),
            (1, b"Password: "),
        )
        self.assertEqual((status, texts), (0, [None, b"11", None, b""]))
        self.assertEqual(
            self.said.getvalue(),
            b"ask-visible Look at your phone Code? \nask 100%25 wrong Password: \n",
        )

    def test_answers_that_c_would_cut_or_pam_forbids(self) -> None:
        for answer in (b"right%00wrong", b"x" * 512):
            self.assertEqual(self.talk(b"answer %b\n" % answer, (1, b"?")), (19, ()))
        self.assertEqual(self.talk(b"answer %b\n" % (b"x" * 511), (1, b"?"))[0], 0)

    def test_a_server_that_has_gone_or_says_something_else(self) -> None:
        for heard in (b"", b"answer cut", b"version 2\n", b"\n"):
            self.assertEqual(self.talk(heard, (1, b"?")), (19, ()))
        self.assertEqual(self.talk(b"answer x\n", (7, b"a style of next year")), (19, ()))


def _helper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("auth_pam", HELPER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
