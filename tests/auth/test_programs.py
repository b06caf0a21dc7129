"""Programs that authenticate operators: real ones, well-behaved and not."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from twisted.internet import reactor as any_reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.scripts import Ear, ScriptTest, claimant, lives, until
from tests.fakes import FakeClock
from vspc.auth.methods.command import converse
from vspc.auth.methods.publickey import OUTPUT, authorized_keys, expanded
from vspc.auth.programs import LINES, PATIENCE, RUNNING, STEP, TURN, WAITING, WITHHELD, Programs
from vspc.config.credentials import fingerprint
from vspc.config.values import ProgramPath
from vspc.console.authentication import Proved, Question
from vspc.net.reactor import ReactorClock

reactor: Any = any_reactor

KIND = b"ssh-ed25519"
BLOB = len(KIND).to_bytes(4, "big") + KIND + (32).to_bytes(4, "big") + bytes(range(32))

OPENING = "read v; read operator; read address\n"


class ProgramsTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock()
        self.programs = Programs(reactor, self.clock)
        self.addCleanup(self.all_gone)

    @inlineCallbacks
    def all_gone(self) -> Any:
        self.programs.close()
        yield until(reactor, lambda: not len(self.programs._running))

    def converse(self, command: ProgramPath, who: str = "alice", address: str = "192.0.2.1") -> Any:
        ear = Ear()
        ear.follow(converse(self.programs, command, claimant(who, address), ear.ask))
        return ear, ear

    def ended(self, command: ProgramPath) -> Deferred[Any]:
        """What a program that is not answered comes to."""
        ear: Ear = self.converse(command)[1]
        return ear.next()

    def pid(self, name: str = "pid") -> int:
        return int((self.directory / name).read_text())

    def wrote(self, name: str = "pid") -> Deferred[None]:
        path = self.directory / name
        return until(reactor, lambda: path.exists() and path.read_text().endswith("\n"))


class Conversing(ProgramsTest):
    @inlineCallbacks
    def test_it_gets_the_operator_and_the_address_first(self) -> Any:
        command = self.shell(OPENING + 'echo "no $v, $operator, $address"')
        _conversation, ear = self.converse(command, "eve\n100%", "2001:db8::1")
        verdict = yield ear.next()
        self.assertIn("version 1, operator eve\\x0a100%, address 2001:db8::1", verdict.reason)

    @inlineCallbacks
    def test_questions_and_answers_are_passed_on(self) -> Any:
        command = self.shell(
            OPENING + 'echo "ask Password:"; read a; echo "ask-visible Colour%3F"; read b\n'
            'if [ "$operator/$address/$a/$b" = '
            '"operator alice/address 192.0.2.1/answer se cret/answer 10%25" ]\n'
            "then echo ok; else echo no; fi"
        )
        conversation, ear = self.converse(command)
        self.assertEqual((yield ear.next()), Question("Password:", False))
        conversation.answer(b"se cret")
        self.assertEqual((yield ear.next()), Question("Colour?", True))
        conversation.answer(b"10%")
        verdict = yield ear.next()
        self.assertIsInstance(verdict, Proved)
        self.assertEqual(verdict.proof.via, "auth_command")

    @inlineCallbacks
    def test_a_refusal_has_its_reason(self) -> Any:
        verdict = yield self.ended(self.shell("echo no the account is%0Aexpired"))
        self.assertEqual(verdict.reason, "auth_command: refused: the account is\\x0aexpired")

    def test_a_missing_program_refuses(self) -> None:
        command = self.shell("echo ok")
        Path(command.words[0]).unlink()
        _conversation, ear = self.converse(command)
        self.clock.advance(0)
        self.assertIn("cannot be run: No such file", ear.reason)
        self.assertEqual(len(self.programs._running), 0)

    @inlineCallbacks
    def test_invalid_output_refuses(self) -> Any:
        for text, reason in (
            ("true", "it ended without a verdict (status 0)"),
            ("printf ok", "it ended without a verdict (status 0)"),
            ("exit 3", "it ended without a verdict (status 3)"),
            ("kill -9 $$", "it ended without a verdict (signal 9)"),
            ("echo OK", "not in the protocol"),
            ("echo ok then", "not in the protocol"),
            ("echo", "not in the protocol"),
            ("head -c 3000 /dev/urandom | tr -d '\\n'; echo", "auth_command: "),
            ("echo no %zz", "a percent sign"),
        ):
            verdict = yield self.ended(self.shell(text))
            self.assertIn(reason, verdict.reason, text)

    @inlineCallbacks
    def test_anything_but_a_refusal_before_the_answer_refuses(self) -> Any:
        for text, reason in (
            ("echo ask two", "asked again"),
            ("echo ok", "before its question was answered"),
            ("echo no", "refused"),
            ("exit", "it ended without a verdict"),
        ):
            _conversation, ear = self.converse(self.shell(f"echo ask one; {text}"))
            yield until(reactor, lambda ear=ear: len(ear.said) == 2)  # type: ignore[misc]
            self.assertIn(reason, ear.reason)

    @inlineCallbacks
    def test_it_may_wait_for_what_its_operator_does_elsewhere(self) -> Any:
        go = self.directory / "go"
        command = self.shell(
            f"echo wait 300 Open the page; while [ ! -e {go} ]; do sleep 0.01; done\n"
            "echo group leads; echo tell Welcome; echo ok"
        )
        conversation, ear = self.converse(command)
        shown = yield ear.next()
        self.assertEqual(shown, Question("Open the page", is_asked=False, seconds=300))
        conversation.answer(b"")
        [run] = self.programs._running
        yield until(reactor, lambda: run.is_waiting)
        self.clock.advance(299)
        go.touch()
        self.assertEqual((yield ear.next()), Question("Welcome", is_asked=False))
        yield until(reactor, lambda: not len(self.programs._running))
        self.assertEqual(len(ear.said), 2)  # no verdict before the client has shown it
        heard = ear.next()
        conversation.answer(b"")
        verdict = yield heard
        self.assertEqual(verdict.proof.granted, {"leads"})

    @inlineCallbacks
    def test_it_may_not_wait_for_longer_than_it_said(self) -> Any:
        conversation, ear = self.converse(self.shell("echo wait 300 Open; sleep 100"))
        yield ear.next()
        conversation.answer(b"")
        [run] = self.programs._running
        yield until(reactor, lambda: run.is_waiting)
        self.clock.advance(300 + STEP)
        yield until(reactor, lambda: len(ear.said) == 2)
        self.assertIn("it waited over 300 s", ear.reason)

    @inlineCallbacks
    def test_those_that_wait_take_no_place_of_others(self) -> Any:
        command = self.shell("echo wait 300 Open; sleep 100")
        waiting = [self.converse(command) for _ in range(RUNNING)]
        yield until(reactor, lambda: all(ear.said for _conversation, ear in waiting))
        for conversation, _ear in waiting:
            conversation.answer(b"")
        yield until(reactor, lambda: all(run.is_waiting for run in self.programs._running))
        self.assertEqual(len(self.programs._running), RUNNING)
        verdict = yield self.ended(self.shell("echo ok", "quick"))
        self.assertIsInstance(verdict, Proved)

    @inlineCallbacks
    def test_too_many_questions_refuse(self) -> Any:
        command = self.shell(OPENING + "while true; do echo ask more; read x; done")
        conversation, ear = self.converse(command)
        for _ in range(20):
            yield ear.next()
            conversation.answer(b"x")
        yield ear.next()
        self.assertIn("more than 20 questions", ear.reason)

    @inlineCallbacks
    def test_too_much_output_without_a_line_refuses(self) -> Any:
        verdict = yield self.ended(self.shell("exec tr '\\0' x < /dev/zero"))
        self.assertIn("more than 64 KiB", verdict.reason)

    @inlineCallbacks
    def test_too_much_error_output_refuses_and_logs_few_lines(self) -> Any:
        verdict = yield self.ended(self.shell("exec yes woe >&2"))
        self.assertIn("more than 64 KiB to standard error", verdict.reason)
        yield until(reactor, lambda: not len(self.programs._running))
        self.assertEqual(len(self.logged("program-complains")), LINES)
        self.clock.advance(60)
        self.assertEqual(len(self.logged("program-complains-more")), 1)

    @inlineCallbacks
    def test_error_output_is_logged_without_answers(self) -> Any:
        command = self.shell(
            OPENING + "echo starting >&2; echo ask P:; read -r word text\n"
            'printf "%s\\n" "got $text" "\'$text\'" "it is $(printf %s "$text" | base64)" >&2\n'
            'printf "done" >&2; echo "no wrong: $text"'
        )
        conversation, ear = self.converse(command)
        yield ear.next()
        conversation.answer(b"canary 50%")
        yield ear.next()
        yield until(reactor, lambda: not len(self.programs._running))
        said = [event["text"] for event in self.logged("program-complains")]
        self.assertEqual(said, ["starting", WITHHELD, WITHHELD, WITHHELD, "done"])
        self.assertEqual(ear.reason, f"auth_command: refused: {WITHHELD}")

    @inlineCallbacks
    def test_it_may_close_its_standard_input_before_it_is_answered(self) -> Any:
        command = self.shell(
            f"{OPENING}exec <&-; echo ask P:; until [ -e {self.directory}/go ]; do :; done; echo ok"
        )
        conversation, ear = self.converse(command)
        yield ear.next()
        conversation.answer(b"x" * 1000)
        heard = ear.next()
        (self.directory / "go").touch()
        self.assertIsInstance((yield heard), Proved)

    @inlineCallbacks
    def test_an_answer_that_is_too_long_refuses(self) -> Any:
        conversation, ear = self.converse(self.shell(OPENING + "echo ask P:; cat"))
        yield ear.next()
        conversation.answer(b"x" * 1025)
        self.assertIn("1,024 bytes", ear.reason)

    def test_a_name_that_is_too_long_refuses_without_a_program(self) -> None:
        _conversation, ear = self.converse(self.shell("echo ok"), "a" * 257)
        self.assertEqual(len(self.programs._running), 0)
        self.clock.advance(0)
        self.assertIn("256 characters", ear.reason)


class Ending(ProgramsTest):
    @inlineCallbacks
    def test_a_program_that_hangs_is_ended_after_ten_seconds(self) -> Any:
        command = self.shell(
            f"trap '' TERM; echo $$ > {self.directory}/pid; while :; do sleep 9; done"
        )
        _conversation, ear = self.converse(command)
        yield self.wrote()
        self.clock.advance(STEP - 0.1)
        self.assertEqual(ear.said, [])
        self.clock.advance(0.1)
        self.assertIn("over 10 s", ear.reason)
        self.clock.advance(PATIENCE)
        yield until(reactor, lambda: not len(self.programs._running))
        self.assertRaises(ProcessLookupError, os.kill, self.pid(), 0)

    @inlineCallbacks
    def test_the_client_may_take_its_time_and_the_program_ten_seconds_after_it(self) -> Any:
        conversation, ear = self.converse(self.shell("echo ask P:; exec sleep 1000"))
        yield ear.next()
        self.clock.advance(10 * STEP)
        self.assertEqual(len(ear.said), 1)
        conversation.answer(b"x")
        self.clock.advance(STEP)
        self.assertIn("over 10 s", ear.reason)

    @inlineCallbacks
    def test_cancelling_ends_it_without_a_verdict(self) -> Any:
        command = self.shell(OPENING + "trap 'echo no; exit' TERM; echo ask P:; cat; cat")
        conversation, ear = self.converse(command)
        yield ear.next()
        conversation.cancel()
        conversation.cancel()
        conversation.answer(b"x")
        yield until(reactor, lambda: not len(self.programs._running))
        self.clock.advance(100)
        self.assertEqual(len(ear.said), 1)

    @inlineCallbacks
    def test_what_it_started_ends_with_it(self) -> Any:
        command = self.shell(f"sleep 1000 & echo $! > {self.directory}/pid; echo ok")
        self.assertIsInstance((yield self.ended(command)), Proved)
        yield until(reactor, lambda: not len(self.programs._running))
        yield until(reactor, lambda: not lives(self.pid()))

    @inlineCallbacks
    def test_a_grandchild_of_another_session_is_not_waited_for(self) -> Any:
        pid = self.directory / "pid"
        command = self.shell(
            f"setsid sh -c 'echo $$ > {pid}; exec sleep 1000' & until [ -s {pid} ]; do :; done"
        )
        verdict = yield self.ended(command)
        self.assertIn("without a verdict", verdict.reason)
        yield until(reactor, lambda: not len(self.programs._running))
        os.kill(self.pid(), 9)

    @inlineCallbacks
    def test_after_its_verdict_it_has_two_seconds(self) -> Any:
        command = self.shell(f"echo ok; cat; echo $$ > {self.directory}/pid; exec sleep 1000")
        self.assertIsInstance((yield self.ended(command)), Proved)
        yield self.wrote()  # its standard input was closed
        self.assertEqual(len(self.programs._running), 1)
        self.clock.advance(PATIENCE)
        yield until(reactor, lambda: not len(self.programs._running))

    @inlineCallbacks
    def test_a_flood_after_the_verdict_is_not_read(self) -> Any:
        self.assertIsInstance((yield self.ended(self.shell("echo ok; exec yes"))), Proved)
        yield until(reactor, lambda: not len(self.programs._running))

    @inlineCallbacks
    def test_no_descriptor_is_left(self) -> Any:
        yield self.ended(self.shell("echo ok"))
        yield until(reactor, lambda: not len(self.programs._running))
        yield deferLater(reactor, 0)  # the turn in which descriptors are closed
        before = len(os.listdir("/proc/self/fd"))
        for text in ("echo ok", "exit 1", "exec yes >&2", "exec <&-; echo ok"):
            yield self.ended(self.shell(text))
            yield until(reactor, lambda: not len(self.programs._running))
        yield until(reactor, lambda: len(os.listdir("/proc/self/fd")) == before)

    @inlineCallbacks
    def test_closing_kills_without_a_verdict(self) -> Any:
        conversation, ear = self.converse(
            self.shell(OPENING + "trap '' TERM; echo ask P:; cat; sleep 1000; cat")
        )
        yield ear.next()
        self.programs.close()
        conversation.cancel()
        yield until(reactor, lambda: not len(self.programs._running))
        _late, late = self.converse(self.shell("echo ok"))
        self.clock.advance(100)
        self.assertEqual((len(ear.said), late.said), (1, []))

    @inlineCallbacks
    def test_nothing_is_inherited(self) -> Any:
        os.environ["CANARY"] = "secret"
        self.addCleanup(os.environ.pop, "CANARY")
        descriptor = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        self.addCleanup(os.close, descriptor)
        command = self.shell(
            "for each in /proc/self/fd/*; do last=${each##*/}; done\n"
            'echo "no $(/usr/bin/env | sort | tr "\\n" " ")$(pwd) $(ls /proc/$$/fd | tr "\\n" " ")"'
        )
        verdict = yield self.ended(command)
        self.assertNotIn("CANARY", verdict.reason)
        self.assertIn("LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin", verdict.reason)
        self.assertRegex(verdict.reason, r" / 0 1 (10 )?2 (3 )?$")


class Crowds(ProgramsTest):
    @inlineCallbacks
    def test_two_hundred_logins_at_once_have_a_verdict_each(self) -> Any:
        self.programs = Programs(reactor, ReactorClock(reactor))
        command = self.shell("echo ok")
        ears = [Ear() for _ in range(200)]
        heard = [ear.next() for ear in ears]
        for number, ear in enumerate(ears):
            who = claimant(address=f"192.0.2.{number % 10}")
            ear.follow(converse(self.programs, command, who, ear.ask))
        counts = len(self.programs._running), len(self.programs._queue)
        self.assertEqual(counts, (RUNNING, WAITING))
        verdicts = yield gatherResults(heard)
        came = sum(isinstance(verdict, Proved) for verdict in verdicts)
        self.assertEqual(came, RUNNING + WAITING)
        self.assertEqual({len(ear.said) for ear in ears}, {1})
        yield until(reactor, lambda: not len(self.programs._running))

    @inlineCallbacks
    def test_unanswered_questions_give_way_to_another_address(self) -> Any:
        asking = self.shell(OPENING + "echo ask P:; cat", "asking")
        crowd = [self.converse(asking, address="203.0.113.7") for _ in range(RUNNING)]
        for _conversation, ear in crowd:
            if not ear.said:
                yield ear.next()
        more, waiting = self.converse(asking, address="203.0.113.7")
        self.clock.advance(0)
        self.assertEqual({len(ear.said) for _, ear in crowd}, {1})
        _good, ear = self.converse(self.shell("echo ok"), address="192.0.2.9")
        heard = ear.next()
        self.clock.advance(0)
        self.assertEqual([len(ear.said) for _, ear in crowd], [2] + [1] * (RUNNING - 1))
        self.assertIn("another address", crowd[0][1].reason)
        more.cancel()
        self.assertIsInstance((yield heard), Proved)
        self.assertEqual(waiting.said, [])

    @inlineCallbacks
    def test_a_turn_is_not_waited_for_for_ever(self) -> Any:
        asking = self.shell(OPENING + "echo ask P:; cat", "asking")
        crowd = [self.converse(asking, address=f"203.0.113.{n}") for n in range(RUNNING)]
        for _conversation, ear in crowd:
            if not ear.said:
                yield ear.next()
        _late, late = self.converse(asking)
        self.clock.advance(TURN)
        self.assertIn("waited 20 s", late.reason)
        self.assertEqual(len(self.programs._queue), 0)

    def test_programs_that_cannot_be_run_take_no_place(self) -> None:
        command = ProgramPath((str(self.directory / "gone"),))
        ears = [self.converse(command)[1] for _ in range(200)]
        self.clock.advance(0)
        self.assertEqual({len(ear.said) for ear in ears}, {1})
        self.assertEqual((len(self.programs._running), len(self.programs._queue)), (0, 0))


class Keys(ProgramsTest):
    def keys(self, command: ProgramPath, name: str = "alice", blob: bytes = BLOB) -> Ear:
        ear = Ear()
        return ear.follow(authorized_keys(self.programs, command, claimant(name), blob))

    @inlineCallbacks
    def test_it_gets_its_arguments_and_prints_a_file(self) -> Any:
        command = self.shell(
            'printf "%s\\n" "$@"', "keys", "%u", "%t %k", "%f", "100%%", "$HOME;id"
        )
        text = yield self.keys(command).next()
        b64 = b64encode(BLOB).decode()
        wanted = f"alice\nssh-ed25519 {b64}\n{fingerprint(BLOB)}\n100%\n$HOME;id\n"
        self.assertEqual(text, wanted.encode())

    @inlineCallbacks
    def test_its_standard_input_is_empty(self) -> Any:
        self.assertEqual((yield self.keys(self.shell("cat; echo over")).next()), b"over\n")

    @inlineCallbacks
    def test_a_status_other_than_0_refuses_whatever_it_printed(self) -> Any:
        refused = yield self.keys(self.shell("echo ssh-ed25519 AAAA; exit 1")).next()
        self.assertEqual(refused.reason, "it ended with status 1")

    @inlineCallbacks
    def test_a_file_of_256_KiB_is_accepted_and_a_longer_one_is_not(self) -> Any:
        for count, fits in ((OUTPUT, True), (OUTPUT + 1, False)):
            text = yield self.keys(self.shell(f"head -c {count} /dev/zero")).next()
            self.assertEqual(text == bytes(OUTPUT), fits)

    @inlineCallbacks
    def test_one_that_hangs_refuses(self) -> Any:
        ear = self.keys(self.shell(f"echo $$ > {self.directory}/pid; exec sleep 1000"))
        yield self.wrote()
        self.clock.advance(STEP)
        self.assertIn("over 10 s", ear.reason)

    def test_an_operator_that_looks_like_an_option_runs_nothing(self) -> None:
        for name in ("-rf", "--help", "", "a\nb", "a\0b", "x" * 257, "\u202ebob"):
            ear = self.keys(self.shell("echo never", "keys", "user=%u"), name)
            self.assertEqual(len(self.programs._running), 0)
            self.assertIn("name", ear.reason)

    @inlineCallbacks
    def test_cancelled_it_returns_nothing(self) -> Any:
        ear = self.keys(self.shell("echo x"))
        ear.cancel()
        yield until(reactor, lambda: not len(self.programs._running))
        self.assertEqual(ear.said, [])


class Words(SynchronousTestCase):
    def test_the_path_stays_and_the_operator_is_the_only_argument_by_default(
        self,
    ) -> None:
        self.assertEqual(expanded(("/opt/100%u",), "bob", BLOB), ("/opt/100%u", "bob"))

    def test_a_name_with_tokens_in_it_stays_as_it_is(self) -> None:
        self.assertEqual(expanded(("/x", "%u%%f"), "%f%k", BLOB), ("/x", "%f%k%f"))

    def test_other_tokens_are_named(self) -> None:
        for word in ("%h", "50%", "%U", "%%%"):
            with self.assertRaisesRegex(ValueError, "is none of"):
                expanded(("/x", word), "bob", BLOB)

    def test_a_key_of_another_type_could_be_an_option(self) -> None:
        for blob in (b"", b"\0\0\0\2-x", b"\0\0\0\xff", BLOB[1:]):
            with self.assertRaisesRegex(ValueError, "unknown type of key"):
                expanded(("/x", "%t"), "bob", blob)
