"""A console's serial port: what is in force, and how much is said about it."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from vspc.common.serial import ModemState, PortSettings
from vspc.console.events import How, ModemChanged, SettingsChanged
from vspc.console.port_state import APART, IN_A_ROW, SETTLING

FAST, SLOW = PortSettings(115_200), PortSettings(9600, 7)


class PortStateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()

    def said(self) -> list[str]:
        return [str(e.settings) for e in self.world.happened if isinstance(e, SettingsChanged)]

    def test_several_commands_are_one_change(self) -> None:
        link = self.console.link
        self.assertIsNone(link.port.settings)
        link.port.set(SLOW)
        link.port.set(FAST)
        self.assertEqual((link.port.settings, self.said()), (FAST, []))
        self.world.clock.advance(SETTLING)
        self.assertEqual(self.said(), ["115200 8N1"])

    def test_what_was_said_is_not_said_again(self) -> None:
        for settings in (FAST, SLOW, FAST):  # there and back within a second
            self.console.link.port.set(settings)
            self.world.clock.advance(SETTLING / 4)
        self.world.clock.advance(5)
        self.assertEqual(self.said(), ["115200 8N1"])
        self.console.link.disconnect("power off")
        self.assertIsNone(self.console.link.port.settings)
        self.console.link.connect(FakeLine())
        self.console.link.port.set(FAST)
        self.world.clock.advance(5)
        self.assertEqual(self.said(), ["115200 8N1"])

    def test_a_vm_that_toggles_for_ever(self) -> None:
        for turn in range(3600):
            self.console.link.port.set((FAST, SLOW)[turn % 2])
            self.world.clock.advance(1)
        self.assertLessEqual(len(self.said()), IN_A_ROW + 3600 // APART)
        self.assertGreater(len(self.said()), IN_A_ROW)
        self.world.clock.advance(2 * APART)
        self.assertEqual(self.said()[-1], str(self.console.link.port.settings))

    def test_a_line_that_goes_in_the_meantime(self) -> None:
        self.console.link.port.set(FAST)
        self.console.link.port.set_modem(ModemState.CTS)
        self.console.link.disconnect("power off")
        self.world.clock.advance(5)
        self.assertEqual(self.said(), [])
        self.assertIsNone(self.console.link.port.modem)

    def test_a_line_that_takes_over_may_have_another_port(self) -> None:
        self.console.link.port.set(FAST)
        self.console.link.replace(FakeLine("10.0.0.2"), "no answer", How.TOOK_OVER)
        self.assertIsNone(self.console.link.port.settings)

    def test_vmotion_keeps_it(self) -> None:
        self.console.link.port.set(FAST)
        self.console.link.migrate()
        self.console.link.lose_source()
        self.console.link.move(FakeLine("10.0.0.2"), "10.0.0.1", 1.0)
        self.assertEqual(self.console.link.port.settings, FAST)

    def test_modem_lines_once_a_turn(self) -> None:
        on, off = ModemState.DSR | ModemState.CTS, ModemState(0)
        for modem in (on, off, on):
            self.console.link.port.set_modem(modem)
        self.assertEqual(self.console.link.port.modem, on)
        self.world.clock.advance(0)
        self.console.link.port.set_modem(on)
        self.console.link.port.set_modem(off)
        self.world.clock.advance(0)
        said = [e.modem for e in self.world.happened if isinstance(e, ModemChanged)]
        self.assertEqual(said, [on, off])
