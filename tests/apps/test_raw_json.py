"""`raw --json`: output, input and events as one JSON object a line, for tools."""

import json
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import BOB, FakeChannel
from tests.apps.test_verbs import VerbTest
from tests.fakes import FakeLine
from vspc.apps.console_input import PENDING_LIMIT, REPORT_INTERVAL
from vspc.apps.exact import MISTAKES
from vspc.apps.forms import FRAME, LEAST, LINE_LIMIT, BreakKey, JsonLines, Mistake
from vspc.common.clock import parse_rfc3339
from vspc.console.events import How
from vspc.console.link import HOLDING
from vspc.console.notices import NoticeKind

DOCS = Path(__file__).parents[2] / "docs" / "debugging.md"


def frames(channel: FakeChannel) -> list[dict[str, Any]]:
    return [json.loads(line) for line in channel.text.splitlines()]


def line(kind: str = "input", **facts: object) -> bytes:
    return json.dumps({"type": kind, **facts}).encode() + b"\n"


def shown(channel: FakeChannel) -> bytes:
    return b"".join(b64decode(f["data"]) for f in frames(channel) if f["type"] == "output")


class Output(VerbTest):
    def test_where_it_begins_then_exact_bytes_with_offset_and_time(self) -> None:
        self.web.link.output(b"before")
        channel = self.desk.say("raw web01 --json")
        every = bytes(range(256))
        self.desk.clock.advance(1)
        self.web.link.output(every)
        self.desk.turn()
        begin, output = frames(channel)
        about = {"id": self.web.id, "name": "web01", "port": None, "zone": "default"}
        self.assertEqual(begin, {"type": "begin", "offset": 6, "console": about})
        self.assertEqual((output["type"], output["offset"]), ("output", 6))
        self.assertEqual(b64decode(output["data"]), every)
        self.assertAlmostEqual(parse_rfc3339(output["time"]), self.desk.clock.wall(), 2)
        self.assertEqual(channel.complaint, "")

    def test_when_earlier_output_in_memory_came_is_not_known(self) -> None:
        self.web.link.output(b"before")
        begin, output = frames(self.desk.say("raw web01 --json --from 2"))
        self.assertEqual((begin["offset"], output["offset"], output["time"]), (2, 2, None))
        self.assertEqual(b64decode(output["data"]), b"fore")

    def test_a_lot_of_output_is_cut_into_objects_that_fit_the_window(self) -> None:
        channel = self.desk.say("raw web01 --json", window=2000)
        text = bytes(range(256)) * 128
        self.web.link.output(text)
        self.desk.turn()
        self.assertGreater(channel.window, -2 * LEAST)
        for _ in range(100):
            channel.read(1000)
        channel.read(1 << 20)
        self.assertEqual(shown(channel), text)
        at = 0
        for frame in frames(channel)[1:]:
            self.assertEqual(frame["offset"], at)
            at += len(b64decode(frame["data"]))
            self.assertLessEqual(len(b64decode(frame["data"])), FRAME)

    def test_what_happens_is_told_at_its_place_and_with_what_is_in_it(self) -> None:
        channel = self.desk.say("raw web01 --json")
        self.web.link.output(b"one")
        self.web.link.break_received()
        self.web.link.output(b"two")
        self.web.link.disconnect("powered off")
        self.web.link.connect(FakeLine("10.0.0.1"))
        self.web.link.output(b"three")
        self.desk.turn()
        told = [(f.get("event", f["type"]), f["offset"]) for f in frames(channel)]
        self.assertEqual(
            told,
            [
                *(("begin", 0), ("output", 0), ("break", 3), ("output", 3)),
                *(("away", 6), ("connected", 6), ("output", 6)),
            ],
        )
        away, connected = frames(channel)[4:6]
        self.assertEqual(away["reason"], "powered off")
        self.assertEqual(away["text"], "web01 is away (powered off)")
        self.assertEqual(connected["address"], "10.0.0.1")

    def test_a_vmotion(self) -> None:
        channel = self.desk.say("raw web01 --json")
        self.web.link.migrate()
        self.desk.clock.advance(HOLDING)
        target = FakeLine("10.0.0.2")
        self.web.link.move(target, "10.0.0.1", 0.5)
        self.desk.turn()
        migrating, moved = frames(channel)[1:]
        self.assertEqual((migrating["type"], migrating["event"]), ("event", "migrating"))
        self.assertEqual((moved["event"], moved["target"]), ("moved", "10.0.0.2"))

    def test_each_change_of_the_pen(self) -> None:
        channel = self.desk.say("raw web01 --json")
        carol, _ = self.desk.attach(self.web, "carol")
        carol.type(b"x")
        carol.detach()
        self.desk.turn()
        channel.type(line(text="y"))
        self.desk.turn()
        changes = [f for f in frames(channel) if f.get("event", "").startswith("pen-is")]
        told = [(f["event"], f["operator"]) for f in changes]
        self.assertEqual(
            told, [("pen-is-taken", "carol"), ("pen-is-free", "carol"), ("pen-is-taken", "alice")]
        )

    def test_output_that_is_kept_nowhere_ends_it_with_both_offsets(self) -> None:
        channel = self.desk.say("raw web01 --json", window=0)
        self.web.link.output(b"x" * 200_000)
        self.desk.turn()
        channel.read(1 << 20)
        lost, end = frames(channel)[-2:]
        self.assertEqual((lost["event"], lost["start"]), ("lost", 0))
        self.assertEqual(lost["end"], 200_000 - 65536)
        self.assertEqual((end["type"], end["status"], channel.status), ("end", 1, 1))

    def test_a_host_that_changes_without_a_vmotion_ends_it(self) -> None:
        channel = self.desk.say("raw web01 --json")
        self.web.link.replace(FakeLine("10.9.9.9"), "silent", How.TOOK_OVER)
        self.desk.turn()
        told = {f.get("event", f["type"]): f for f in frames(channel)}
        self.assertEqual(
            (told["host-changed"]["old"], told["host-changed"]["new"]), ("10.0.0.1", "10.9.9.9")
        )
        self.assertEqual(told["end"]["status"], 1)


