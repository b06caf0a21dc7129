"""[metrics]: who may read it has to be said where others can reach it."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.addresses import LOOPBACK
from vspc.config import ConfigError, MetricsSettings, load


class Metrics(SynchronousTestCase):
    def load(self, text: str) -> MetricsSettings:
        file = Path(self.mktemp())
        file.write_text(f"[metrics]\n{text}")
        return load(file).metrics

    def mistake(self, text: str) -> str:
        (mistake,) = self.assertRaises(ConfigError, self.load, text).mistakes
        return str(mistake)

    def test_it_is_off_by_default_and_names_no_console(self) -> None:
        found = self.load("")
        self.assertEqual((found.listen, found.per_console, found.slow_turn), ((), (), 0.25))
        self.assertEqual(found.allow, LOOPBACK)

    def test_loopback_and_unix_sockets_need_nothing_more(self) -> None:
        for where in (
            "tcp:9464:interface=127.0.0.1",
            r"tcp6:9464:interface=\\:\\:1",
            "tcp:9464:interface=localhost",
            "unix:/run/vspc-metrics:mode=660",
        ):
            self.assertEqual(len(self.load(f'listen = ["{where}"]\n').listen), 1, where)

    def test_a_port_that_others_reach_is_refused_unless_they_are_named(self) -> None:
        for where in (
            "tcp:9464",
            "tcp:9464:interface=10.0.0.1",
            r"tcp6:9464:interface=\\:\\:",
            "systemd:domain=INET:index=0",
        ):
            said = self.mistake(f'listen = ["tcp:1:interface=127.0.0.1", "{where}"]\n')
            self.assertIn("metrics.listen[1]", said)
            self.assertIn("metrics.allow", said)
            allowed = f'listen = ["{where}"]\nallow = ["10.0.0.5/32"]\n'
            self.assertEqual(len(self.load(allowed).listen), 1, where)

    def test_a_port_that_another_listener_has(self) -> None:
        said = self.mistake(
            'listen = ["tcp:2222:interface=127.0.0.1"]\n'
            '[ssh]\nlisten = ["tcp:2222:interface=127.0.0.1"]\n'
        )
        self.assertIn("duplicate of ssh.listen[0]", said)

    def test_ranges(self) -> None:
        self.assertIn("metrics.slow_turn", self.mistake("slow_turn = 0.001\n"))
        self.assertIn("metrics.per_console[0]", self.mistake('per_console = [""]\n'))

    def test_everybody_is_warned_of(self) -> None:
        file = Path(self.mktemp())
        file.write_text('[metrics]\nlisten = ["tcp:9464"]\nallow = ["0.0.0.0/0"]\n')
        self.assertIn("metrics.allow: every host", " ".join(load(file).warnings))
