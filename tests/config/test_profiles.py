"""[[console.profile]]: what is typed to repaint, and the size of a VM's terminal."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.config.file import ConfigError, load
from vspc.config.profiles import ProfileSettings


class Profiles(SynchronousTestCase):
    def load(self, text: str) -> ProfileSettings:
        path = Path(self.mktemp())
        path.write_text(f"[[console.profile]]\n{text}\n")
        [found] = load(path).console.profile
        return found

    def mistake(self, text: str) -> str:
        return str(self.assertRaises(ConfigError, self.load, text))

    def test_keys_as_one_writes_them(self) -> None:
        for written, typed in (
            ("^L", b"\x0c"),
            ("^r", b"\x12"),
            ("^[^[OA", b"\x1b\x1bOA"),
            ("redraw^M", b"redraw\r"),
            ("^^", b"^"),
            ("^?", b"\x7f"),
        ):
            self.assertEqual(self.load(f"repaint = '{written}'").repaint.data, typed)
        self.assertEqual(self.load("consoles = ['web*']").repaint.data, b"\x0c")

    def test_what_are_none(self) -> None:
        for wrong in ("''", "'^1'", "'a^'", "12", f"'{'x' * 65}'"):
            self.assertIn("console.profile[0].repaint", self.mistake(f"repaint = {wrong}"))

    def test_a_size(self) -> None:
        found = self.load("size = '132x43'").size
        self.assertEqual(found and (found.columns, found.rows), (132, 43))
        for wrong in ("'80'", "'0x24'", "'80x101'", "'999x24'", "'80X24'", "80"):
            self.assertIn("console.profile[0].size", self.mistake(f"size = {wrong}"))
