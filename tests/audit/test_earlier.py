"""An audit file that an earlier version wrote, and was killed: it is continued and read.

`earlier.zip` has `audit.jsonl.1`, `audit.jsonl`, of which the last line is torn, and `audit.seq`,
by the version before the redesign.
"""

from pathlib import Path
from zipfile import ZipFile

from tests.audit.support import lines_of
from tests.audit.test_service import ServiceTestCase
from vspc.audit.file import former
from vspc.audit.reader import read
from vspc.console.audit import AuditQuery

EARLIER = Path(__file__).with_name("earlier.zip")
EVENTS = ["opened", "start", "attach", "opened", "input", "detach", "vm-refused"]


class EarlierVersion(ServiceTestCase):
    """A server that starts on those files."""

    def setUp(self) -> None:
        super().setUp()
        with ZipFile(EARLIER) as archive:
            archive.extractall(self.directory)
        room = self.room()
        room.start()
        room.end()
        room.stop()

    def test_lines_hold_against_the_schema_and_numbers_go_on(self) -> None:
        lines = lines_of(former(self.path), self.path)
        self.assertEqual([line["event"] for line in lines], [*EVENTS, "opened", "start", "stop"])
        self.assertEqual(lines[0]["seq"], 1)
        self.assertEqual(lines[len(EVENTS)]["torn"], 28)

    def test_readers_find_the_earlier_events(self) -> None:
        page = read(self.path, AuditQuery(0.0, operator="alice"), None)
        self.assertEqual(len(page.lines), 3)
