"""Two minutes of chaos, with two seeds: `make chaos` takes others, `make soak` takes hours."""

import sys
from pathlib import Path

from tests.end_to_end.processes import ProcessTestCase
from tests.programs import require

TREE = Path(__file__).resolve().parent.parent.parent

SECONDS = 60
SEEDS = (18, 57)
"""In their plans the server ends in each of the ways that there are."""

LIMIT = 360.0
"""Seconds of one run, at most."""


class Chaos(ProcessTestCase):
    """Whatever happens each byte arrives once and in order, or is told to be missing."""

    def test_one_seed(self) -> None:
        self.chaos(SEEDS[0])

    def test_another_seed(self) -> None:
        self.chaos(SEEDS[1])

    def chaos(self, seed: int) -> None:
        require("ssh", "ssh-keygen")
        done = self.complete(
            *(sys.executable, "-B", "-m", "tests.chaos", str(SECONDS), str(seed)),
            environment={"PYTHONPATH": str(TREE)},
            timeout=LIMIT,
        )
        self.assertEqual(done.status, 0, (done.out + done.err).decode("utf-8", "replace"))
