"""Outlets alone: connections that stall, files that were cut, links by name."""

import errno
import json
import os
import re
import socket
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.log.sinks import counting
from tests.log.test_log import WholeLog
from vspc.common.clock import rfc3339
from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker, MarkerKind
from vspc.log.query import LogSource
from vspc.log.sinks.feeder import KINDS, make
from vspc.log.sinks.outlet import TEXT_LIMIT, FileOutlet, StreamOutlet, json_lines, syslog_messages
from vspc.log.sinks.text import Links, TextOutlet, link_name
from vspc.net.connection import Connection, tcp, unix

LINE = OutputLine(0, 1.7e9, b"x", 2)


def about(name: str, console_id: str = "a" * 16, zone: str = "default", port: str = "") -> About:
    return About(console_id, name, name, zone, None, port)


class Connections(SynchronousTestCase):
    """Real sockets on this machine."""

    def pair(self, delay: float = 30) -> tuple[Connection, socket.socket]:
        """A connection, and the other end of what it dials; small buffers."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        theirs.settimeout(30)
        self.addCleanup(theirs.close)
        connection = Connection(lambda: ours, delay)
        self.addCleanup(connection.close)
        return connection, theirs

    def test_who_reads_nothing_is_given_up_after_a_while(self) -> None:
        connection, _ = self.pair(delay=0.05)
        error = self.assertRaises(OSError, connection.send, bytes(1 << 20))
        self.assertIsInstance(error, TimeoutError)
        self.assertEqual(connection.waiting(), 0)

    def test_who_has_gone_is_noticed_before_more_is_sent(self) -> None:
        connection, theirs = self.pair()
        connection.send(b"one")
        self.assertEqual(theirs.recv(100), b"one")
        theirs.close()
        self.assertRaises(OSError, connection.send, b"two")

    def test_sends_are_waiting_until_the_other_side_has_them(self) -> None:
        connection, theirs = self.pair()
        for _ in range(3):
            connection.send(bytes(500))
        self.assertEqual(connection.waiting(), 3)
        got = 0
        while got < 1500:
            got += len(theirs.recv(4096))
        self.assertEqual(connection.waiting(), 0)
        connection.send(b"more")
        self.assertEqual(connection.waiting(), 1)

    def test_what_the_other_side_says_is_not_looked_at(self) -> None:
        connection, theirs = self.pair()
        connection.send(b"one")
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 100)
        connection.send(b"two")
        self.assertEqual(theirs.recv(100), b"onetwo")

    def test_a_host_whose_name_is_none_is_an_error_like_others(self) -> None:
        connection = Connection(tcp("a..b", 514))
        self.assertRaises(OSError, connection.send, b"x")

    def test_json_to_a_unix_socket(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        path = os.path.relpath(directory / "s")  # the kernel takes 107 bytes
        outlet = StreamOutlet(Connection(unix(path)), json_lines)
        self.addCleanup(outlet.close)
        self.assertRaises(OSError, outlet.write, about("web01"), [LINE])
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        listener.settimeout(30)
        got: list[bytes] = []

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                got.append(connection.recv(4096))

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        outlet.write(about("web01"), [LINE])
        thread.join(30)
        facts = json.loads(got[0])
        self.assertEqual((facts["console"], facts["text"]), ("web01", "x"))


class FilesOfLines(SynchronousTestCase):
    """Whatever the files are like when we come."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def test_a_line_that_a_kill_cut_does_not_spoil_the_next_one(self) -> None:
        path = self.directory / "c.jsonl"
        path.write_bytes(b'{"text": "hal')
        outlet = FileOutlet(path, json_lines)
        outlet.write(about("web01"), [LINE])
        outlet.write(about("web01"), [LINE])
        first, *others = path.read_text().splitlines()
        self.assertEqual(first, '{"text": "hal')
        self.assertEqual([json.loads(line)["text"] for line in others], ["x", "x"])
        log = self.directory / f"{'a' * 16}.log"
        log.write_bytes(b"2026-01-01T00:00")
        text = TextOutlet(self.directory, lambda: 0.0)
        self.addCleanup(text.close)
        text.write(about("web01"), [LINE])
        self.assertEqual(len(log.read_text().splitlines()), 2)

    def test_a_clock_that_was_anywhere_still_makes_a_time(self) -> None:
        for at in (-1e18, -1.0, 0.0, 1.7e9, 1e12, 1e18, float("inf")):
            outlet = TextOutlet(self.directory, lambda: 0.0)
            outlet.write(about("web01"), [OutputLine(0, at, b"x", 2)])
            outlet.close()
            self.assertRegex(rfc3339(at, local=True), r"^\d{4}-")

    def test_a_link_is_never_followed_by_what_we_write(self) -> None:
        victim = self.directory / "victim"
        victim.write_text("")
        (self.directory / f"{'a' * 16}.log").symlink_to("victim")
        outlet = TextOutlet(self.directory, lambda: 0.0)
        error = self.assertRaises(OSError, outlet.write, about("web01"), [LINE])
        self.assertEqual(getattr(error, "errno", None), errno.ELOOP)
        self.assertEqual(victim.read_text(), "")

    def test_a_fifo_is_written_like_a_file(self) -> None:
        path = Path(self.mktemp())
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        outlet = FileOutlet(path, json_lines)
        outlet.write(about("web01"), [LINE])
        self.assertEqual(json.loads(os.read(reader, 4096))["text"], "x")
        outlet.close()


