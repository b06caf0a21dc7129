"""One tmux, on a socket of its own: what a person would see of a program, and type at it."""

import os
import re
import shlex
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.end_to_end.processes import DEADLINE, ProcessTestCase
from tests.programs import require

POLL = 0.05
"""Seconds between two looks at the screen."""


class Tmux:
    """A session with one window, in which a shell runs. It ends with the test."""

    def __init__(self, test: ProcessTestCase, columns: int = 100, rows: int = 30) -> None:
        [tmux] = require("tmux")
        self._tmux = [str(tmux), "-S", str(test.directory / "tmux"), "-f", "/dev/null"]
        self._directory = test.directory
        self._test = test
        test.start(*self._tmux, "-D")
        size = ["-x", str(columns), "-y", str(rows)]
        self._until(
            lambda: self._run("new-session", "-d", *size, "env", "PS1=$ ", "bash", "--norc")
        )
        self._run("set-option", "-g", "status", "off")

    def _run(self, *words: str) -> bool:
        # -N: none but the server that ends with the test, should it not listen yet.
        done = subprocess.run(
            [*self._tmux, "-N", *words],
            cwd=self._directory,
            capture_output=True,
            check=False,
            timeout=DEADLINE,
        )
        self._out = done.stdout.decode("utf-8", "replace")
        return done.returncode == 0

    def _until(self, holds: Callable[[], bool], what: str = "tmux") -> None:
        end = time.monotonic() + DEADLINE
        while not holds():
            if time.monotonic() > end:
                raise self._test.failureException(f"{what}\n{self.screen()}")
            time.sleep(POLL)

    def screen(self) -> str:
        """What is shown."""
        self._run("capture-pane", "-p")
        return self._out

    def run(self, words: Sequence[str | Path]) -> None:
        """Have the shell start a program."""
        self.type(shlex.join(map(str, words)) + "\r")

    def type(self, text: str) -> None:
        """Type `text`, control characters included."""
        for at in range(0, len(text), 500):
            keys = [f"{byte:02x}" for byte in text[at : at + 500].encode()]
            self._run("send-keys", "-H", *keys)

    def paste(self, text: str) -> None:
        """Paste `text`, with marks around it where the program has asked for them."""
        path = self._directory / "pasted"
        path.write_text(text)
        self._run("load-buffer", str(path))
        self._run("paste-buffer", "-p", "-d")

    def clear(self) -> None:
        """What is shown from now on stands on an empty screen."""
        self._run("send-keys", "-R")

    def wait_raw(self) -> None:
        """Wait until the program gets each key as it is typed."""
        self._run("display-message", "-p", "#{pane_tty}")
        tty = os.open(self._out.strip(), os.O_RDWR | os.O_NOCTTY)
        try:
            self._until(lambda: not termios.tcgetattr(tty)[3] & termios.ICANON, "raw mode")
        finally:
            os.close(tty)

    def shows(self, *texts: str) -> str:
        """Wait until all of `texts` are on the screen, which is returned."""
        self._until(lambda: all(text in self.screen() for text in texts), f"waiting for {texts}")
        return self._out

    def matches(self, pattern: str) -> None:
        """Wait until something on the screen matches `pattern`."""
        self._until(lambda: bool(re.search(pattern, self.screen())), f"waiting for {pattern}")
