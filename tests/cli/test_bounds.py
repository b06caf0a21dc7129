"""Commands of the machine: what they read, and how long they wait."""

import io
import os
import socket
import sys
from contextlib import redirect_stderr

from tests.cli.test_cli import CliTest
from vspc.cli import local
from vspc.cli.completion import names
from vspc.cli.importing.conman import LIMIT
from vspc.cli.importing.conserver_grammar import FILES_LIMIT, TOTAL_LIMIT
from vspc.cli.setup.questions import TRIES, Unanswered, ask
from vspc.common.values import InvalidValue
from vspc.doors.control import CONTROL


def networks(answer: str) -> str:
    """Takes nothing."""
    raise InvalidValue(f"{answer} is not a network", "10.0.0.0/24 is one")


class Reading(CliTest):
    def test_a_file_that_is_too_long_is_not_imported(self) -> None:
        for kind, limit in (("conman", LIMIT), ("conserver", TOTAL_LIMIT)):
            status, out, err = self.run_main(
                "import", self.write("#" * (limit + 1)), "--format", kind
            )
            self.assertEqual((status, out), (1, ""))
            self.assertIn("too long", err)

    def test_so_many_files_are_included(self) -> None:
        (self.directory / "more").write_text("# nothing\n")
        text = "#include more\n" * (FILES_LIMIT + 1)
        status, _, err = self.run_main("import", self.write(text), "--format", "conserver")
        self.assertEqual(status, 1)
        self.assertIn(f"at most {FILES_LIMIT} files", err)

    def test_nothing_is_written_after_so_many_wrong_answers(self) -> None:
        answers = io.StringIO("nonsense\n" * (TRIES + 1))
        self.patch(sys, "stdin", answers)
        with redirect_stderr(io.StringIO()):
            self.assertRaises(Unanswered, ask, "Networks: ", networks)
        self.assertEqual(answers.read(), "nonsense\n")


class AServerThatDoesNotAnswer(CliTest):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.write(f'state_dir = "{self.directory}"')
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        directory = os.open(self.directory, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        self.listener.bind(f"/proc/self/fd/{directory}/{CONTROL}")
        self.listener.listen()

    def test_a_program_is_not_kept_waiting(self) -> None:
        self.assertGreater(local.ANSWER_TIMEOUT, 0)
        self.assertRaises(TimeoutError, local.ask, self.directory, ["status"], 0.05)

    def test_nothing_is_completed(self) -> None:
        self.patch(names, "PATIENCE", 0.05)
        self.assertEqual(self.run_main("completion", "names", "--config", self.config), (0, "", ""))
