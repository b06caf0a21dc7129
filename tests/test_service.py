"""The service in memory: what a reload changes, what it refuses, what it leaves alone."""

from pathlib import Path
from typing import cast

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from vspc.files import load_with_files
from vspc.net.tls import load_pair
from vspc.service import VspcService
from vspc.ssh.keys import make_host_key

CONFIG = """
state_dir = "{state}"
[vm]
telnet = ["tcp:13370:interface=127.0.0.1"]
telnets = ["tcp:13371:interface=127.0.0.1"]
[ssh]
listen = ["{ssh}"]
[operators.alice]
authorized_keys = ["{key}"]
"""

SSH = "tcp:2222:interface=127.0.0.1"


class Reloading(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.write()
        config = load_with_files(self.directory / "vspc.toml")
        self.service = VspcService(config, MemoryReactorClock())
        self.service.privilegedStartService()
        self.pair = load_pair(None, None, self.directory / "state")

    def write(self, state: str = "state", ssh: str = SSH, more: str = "") -> None:
        text = CONFIG.format(state=state, ssh=ssh, key=KEY) + more
        (self.directory / "vspc.toml").write_text(text)

    def reload(self) -> dict[str, list[object]]:
        """What is logged of it, by event: the key, or what is wrong."""
        del self.events[:]
        self.service.reload()
        said: dict[str, list[object]] = {}
        for event in self.events:
            fact = event.get("key") or event.get("what")
            said.setdefault(str(event["log_format"]), []).append(fact)
        return said

    def test_what_needs_a_restart_is_said_until_there_is_one(self) -> None:
        self.write(state="elsewhere")
        self.assertEqual(self.reload()["reload-needs-restart"], ["state_dir"])
        self.write(state="elsewhere", ssh="tcp:2223")
        for _ in range(2):
            self.assertEqual(self.reload()["reload-needs-restart"], ["state_dir", "ssh"])
        self.write()
        self.assertNotIn("reload-needs-restart", self.reload())

    def test_another_state_dir_does_not_swap_the_certificate(self) -> None:
        (self.directory / "elsewhere").mkdir()
        self.write(state="elsewhere")
        self.assertIn("reloaded", self.reload())
        self.assertEqual(list((self.directory / "elsewhere").iterdir()), [])
        self.assertEqual(self.service._pair(self.service.live.config), self.pair)

    def test_with_any_mistake_nothing_changes_and_every_one_is_named(self) -> None:
        make_host_key(self.directory / "host")
        (self.directory / "bad.pem").write_text("nothing")
        more = (
            '[operators.bob]\n[tls]\ncertificate = "bad.pem"\nprivate_key = "bad.pem"\n'
            '[[vm.zone]]\nname = "lab"\nclient_ca = "bad.pem"\n'
        )
        self.write(more=more)
        before = self.service.live.config
        said = self.reload()
        self.assertEqual(set(said), {"reload-mistake", "reload-refused"})
        found = " ".join(map(str, said["reload-mistake"]))
        for key in ("tls.certificate", "tls.private_key", "vm.zone[0].client_ca"):
            self.assertIn(f" {key}: ", found)
        self.assertIs(self.service.live.config, before)
