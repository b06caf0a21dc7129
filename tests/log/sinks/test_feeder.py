"""Sinks: they get every line, harm nobody, and go on where they were."""

import errno
import json
import os
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.fakes import World
from tests.log.test_log import WholeLog
from vspc.console.console import Console
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker, MarkerKind
from vspc.log.query import LogSource
from vspc.log.sinks.feeder import IDLE, SAVE, Feeder
from vspc.log.sinks.outlet import FileOutlet, Outlet, StreamOutlet, json_lines, syslog_messages
from vspc.log.sinks.text import TextOutlet, link_name
from vspc.net.connection import Connection, tcp, tls
from vspc.net.tls import load_pair


class Shelf:
    """An outlet that keeps what it is given, unless it is broken."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []
        self.markers: list[tuple[str, MarkerKind]] = []
        self.broken = False
        self.is_settled = True
        self.reopened = 0

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        if self.broken:
            raise OSError(errno.EPIPE, "nobody listens")
        for item in items:
            if isinstance(item, Marker):
                self.markers.append((about.name, item.kind))
            else:
                self.lines.append((about.name, item.text))

    def waiting(self) -> int:
        return 0 if self.is_settled else 1

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        pass


class SinkTestCase(WholeLog):
    """Consoles with a log, and a sink that is stepped by hand."""

    def setUp(self) -> None:
        super().setUp()
        self.shelf = Shelf()
        self.events: list[str] = []

    def feeder(self, outlet: Outlet | None = None) -> Feeder:
        writer = self.logged.writer
        source = LogSource(writer, self.logged.log.queries.cache)
        writer.subscribers.append(source.notify)
        feeder = Feeder(
            "test",
            self.shelf if outlet is None else outlet,
            source,
            self.logged.root / "log" / "sinks" / "test.json",
            lambda event, _facts: self.events.append(event),
            self.world.fail,
            now=self.world.clock.seconds,
        )
        feeder.begin()
        return feeder

    def step(self, feeder: Feeder, seconds: float = 0.1) -> None:
        self.tick(seconds)
        source = feeder.source
        assert isinstance(source, LogSource)
        source.wake()
        feeder.step(source.wait(0))

    def say(self, console: Console, data: bytes) -> None:
        console.link.output(data)
        self.tick()


class Feeding(SinkTestCase):
    """From the log to an outlet."""

    def test_it_begins_with_what_comes_and_gets_lines_whole_and_once(self) -> None:
        old, new = self.console(1), None
        self.say(old, b"before\n")
        feeder = self.feeder()
        self.say(old, b"one\ntw")
        self.step(feeder)
        self.say(old, b"o\nthree\n")
        new = self.console(2)
        self.say(new, b"hello\n")
        self.step(feeder)
        self.step(feeder)
        self.assertEqual(
            sorted(self.shelf.lines),
            [("web01", b"one"), ("web01", b"three"), ("web01", b"two"), ("web02", b"hello")],
        )
        self.assertEqual(self.shelf.markers.count(("web02", MarkerKind.CONNECTED)), 1)

    def test_a_prompt_is_given_when_nothing_comes_to_it(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.say(console, b"login: ")
        self.step(feeder)
        self.assertEqual(self.shelf.lines, [])
        self.step(feeder, IDLE + 1)
        self.step(feeder, IDLE + 1)
        self.assertEqual(self.shelf.lines, [("web01", b"login: ")])

    def test_an_outlet_that_fails_is_tried_again_and_catches_up(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.shelf.broken = True
        for number in range(20):
            self.say(console, b"%d\n" % number)
            self.step(feeder, 1)
        self.assertEqual(self.events, ["sink-failing"])
        self.shelf.broken = False
        self.step(feeder, 60)
        self.assertEqual(self.events, ["sink-failing", "sink-recovered"])
        self.assertEqual([text for _, text in self.shelf.lines], [b"%d" % n for n in range(20)])
        self.assertEqual(self.shelf.markers, [("web01", MarkerKind.CONNECTED)])

    def test_what_had_not_arrived_is_given_again_after_an_error(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.shelf.is_settled = False
        self.say(console, b"lost on the way\n")
        self.step(feeder)
        self.shelf.broken = True
        self.say(console, b"next\n")
        self.step(feeder)
        self.shelf.broken, self.shelf.is_settled = False, True
        self.step(feeder, 5)
        texts = [text for _, text in self.shelf.lines]
        self.assertEqual(texts, [b"lost on the way", b"lost on the way", b"next"])

    def test_it_goes_on_after_a_restart(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.say(console, b"one\n")
        self.step(feeder)
        self.step(feeder, SAVE + 1)
        self.say(console, b"two\n")
        self.logged.restart(world := World())
        self.world = world
        self.shelf = Shelf()
        feeder = self.feeder()
        self.say(self.console(), b"three\n")
        self.step(feeder)
        self.assertEqual([text for _, text in self.shelf.lines], [b"two", b"three"])

    def test_damaged_cursors_are_said_and_it_begins_with_what_comes(self) -> None:
        console = self.console()
        self.say(console, b"one\n")
        path = self.logged.root / "log" / "sinks" / "test.json"
        path.parent.mkdir(mode=0o700)
        path.write_text("{rubbish")
        feeder = self.feeder()
        self.say(console, b"two\n")
        self.step(feeder)
        self.assertEqual(self.events, ["sink-cursors-damaged"])
        self.assertEqual(self.shelf.lines, [("web01", b"two")])

    def test_what_the_log_no_longer_has_is_a_gap(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.shelf.broken = True
        self.say(console, b"evicted\n")
        self.step(feeder)
        store = self.logged.writer.store
        log = next(iter(store.logs.values()))
        store.move(log)
        store.evict(log, 1)
        self.shelf.broken = False
        self.say(console, b"kept\n")
        self.step(feeder, 60)
        self.assertEqual(self.shelf.lines, [("web01", b"kept")])
        self.assertIn(("web01", MarkerKind.GAP), self.shelf.markers)


class Text(SinkTestCase):
    """Plain text files."""

    def outlet(self) -> TextOutlet:
        return TextOutlet(self.logged.root / "text", self.world.clock.seconds)

    def test_lines_have_times_with_a_zone_and_are_text_only(self) -> None:
        console = self.console()
        feeder = self.feeder(self.outlet())
        self.say(console, b"\x1b[31mred\x1b[0m\x1b]0;t\x07\rover\n")
        self.step(feeder)
        path = self.logged.root / "text" / f"{console.id}.log"
        connected, line = path.read_text().splitlines()
        self.assertRegex(line, r"^2023-11-1\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d redover$")
        self.assertRegex(connected, r" \[connected: web01 at 10\.0\.0\.1\]$")
        link = self.logged.root / "text" / "by-name" / "web01"
        self.assertEqual(os.readlink(link), f"../{console.id}.log")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_a_file_that_was_moved_away_is_followed_by_another(self) -> None:
        console = self.console()
        feeder = self.feeder(self.outlet())
        self.say(console, b"one\n")
        self.step(feeder)
        path = self.logged.root / "text" / f"{console.id}.log"
        path.rename(path.with_suffix(".log.1"))
        self.say(console, b"two\n")
        self.step(feeder, 2)
        self.assertEqual(path.read_text().count("two"), 1)

    def test_many_consoles_keep_few_files_open(self) -> None:
        feeder = self.feeder(self.outlet())
        for number in range(1, 151):
            self.say(self.console(number), b"x\n")
        before = len(os.listdir("/proc/self/fd"))
        self.step(feeder)
        self.assertLess(len(os.listdir("/proc/self/fd")) - before, 80)
        self.assertEqual(len(list((self.logged.root / "text").glob("*.log"))), 150)
        feeder.outlet.close()

    def test_names_from_outside_are_no_paths(self) -> None:
        for name in ("../../etc/passwd", "a/b", "..", ".", "\0", "x" * 4000, "a\nb", "ü", "~x"):
            about = About("0123456789abcdef", "h", name, "default", None, "")
            link = link_name(about)
            self.assertRegex(link, r"^[A-Za-z0-9_%~-][A-Za-z0-9._%~-]*$", name)
            self.assertLessEqual(len(link), 200)

    def test_namesakes_have_links_of_their_own(self) -> None:
        outlet = self.outlet()
        for console_id in ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"):
            about = About(console_id, "web01", "web01", "default", None, "")
            outlet.write(about, [OutputLine(0, 1.7e9, b"x", 2)])
        links = sorted(p.name for p in (self.logged.root / "text" / "by-name").iterdir())
        self.assertEqual(links, ["web01", "web01~bbbbbbbbbbbbbbbb"])
        outlet.close()


class Receiver:
    """Somebody who takes what a sink sends, in a thread; waits are bounded."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.port: int = self.listener.getsockname()[1]
        self.context = context
        self.data = b""
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(30)
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection:
            while data := connection.recv(4096):
                with self.changed:
                    self.data += data
                    self.changed.notify()

    def wait(self, wanted: bytes) -> bytes:
        with self.changed:
            assert self.changed.wait_for(lambda: wanted in self.data, 30), self.data
            return self.data

    def close(self) -> None:
        self.listener.close()