class Input(VerbTest):
    def test_bytes_text_and_breaks_in_order(self) -> None:
        channel = self.desk.say("raw web01 --json")
        every = bytes(range(256))
        data = line(data=b64encode(every).decode())
        channel.type(data[:100])
        channel.type(data[100:] + line("break") + line(text="gr\u00fc\u00df\r"))
        self.assertEqual(bytes(self.line.sent), every + "gr\u00fc\u00df\r".encode())
        self.assertEqual(self.line.log.count("BREAK"), 1)
        self.assertEqual(channel.under_way, 0)
        self.assertNotIn("error", channel.text)

    def test_the_last_line_needs_no_end(self) -> None:
        channel = self.desk.say("raw web01 --json")
        channel.type(line(text="ls")[:-1])
        self.assertEqual(bytes(self.line.sent), b"")
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual(bytes(self.line.sent), b"ls")

    def test_lines_that_make_no_sense_are_told_with_their_number_and_cost_nothing_else(
        self,
    ) -> None:
        channel = self.desk.say("raw web01 --json")
        wrong = (
            *(b"ls", b"[1]", b"{", b'"x"', b"\xff", b'{"type":"input"}', b'{"type":"what"}'),
            *(b'{"type":"input","data":"%%"}', b'{"type":"input","data":1}', b"[" * 9000),
            *(b'{"type":"input","text":"\\ud800"}', b'{"type":"input","data":"","text":"x"}'),
        )
        for each in wrong:
            channel.type(each + b"\n\n" + line(text="ok "))
        self.assertEqual(bytes(self.line.sent), b"ok " * len(wrong))
        errors = [f for f in frames(channel) if f["type"] == "error"]
        self.assertEqual([f["line"] for f in errors], [1 + 3 * n for n in range(len(wrong))])
        self.assertIn('{"type": "input", "data": BASE64}', errors[0]["text"])
        self.assertIsNone(channel.status)

    def test_a_line_without_end_is_bounded(self) -> None:
        channel = self.desk.say("raw web01 --json")
        for _ in range(20):
            channel.type(b'{"type":"input","text":"' + b"x" * 8192)
        channel.type(b'"}\n' + line(text="ls"))
        self.assertEqual(bytes(self.line.sent), b"ls")
        error = frames(channel)[1]
        self.assertEqual((error["type"], error["line"]), ("error", 1))
        self.assertIn(str(LINE_LIMIT), error["text"])

    def test_a_program_that_does_not_write_json_is_ended(self) -> None:
        channel = self.desk.say("raw web01 --json", window=0)
        channel.type(b"nonsense\n" * 10_000 + line(text="ls"))
        channel.read(1 << 20)
        _begin, *errors, ended, end = frames(channel)
        self.assertEqual([each["line"] for each in errors], list(range(1, MISTAKES + 1)))
        self.assertEqual((ended["event"], end["status"], channel.status), ("ended", 1, 1))
        self.assertEqual(bytes(self.line.sent), b"")

    def test_a_break_behind_too_much_input_is_told(self) -> None:
        channel = self.desk.say("raw web01 --json")
        self.web.link.migrate()
        channel.type(line(data=b64encode(b"p" * 40_000).decode()) * 2)
        channel.type(line("break") * (PENDING_LIMIT + 1))
        self.desk.clock.advance(REPORT_INTERVAL)
        told = [f["text"] for f in frames(channel) if f.get("event") == "refused"]
        self.assertEqual(len(told), 2)
        self.assertIn("too much input waits for web01: 1 BREAK not sent", told[0])

    def test_input_that_is_refused_and_the_end(self) -> None:
        channel = self.desk.say("raw web01 --json", BOB)
        channel.type(line(text="ls"))
        refused, end = frames(channel)[1:]
        self.assertEqual(refused["event"], "refused")
        self.assertIn("2 bytes not sent", refused["text"])
        self.assertEqual((end["status"], channel.status), (4, 4))

    def test_a_paste_into_a_vm_that_does_not_read_keeps_the_window_closed(self) -> None:
        channel = self.desk.say("raw web01 --json")
        paste = line(data=b64encode(b"p" * 6000).decode())
        for _ in range(40):
            channel.type(paste)
        self.assertGreater(channel.under_way, 150_000)
        self.assertLessEqual(self.web.input.waiting, 65536)
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.assertEqual(len(self.line.sent), 40 * 6000)
        self.assertEqual(channel.under_way, 0)


