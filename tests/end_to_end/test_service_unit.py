"""etc/systemd: what systemd's own tools say of the units."""

import shutil
from pathlib import Path

from tests.end_to_end.processes import ProcessTestCase
from tests.programs import require
from tests.run import TREE

UNITS = TREE / "etc" / "systemd"

EXPOSURE = 15
"""Tenths that `systemd-analyze security` may find at most."""


class Units(ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        [self.analyze] = require("systemd-analyze")

    def test_little_is_open_to_a_server_that_was_taken_over(self) -> None:
        words = ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}")
        done = self.complete(self.analyze, *words, UNITS / "vspc.service")
        self.assertEqual(done.status, 0, (done.out + done.err).decode())

    def test_systemd_understands_each_line(self) -> None:
        copies = [self.copy(path) for path in sorted(UNITS.glob("vspc*.*"))]
        self.assertEqual(len(copies), 4)
        done = self.complete(self.analyze, "verify", "--man=no", "--recursive-errors=no", *copies)
        self.assertEqual((done.status, done.out, done.err), (0, b"", b""))

    def copy(self, path: Path) -> Path:
        """A copy whose program is there."""
        made = Path(shutil.copy(path, self.directory))
        text = made.read_text()
        [program] = require("unshare")
        made.write_text(text.replace("ExecStart=/usr/bin/vspc", f"ExecStart={program}"))
        return made
