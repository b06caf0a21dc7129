"""Alerts and the black box under a real server: kill -9, a real web server, a real Linux that
panics.
"""

import json
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

from tests.end_to_end.guest import PROMPT, Guest, client_of
from tests.end_to_end.processes import DEADLINE, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase

TOKEN = "T0KEN-of-the-webhook"


class Receiver(ThreadingHTTPServer):
    """Answers each POST with `status`: `all` of them are kept, and those that were `taken`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.taken: Queue[dict[str, Any]] = Queue()
        self.all: Queue[dict[str, Any]] = Queue()
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{TOKEN}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        facts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.all.put(facts)
        if self.server.status < 300:
            self.server.taken.put(facts)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


class AlertTestCase(SimulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.pages = self.directory / "pages"
        pager = self.directory / "pager"
        pager.write_text(f"#!/bin/sh\ncat >> {self.pages}\n")
        pager.chmod(0o755)
        hook = self.directory / "hook.url"
        hook.write_text(self.receiver.url + "\n")
        hook.chmod(0o600)
        self.write_config(
            '[[alert]]\nname = "oncall"\nbuiltin = ["panic"]\nwebhook_file = "hook.url"\n'
            f'[[alert]]\nname = "pager"\nconsoles = ["web*"]\npattern = "w[o]rds"\n'
            f'command = ["{pager}"]\n'
            '[panics]\nafter = "2s"\n'
        )

    def run_server(self) -> None:
        self.serve(script("vspc"), "run", "--config", self.config)

    def vspc(self, *words: str) -> str:
        done = self.complete(script("vspc"), *words, "--config", self.config)
        self.assertEqual(done.status, 0, done)
        return done.out.decode()

    def panics(self) -> list[dict[str, Any]]:
        """Once their files are complete."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found: list[dict[str, Any]] = json.loads(self.ssh("panics", "--json").out)
            if found and not any(each["open"] for each in found):
                return found
            self.assertLess(time.monotonic(), deadline, found)


class SimulatedVms(AlertTestCase):
    def test_a_panic_is_told_and_kept_though_the_server_is_killed(self) -> None:
        self.receiver.status = 503
        self.run_server()
        self.simulate()
        self.assertEqual(self.ssh("send", "web1", "--enter", "echo last words").status, 0)
        self.assertEqual(self.ssh("send", "web1", "--enter", "panic").status, 0)
        self.server.out.expect(rb" warn panic console=web1 number=1 pattern=panic line=")
        first = self.receiver.all.get(timeout=DEADLINE)
        self.server.out.expect(rb" error alert-not-delivered alert=oncall .*why=.the answer is 503")
        oncall, pager = json.loads(self.vspc("alerts", "--json"))
        self.assertEqual((oncall["fired"], oncall["queued"]), (1, 1))
        self.assertEqual(pager["delivered"], 1)
        (page,) = [json.loads(line) for line in self.pages.read_text().splitlines()]
        self.assertIn("last words", page["line"])
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.assertNotIn(TOKEN.encode(), self.server.out.data + self.server.err.data)
        self.receiver.status = 204
        self.run_server()
        facts = self.receiver.taken.get(timeout=DEADLINE)
        self.assertEqual(facts, first)
        self.assertEqual((facts["console"]["name"], facts["panic"]), ("web1", 1))
        self.assertEqual(facts["line"], "[   99.000000] Kernel panic - not syncing: asked for")
        self.assertTrue(any("last words" in line for line in facts["lines"]), facts)
        (panic,) = self.panics()
        self.assertEqual((panic["panic"], panic["line"]), (1, facts["line"]))
        shown = self.ssh("log", "web1", "--panic", "1")
        self.assertEqual(shown.status, 0, shown)
        self.assertIn(b"last words", shown.out)
        self.assertIn(b"---[ end Kernel panic - not syncing: asked for ]---", shown.out)
        self.assertEqual(self.ssh("panics", operator="carol").out.count(b"web1"), 1)
        self.assertEqual(
            self.vspc("alerts", "--test", "oncall"), "the test of oncall is delivered\n"
        )
        self.assertTrue(self.receiver.taken.get(timeout=DEADLINE)["test"])
        self.assertNotIn(TOKEN, self.vspc("alerts"))
        self.assert_no_defects()


class RealGuests(AlertTestCase):
    def test_a_linux_kernel_that_crashes(self) -> None:
        guest = Guest(self)
        self.run_server()
        guest.start(client_of(self.ports["plain guest"]))
        self.server.out.expect(rb"vm-registered console=guest ")
        raw = self.attach("raw", "guest", "--from", "0")
        raw.out.expect(PROMPT.encode())
        raw.type(b"echo c > /proc/sysrq-trigger\n")
        facts = self.receiver.taken.get(timeout=DEADLINE)
        self.assertIn("Kernel panic - not syncing: sysrq triggered crash", facts["line"])
        self.assertIn("guest", facts["text"])
        (panic,) = self.panics()
        self.assertEqual(panic["console"], "guest")
        shown = self.ssh("log", "guest", "--panic", "1").out
        for text in (b"Linux version ", b"sysrq: Trigger a crash", b"Kernel Offset: "):
            self.assertIn(text, shown)
        self.assert_no_defects()
