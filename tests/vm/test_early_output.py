"""Output of a line before it has a console."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World
from vspc.vm.early_output import BUFFER, TOO_EARLY, EarlyOutput


class EarlyOutputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, _ = self.world.connected()
        _, self.sink = self.world.attach(self.console)
        self.early = EarlyOutput()

    def shown(self) -> tuple[bytes, list[tuple[int, int]]]:
        """What an attachment sees of it: output, and what was lost of that."""
        self.early.show_on(self.console)
        self.world.turn()
        return bytes(self.sink.output), self.sink.losses

    def test_it_is_shown_once(self) -> None:
        self.early.append(b"boot")
        self.early.append(b"ing")
        self.assertEqual(self.shown(), (b"booting", []))
        self.assertEqual(self.shown(), (b"booting", []))

    def test_of_too_much_the_end_is_kept_behind_a_gap(self) -> None:
        self.early.append(b"a" * 10 + b"b" * (BUFFER - 1))
        self.early.append(b"c")
        self.assertEqual(len(self.early), BUFFER + 10)
        output, losses = self.shown()
        self.assertEqual((output, losses), (b"b" * (BUFFER - 1) + b"c", [(0, 10)]))
        self.assertIn(TOO_EARLY, self.sink.notices)

    def test_what_is_not_for_a_console_is_cleared(self) -> None:
        self.early.append(b"x" * (BUFFER + 1))
        self.early.clear()
        self.assertEqual(self.shown(), (b"", []))

    def test_from_quarantine_it_is_dropped_only_if_the_console_has_later_output(self) -> None:
        quarantined = self.world.console("web02", "2" * 32)
        quarantined.history.append(b"quarantined")
        self.early.append_history(quarantined.history, 100.0)
        self.early.drop_older(99.0)
        self.assertEqual(self.shown(), (b"quarantined", []))
        self.early.append_history(quarantined.history, 100.0)
        self.early.drop_older(101.0)
        self.assertEqual(self.shown(), (b"quarantined", [(11, 22)]))

    def test_it_goes_on_from_what_another_process_had(self) -> None:
        self.early.restore(b"kept", 3, None)
        self.early.append(b" on")
        self.assertEqual(self.shown(), (b"kept on", [(0, 3)]))
