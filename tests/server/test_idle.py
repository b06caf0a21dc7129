"""A server that has nothing to do."""

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.server.test_service import CONFIG, SSH
from vspc.server.config_files import load_with_files
from vspc.server.service import TICK, VspcService


class Idle(SynchronousTestCase):
    def test_its_reactor_has_one_timer_a_second(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        text = CONFIG.format(state="state", ssh=SSH, key=KEY)
        (directory / "vspc.toml").write_text(text)
        reactor = MemoryReactorClock()
        service = VspcService(load_with_files(directory / "vspc.toml"), reactor)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
        reactor.pump([TICK] * 30)
        for _ in range(60):
            due = sorted(call.getTime() - reactor.seconds() for call in reactor.getDelayedCalls())
            self.assertEqual(due[0], TICK)
            self.assertGreater([*due, 60.0][1], TICK)
            reactor.advance(TICK)