class ByName(SynchronousTestCase):
    """Links by name."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "text"

    def outlet(self) -> TextOutlet:
        outlet = TextOutlet(self.directory, lambda: 0.0)
        self.addCleanup(outlet.close)
        return outlet

    def say(self, outlet: TextOutlet, name: str, letter: str) -> None:
        outlet.write(about(name, letter * 16), [LINE])

    def links(self) -> dict[str, str]:
        """Each link's target, by its console's letter."""
        directory = self.directory / "by-name"
        return {name: os.readlink(directory / name)[3] for name in os.listdir(directory)}

    def test_a_rename_takes_the_old_name_away(self) -> None:
        outlet = self.outlet()
        self.say(outlet, "web01", "a")
        self.say(outlet, "db01", "a")
        self.assertEqual(self.links(), {"db01": "a"})

    def test_a_rename_while_the_server_was_down_does_too(self) -> None:
        self.say(self.outlet(), "web01", "a")
        outlet = self.outlet()
        self.say(outlet, "db01", "a")
        self.say(outlet, "web01", "b")
        self.assertEqual(self.links(), {"db01": "a", "web01": "b"})

    def test_a_name_whose_file_is_gone_is_free(self) -> None:
        self.say(self.outlet(), "web01", "a")
        (self.directory / f"{'a' * 16}.log").unlink()
        outlet = self.outlet()
        self.say(outlet, "web01", "b")
        self.assertEqual(self.links(), {"web01": "b"})

    def test_a_name_whose_file_was_moved_away_just_now_is_not(self) -> None:
        outlet = self.outlet()
        self.say(outlet, "web01", "a")
        (self.directory / f"{'a' * 16}.log").unlink()
        self.say(outlet, "web01", "b")
        self.assertEqual(self.links(), {"web01": "a", f"web01~{'b' * 16}": "b"})

    def test_a_namesakes_link_is_left_alone_while_nothing_changes(self) -> None:
        outlet = self.outlet()
        self.say(outlet, "web01", "a")
        self.say(outlet, "web01", "b")
        link = self.directory / "by-name" / f"web01~{'b' * 16}"
        made = os.lstat(link).st_ctime_ns, os.lstat(link).st_ino
        self.say(outlet, "web01", "b")
        self.assertEqual((os.lstat(link).st_ctime_ns, os.lstat(link).st_ino), made)
        self.say(outlet, "other", "a")
        outlet.reopen()
        self.say(outlet, "web01", "b")
        self.assertEqual(self.links(), {"other": "a", "web01": "b"})

    def test_a_link_that_cannot_be_made_keeps_no_line_out(self) -> None:
        (self.directory / "by-name" / "web01").mkdir(parents=True)
        outlet = self.outlet()
        self.say(outlet, "web01", "a")
        self.assertIn(" x\n", (self.directory / f"{'a' * 16}.log").read_text())

    @given(st.text(), st.text(), st.text())
    def test_whatever_a_vm_is_called_its_link_is_one_name(
        self, name: str, zone: str, port: str
    ) -> None:
        link = link_name(about(name, zone=zone, port=port))
        self.assertIsNotNone(re.fullmatch(r"[A-Za-z0-9_%~-][A-Za-z0-9._%~-]*", link))
        self.assertLessEqual(len(link), 200)

    def test_words_that_are_no_text_make_a_name_too(self) -> None:
        self.assertEqual(link_name(about("a\udcffb")), "a%3Fb")
        self.assertEqual(link_name(about("w", zone="../x")), "%2E.%2Fx%2Fw")
        Links(self.directory / "nowhere").point(about("web01"), Path("x"))


class Messages(SynchronousTestCase):
    """RFC 5424, whatever was said."""

    def message(self, item: OutputLine | Marker, name: str = "web01") -> str:
        message = syslog_messages("vspc1", 16)(about(name), [item])
        length, _, body = message.partition(b" ")
        self.assertEqual(int(length), len(body))
        return body.decode("utf-8")

    @given(st.binary(max_size=200), st.text(max_size=50))
    def test_a_message_is_utf8_on_one_line(self, text: bytes, name: str) -> None:
        body = self.message(
            OutputLine(0, 1.7e9, text.replace(b"\n", b""), 0), name.replace("\n", "")
        )
        self.assertTrue(body.startswith("<134>1 2023-11-14T22:13:20.000000Z vspc1 vspc - console "))
        self.assertNotIn("\n", body)
        self.assertNotIn("\x1b", body.partition("\ufeff")[2].partition("\ufeff")[0])

    def test_a_long_line_is_cut_between_characters_and_counted(self) -> None:
        said = "ü" * TEXT_LIMIT
        text = self.message(OutputLine(0, 1.7e9, b"x" + said.encode(), 0)).partition("\ufeff")[2]
        kept, _, more = text.partition("...(+")
        self.assertLessEqual(len(kept.encode()), TEXT_LIMIT)
        self.assertEqual(len(kept.encode()) + int(more[:-1]), 2 * TEXT_LIMIT + 1)

    def test_a_marker_has_its_kind_as_msgid(self) -> None:
        body = self.message(Marker(7, 1.7e9, MarkerKind.GAP, "no longer kept", 9))
        self.assertIn(
            ' vspc - gap [console@32473 id="aaaaaaaaaaaaaaaa" name="web01" offset="7"] ', body
        )


class OneModule(WholeLog):
    """A kind of sink costs one module, and a line where kinds are listed."""

    def test_a_kind_that_counts_lines(self) -> None:
        path = Path(self.mktemp())
        settings = SinkSettings("lines", "counting", str(path))  # type: ignore[arg-type]
        writer = self.logged.writer
        source = LogSource(writer, self.logged.log.queries.cache)
        writer.subscribers.append(source.notify)
        root = self.logged.root / "log"
        kinds = {**KINDS, "counting": counting.outlet}
        sink = make(settings, source, root, lambda *_: None, self.world.fail, kinds)
        console = self.console()
        sink.begin()
        console.link.output(b"one\r\ntwo\r\n")
        self.tick()
        sink.step(source.wait(0))
        self.assertEqual(path.read_text(), "2")