class Parsing(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=40) | st.none(), max_size=8), st.data())
    def test_however_lines_are_cut_each_is_typed_once_and_in_order(
        self, wanted: list[bytes | None], data: st.DataObject
    ) -> None:
        typed = [each for each in wanted if each is None or each]
        text = b"".join(
            line("break") if each is None else line(data=b64encode(each).decode()) for each in typed
        )
        form, found = JsonLines(), list[object]()
        while text:
            size = data.draw(st.integers(1, len(text)))
            found += form.typed(text[:size])
            text = text[size:]
        found += form.ended()
        self.assertEqual([None if isinstance(f, BreakKey) else f for f in found], typed)

    @given(st.lists(st.binary(max_size=60), max_size=6))
    def test_whatever_comes_is_input_or_a_mistake(self, pieces: list[bytes]) -> None:
        form = JsonLines()
        found = [each for piece in pieces for each in form.typed(piece)] + list(form.ended())
        self.assertTrue(all(isinstance(each, bytes | BreakKey | Mistake) for each in found))


class Documented(SynchronousTestCase):
    def test_the_events_in_the_docs_exist(self) -> None:
        table = DOCS.read_text().partition("| `event` | more keys")[2].partition("\n\n")[0]
        rows = [row.split("|")[1] for row in table.splitlines()[2:]]
        named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
        own = {"refused", "caution", "lost", "ended", "unsent"}
        self.assertLessEqual(named, {kind.event for kind in NoticeKind} | own)
        self.assertLessEqual(own | {"away", "connected", "moved", "pen-is-taken"}, named)