class Streams(SinkTestCase):
    """JSON and syslog."""

    def receiver(self, context: ssl.SSLContext | None = None) -> Receiver:
        receiver = Receiver(context)
        self.addCleanup(receiver.close)
        return receiver

    def test_json_to_a_file(self) -> None:
        console = self.console()
        path = self.logged.root / "console.jsonl"
        feeder = self.feeder(FileOutlet(path, json_lines))
        self.say(console, b"hello \xff\n")
        self.step(feeder)
        marker, line = [json.loads(text) for text in path.read_text().splitlines()]
        self.assertEqual((marker["marker"], marker["console"]), ("connected", "web01"))
        self.assertEqual(
            (line["offset"], line["text"], line["id"]), (0, "hello \ufffd", console.id)
        )
        self.assertRegex(line["time"], r"^2023-11-14T22:13:21\.\d{3}Z$")

    def test_json_to_a_socket_that_is_not_there_at_first(self) -> None:
        receiver = self.receiver()
        refuses = [True]

        def dial() -> socket.socket:
            if refuses[0]:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
            return tcp("127.0.0.1", receiver.port)()

        console = self.console()
        feeder = self.feeder(StreamOutlet(Connection(dial), json_lines))
        self.addCleanup(feeder.outlet.close)
        self.say(console, b"early\n")
        self.step(feeder)
        self.assertEqual(self.events, ["sink-failing"])
        refuses[0] = False
        self.step(feeder, 60)
        self.assertEqual(self.events, ["sink-failing", "sink-recovered"])
        self.assertIn(b'"text": "early"', receiver.wait(b"early"))

    def test_syslog_over_tls(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        load_pair(None, None, directory)  # a self-signed one
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(directory / "tls.pem"), str(directory / "tls.key"))
        receiver = self.receiver(context)
        believes = ssl.create_default_context(cafile=str(directory / "tls.pem"))
        believes.check_hostname = False
        connection = Connection(tls("127.0.0.1", receiver.port, believes))
        feeder = self.feeder(StreamOutlet(connection, syslog_messages("vspc1", 16)))
        self.addCleanup(feeder.outlet.close)
        self.say(self.console(), b'panic "now" ]\n' + b"x" * 9000 + b"\n")
        self.step(feeder)
        data = receiver.wait(b"...(+")
        length, _, rest = data.partition(b" ")
        second = rest[int(length) :]
        length, _, rest = second.partition(b" ")
        message = rest[: int(length)].decode("utf-8")
        self.assertRegex(
            message,
            r"^<134>1 2023-11-14T22:13:21\.\d{6}Z vspc1 vspc - console "
            r'\[console@32473 id="[0-9a-f]{16}" name="web01" offset="0"\] \ufeffpanic "now" \]$',
        )

    def test_words_in_structured_data_are_escaped(self) -> None:
        about = About("i", "h", 'a"b\\c]d', "default", None, "")
        message = syslog_messages("h", 1)(about, [OutputLine(5, 1.7e9, b"text", 10)])
        self.assertIn(b'name="a\\"b\\\\c\\]d" offset="5"', message)
