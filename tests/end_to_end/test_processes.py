"""The tool that runs programs in tests: what it waits for, and that nothing outlives a test."""

import contextlib
import io
import os
import select
import signal
import sys
import unittest
from pathlib import Path

from tests.end_to_end.processes import DEADLINE, Child, ProcessTestCase, Size, free_port

_PYTHON = (sys.executable, "-S", "-c")

_STUBBORN = """
import select
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
signal.pause()
"""

_PARENT = """
import os, signal
child = os.fork()
if child == 0:
    signal.pause()
print("child", child, flush=True)
if {wait}:
    signal.pause()
"""


def _gone(pid: int) -> bool:
    """Whether there is no such process, or it ends now: a signal takes its time under load."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], DEADLINE)[0])
    finally:
        os.close(descriptor)


class Running(ProcessTestCase):
    """Programs that behave."""

    def test_a_program_run_to_its_end_gives_both_outputs_and_its_status(self) -> None:
        code = "import sys; sys.stderr.write('no'); sys.stdout.write(input()); sys.exit(5)"
        done = self.complete(*_PYTHON, code, typed=b"yes\n")
        self.assertEqual((done.status, done.out, done.err), (5, b"yes", b"no"))

    def test_what_is_typed_is_answered_in_turn(self) -> None:
        child = self.start(*_PYTHON, "while True: print('got', input())")
        for word in (b"one", b"two"):
            child.type(word + b"\n")
            self.assertEqual(child.out.expect(rb"got (\w+)$")[1], word)
        child.end_input()
        self.assertNotEqual(child.wait(), 0)
        child.err.expect(b"EOFError")

    def test_a_megabyte_each_way_does_not_block(self) -> None:
        code = "import sys; sys.stdout.write(sys.stdin.read()[::-1])"
        done = self.complete(*_PYTHON, code, typed=b"ab" * 500_000)
        self.assertEqual(done.out, b"ba" * 500_000)

    def test_a_program_that_ends_without_what_was_expected_fails_at_once_and_shows_what_it_said(
        self,
    ) -> None:
        child = self.start(*_PYTHON, "print('another thing')")
        error = self.assertRaises(AssertionError, child.out.expect, b"this", 1e6)
        self.assertIn("another thing", str(error))

    def test_a_program_sees_a_home_of_its_own_and_no_agent(self) -> None:
        os.environ["SSH_AUTH_SOCK"] = "/nonexistent"
        self.addCleanup(os.environ.pop, "SSH_AUTH_SOCK")
        code = "import os; print(os.environ['HOME'], os.environ.get('SSH_AUTH_SOCK'))"
        done = self.complete(*_PYTHON, code)
        self.assertEqual(done.out.decode(), f"{self.directory}/home None\n")

    def test_free_ports_are_not_those_of_clients(self) -> None:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        self.assertLess(free_port(), max(low, 32000))


class Terminals(ProcessTestCase):
    """Programs that have a terminal."""

    def test_it_is_the_controlling_terminal_and_a_new_size_is_signalled(self) -> None:
        # The signal is waited for, not handled: a Python handler runs between two instructions
        # only, and one that comes just before a read blocks would wait for that read's end.
        code = (
            "import os, signal\n"
            "def show(): print(*os.get_terminal_size(), flush=True)\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
            "show()\n"
            "open('/dev/tty', 'w').write('on tty\\n')\n"
            "signal.sigwait({signal.SIGWINCH})\n"
            "show()\n"
            "input()\n"
        )
        child = self.start(*_PYTHON, code, terminal=Size(100, 30))
        child.out.expect(b"100 30")
        child.out.expect(b"on tty")
        child.resize(Size(132, 43))
        child.out.expect(b"132 43")
        child.type(b"\r")
        self.assertEqual(child.wait(), 0)

    def test_control_c_interrupts(self) -> None:
        child = self.start(*_PYTHON, "print('ready'); input()", terminal=Size())
        child.out.expect(b"ready")
        child.type(b"\x03")
        child.out.expect(b"KeyboardInterrupt")
        self.assertEqual(child.wait(), -signal.SIGINT)


class Ending(ProcessTestCase):
    """Programs that do not end by themselves."""

    def stop_early(self, child: Child) -> int:
        """As the end of the test does it, but without ten seconds of grace."""
        child.send_signal(signal.SIGKILL)
        return child.stop()

    def test_stopping_terminates_and_is_final(self) -> None:
        child = self.start(*_PYTHON, "print('here', flush=True); input()")
        child.out.expect(b"here")
        child.send_signal(signal.SIGSTOP)
        child.send_signal(signal.SIGCONT)
        self.assertEqual(child.stop(), child.stop())
        self.assertFalse(child.running)

    def test_one_that_ignores_sigterm_is_killed(self) -> None:
        child = self.start(*_PYTHON, _STUBBORN)
        child.out.expect(b"here")
        child.send_signal(signal.SIGTERM)
        self.assertTrue(child.running)
        self.assertEqual(self.stop_early(child), -signal.SIGKILL)

    def test_what_a_program_left_behind_ends_with_it(self) -> None:
        child = self.start(*_PYTHON, _PARENT.format(wait=False))
        left = int(child.out.expect(rb"child (\d+)")[1])
        child.wait()
        self.assertTrue(_gone(left))

    def test_the_children_of_a_program_that_is_stopped_end_too(self) -> None:
        child = self.start(*_PYTHON, _PARENT.format(wait=True))
        left = int(child.out.expect(rb"child (\d+)")[1])
        child.stop()
        self.assertTrue(_gone(left))


class Failing(unittest.TestCase):
    """A test that fails with a child running."""

    def test_its_children_are_ended_and_what_they_said_is_printed(self) -> None:
        seen: list[tuple[Child, Path]] = []

        class Inner(ProcessTestCase):
            def test_it(self) -> None:
                child = self.start(*_PYTHON, "print('last words', flush=True); input()")
                seen.append((child, self.directory))
                child.out.expect(b"last words")
                self.fail("on purpose")

        result = unittest.TestResult()
        with io.StringIO() as screen, contextlib.redirect_stderr(screen):
            Inner("test_it").run(result)
            self.assertIn("last words", screen.getvalue())
        [(child, directory)] = seen
        self.assertEqual(len(result.failures), 1)
        self.assertTrue(_gone(child.pid))
        self.assertFalse(directory.exists())
