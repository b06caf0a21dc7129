"""Child processes: their output, how they end, and what they leave behind."""

import errno
import os
import signal
from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet import reactor as any_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from tests.auth.scripts import ScriptTest, lives, until
from vspc.net.children import _READ, _REST, Child, ChildObserver, _Output, start

reactor: Any = any_reactor


@define(eq=False)
class Recorder(ChildObserver):
    """Keeps all that it hears."""

    printed: bytearray = field(factory=bytearray)
    errors: bytearray = field(factory=bytearray)
    statuses: list[int] = field(factory=list)
    gone: Deferred[int] = field(factory=Deferred)

    def output(self, data: bytes) -> None:
        assert not self.statuses
        self.printed += data

    def error_output(self, data: bytes) -> None:
        assert not self.statuses
        self.errors += data

    def exited(self, status: int) -> None:
        self.statuses.append(status)
        self.gone.callback(status)


def descriptors() -> set[str]:
    found = set(os.listdir("/proc/self/fd"))
    return {each for each in found if os.path.exists(f"/proc/self/fd/{each}")}


class ChildTest(ScriptTest):
    def run_shell(self, text: str) -> tuple[Child, Recorder]:
        recorder = Recorder()
        child = start(reactor, ("/bin/sh", "-c", text), recorder)
        self.addCleanup(child.end, force=True)
        return child, recorder


class Talking(ChildTest):
    @inlineCallbacks
    def test_both_ways(self) -> Any:
        child, recorder = self.run_shell("cat; echo oops >&2; exit 7")
        text = b"to and fro " * 100_000
        child.write(text)
        child.close_input()
        self.assertEqual((yield recorder.gone), 7)
        self.assertEqual(recorder.printed, text)
        self.assertEqual(recorder.errors, b"oops\n")

    @inlineCallbacks
    def test_its_last_output_comes_before_its_end(self) -> Any:
        _child, recorder = self.run_shell("head -c 60000 /dev/zero; exit 1")
        self.assertEqual((yield recorder.gone), 1)
        self.assertEqual(len(recorder.printed), 60000)

    def test_of_output_without_end_so_much_is_read_when_it_is_over(self) -> None:
        heard = list[int]()
        with open("/dev/zero", "rb") as endless:
            _Output(reactor, endless, lambda data: heard.append(len(data))).finish()
        self.assertEqual(heard, [_READ] * _REST)

    @inlineCallbacks
    def test_writing_to_a_closed_input_is_not_an_error(self) -> Any:
        child, recorder = self.run_shell("exec <&-; sleep 0.05")
        for _ in range(100):
            child.write(b"x" * 65536)
        child.close_input()
        child.write(b"late")
        self.assertEqual((yield recorder.gone), 0)

    @inlineCallbacks
    def test_ignore_outputed_we_hear_of_its_end_only(self) -> Any:
        child, recorder = self.run_shell("exec yes")
        yield until(reactor, lambda: bool(recorder.printed))
        child.ignore_output()
        count = len(recorder.printed)
        self.assertEqual((yield recorder.gone), -signal.SIGPIPE)
        self.assertEqual(len(recorder.printed), count)


class Ending(ChildTest):
    @inlineCallbacks
    def test_terminating_and_killing(self) -> Any:
        child, recorder = self.run_shell("exec sleep 1000")
        child.end()
        self.assertEqual((yield recorder.gone), -signal.SIGTERM)
        child, recorder = self.run_shell("trap '' TERM; echo; sleep 1000; sleep 1000")
        yield until(reactor, lambda: bool(recorder.printed))
        child.end()
        child.end(force=True)
        self.assertEqual((yield recorder.gone), -signal.SIGKILL)
        child.end()  # nobody else's
        child.end(force=True)

    @inlineCallbacks
    def test_its_children_end_with_it(self) -> Any:
        child, recorder = self.run_shell("sleep 1000 & echo $!; wait")
        yield until(reactor, lambda: bool(recorder.printed))
        child.end()
        yield recorder.gone
        yield until(reactor, lambda: not lives(int(recorder.printed)))

    @inlineCallbacks
    def test_no_descriptor_and_no_zombie_is_left(self) -> Any:
        yield deferLater(reactor, 0)  # the reactor has its own by now
        before = descriptors()
        for text in ("exit", "exec yes", "sleep 1000 &", "exec >&- 2>&- <&-"):
            child, recorder = self.run_shell(f"echo $$; {text}")
            yield until(reactor, lambda r=recorder: b"\n" in r.printed)  # type: ignore[misc]
            if text == "exec yes":
                child.end(force=True)
            if not recorder.statuses:
                yield recorder.gone
            self.assertFalse(os.path.exists(f"/proc/{int(recorder.printed.split()[0])}"))
            yield until(reactor, lambda: descriptors() <= before)

    @inlineCallbacks
    def test_a_descriptor_s_number_is_not_reused_in_the_turn_of_its_end(self) -> Any:
        """The reactor may hold an event for it, and would hand it to a stranger."""
        yield deferLater(reactor, 0)
        before = descriptors()
        child, recorder = self.run_shell("read x")
        ours = descriptors() - before
        child.ignore_output()
        self.assertEqual(descriptors() - before, ours)
        yield until(reactor, lambda: len(descriptors() - before) == len(ours) - 2)
        child.end()
        yield recorder.gone


class Starting(ChildTest):
    def test_what_cannot_be_run_leaves_nothing(self) -> None:
        before = descriptors()
        words: Sequence[str]
        for words in (("/nowhere",), ("/etc/passwd",), ("/",), ("/bin/echo", "x" * 1_000_000)):
            with self.assertRaises(OSError):
                start(reactor, words, Recorder())
        with self.assertRaises(ValueError):
            start(reactor, ("/bin/echo", "a\0b"), Recorder())
        self.assertEqual(descriptors(), before)

    def test_without_room_to_watch_it_it_is_ended(self) -> None:
        before = descriptors()

        pids: list[int] = []

        def full(pid: int) -> int:
            pids.append(pid)
            raise OSError(errno.EMFILE, "Too many open files")

        self.patch(os, "pidfd_open", full)
        with self.assertRaises(OSError):
            start(reactor, ("/bin/sleep", "1000"), Recorder())
        self.assertEqual(descriptors(), before)
        self.assertFalse(os.path.exists(f"/proc/{pids[0]}"))
