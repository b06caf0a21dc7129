"""Every file of a state_dir, damaged in every way: the server starts and keeps what VMs say, or it
names the key that it cannot use.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.log.test_damage import NAMES, state
from tests.server.test_service import CONFIG, SSH
from vspc.apps.verbs.limits import at_once
from vspc.audit.file import AuditFile
from vspc.auth.statefile import StateFile
from vspc.server.config_files import load_with_files
from vspc.server.service import VspcService

KEYS = ("ssh_host_ed25519_key", "tls.pem", "tls.key")
"""What is not made anew behind anybody's back."""

LOCKED = [{"what": "mallory", "by": "root", "since": 1.0, "until": None, "reason": ""}]

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "flipped": lambda data: (
        data[: len(data) // 2]
        + bytes(byte ^ 16 for byte in data[len(data) // 2 :][:1])
        + data[len(data) // 2 + 1 :]
    ),
    "appended": lambda data: data + bytes(range(256)),
    "gone": lambda data: None,
}


class StateDir(SynchronousTestCase):
    """One of a server that has run."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        text = CONFIG.format(state="state", ssh=SSH, key=KEY)
        (self.directory / "vspc.toml").write_text(text)
        self.state = self.directory / "state"
        self.end(self.begin())
        for name, data in state().files.items():
            path = self.state / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
        StateFile(self.state / "lockouts.json", at_once).save(lambda: LOCKED)
        StateFile(self.state / "one-time-codes.json", at_once).save(dict)
        audit = AuditFile(self.state / "audit.jsonl", lambda *_: None)
        audit.open()
        audit.append([('{"time": "2026-11-21T08:30:00.000000Z"', '"event": "x"}')] * 5)
        audit.close()
        self.files = {p: p.read_bytes() for p in self.state.rglob("*") if p.is_file()}
        self._written: dict[Path, tuple[int, int]] = {}  # when each was restored, and its size

    def begin(self) -> VspcService:
        """A server on that directory, before it serves anybody."""
        service = VspcService(load_with_files(self.directory / "vspc.toml"), MemoryReactorClock())
        try:
            service.privilegedStartService()
        except SystemExit:
            self.end(service)
            raise
        return service

    def end(self, service: VspcService) -> None:
        """As the kernel does it."""
        service._state.close()
        keeping = service.parts.logs.log
        assert keeping is not None
        keeping.store.journal.close()
        keeping.disk.release()

    def restore(self) -> None:
        """Every file as it was; most of them have not been written to."""
        there = {p: p.stat() for p in self.state.rglob("*") if p.is_file()}
        for path in there.keys() - self.files.keys():
            path.unlink()
        for path, data in self.files.items():
            found = there.get(path)
            if found is None or (found.st_mtime_ns, found.st_size) != self._written.get(path):
                path.write_bytes(data)
                now = path.stat()
                self._written[path] = now.st_mtime_ns, now.st_size

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """Each file in turn, in each way; all others are as they were."""
        for path, data in self.files.items():
            for how, damage in DAMAGES.items():
                self.restore()
                changed = damage(data)
                if changed is None:
                    path.unlink()
                else:
                    path.write_bytes(changed)
                yield path, how

    def test_it_starts_and_knows_its_consoles_or_names_the_key_that_it_cannot_use(self) -> None:
        refused = set()
        for path, how in self.damaged():
            said = io.StringIO()
            try:
                with patch("sys.__stderr__", said):
                    service = self.begin()
            except SystemExit:
                refused.add(path.name)
                self.assertIn(path.name, said.getvalue(), (path, how))
                self.assertEqual(said.getvalue().count("\n"), 1)
                continue
            self.assertEqual(sorted(c.name for c in service.roster), list(NAMES), (path, how))
            lockouts = service.parts.operators.lockouts
            self.assertEqual([each.what for each in lockouts.listed()], ["mallory"], (path, how))
            self.end(service)
        self.assertLessEqual(refused, set(KEYS))

    def test_status_and_an_error_line_say_what_is_wrong(self) -> None:
        service = self.begin()
        self.assertNotIn("log_damage", service.parts.verb_context().status())
        self.end(service)
        next(self.state.rglob("console.json")).write_bytes(b"")
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        service = self.begin()
        damage = service.parts.verb_context().status()["log_damage"]
        assert isinstance(damage, list)
        said = str(damage[0])
        self.assertIn("console.json: invalid JSON; it is made anew", said)
        (event,) = [e for e in events if e["log_format"] == "log-damaged"]
        self.assertEqual((event["log_level"], event["what"]), (LogLevel.error, said))
        self.end(service)

    def test_the_audit_file_goes_on_behind_its_last_whole_line(self) -> None:
        for path, how in self.damaged():
            if not path.name.startswith("audit"):
                continue
            audit = AuditFile(self.state / "audit.jsonl", lambda *_: None)
            audit.open()
            audit.append([('{"time": "2026-11-21T08:30:01.000000Z"', '"event": "later"}')])
            audit.close()
            last = (self.state / "audit.jsonl").read_bytes().splitlines()[-1]
            self.assertEqual(json.loads(last)["event"], "later", (path, how))
