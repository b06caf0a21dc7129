"""A guest's UART in RFC 2217, from a simulator's commands, with a vMotion in the middle."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import Proxy
from tests.simulator.support import World
from tests.simulator.test_control import ControlTestCase
from vspc.simulator.comport import UartSettings
from vspc.simulator.telnet import BRK, WireCommand


class ComPortProxy(Proxy):
    com_port = True


class SettingsTests(SynchronousTestCase):
    def test_words(self) -> None:
        settings = UartSettings().changed("9600", "7E1.5", "dtr=off", "rts=off")
        self.assertEqual(settings, UartSettings(9600, 7, "E", "1.5", False, False))
        self.assertEqual(str(settings), "9600 7E1.5")
        self.assertEqual(settings.changed("rts=on", "dtr=on", "8N2").stop, "2")
        self.assertEqual(settings.changed(), settings)
        for word in ("9N1", "8X1", "8N3", "-1", "4294967296", "dtr", "fast"):
            self.assertRaises(ValueError, settings.changed, word)


class UartCommandTests(ControlTestCase):
    def setUp(self) -> None:
        self.begin(World(ComPortProxy))

    def stats(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.say("stats web1").removeprefix("ok "))
        return facts

    def said(self) -> list[str]:
        """What the VM said to its present proxy since the last time, in hex."""
        heard = self.world.proxies[-1].com_port_said
        found = [f"{code:02x} {value.hex()}".strip() for code, value in heard]
        heard.clear()
        return found

    def test_settings_are_told_at_first_and_then_what_is_new(self) -> None:
        self.assertEqual(self.said(), ["01 0001c200", "02 08", "03 01", "04 01", "05 08", "05 0b"])
        self.assertEqual(self.stats()["com_port"], "115200 8N1")
        self.assertEqual(self.say("uart web1 9600 8E1"), "ok 9600 8E1\n")
        self.assertEqual(self.said(), ["01 00002580", "03 03"])
        self.assertEqual(self.say("uart web1 dtr=off"), "ok 9600 8E1\n")
        self.assertEqual(self.said(), ["05 09"])
        self.assertEqual(self.say("uart web1"), "ok 9600 8E1\n")
        self.assertIn("error 'x' is not a setting", self.say("uart web1 x"))

    def test_a_target_says_none_and_can_ask(self) -> None:
        self.say("uart web1 9600 7O2")
        self.say("vmotion web1")
        self.assertEqual(self.said(), [])
        self.assertEqual((self.stats()["uart"], self.stats()["com_port"]), ("9600 7O2", ""))
        self.assertEqual(self.say("uart-ask web1"), "ok\n")
        self.assertEqual(self.said(), ["01 00000000", "02 00", "03 00", "04 00"])
        self.assertEqual(self.stats()["com_port_unanswered"], [])

    def test_a_guest_that_is_off_sets_it_and_it_is_told_later(self) -> None:
        self.say("off web1")
        self.assertEqual(self.say("uart web1 50"), "ok 50 8N1\n")
        self.assertEqual(self.say("uart-ask web1"), "error it cannot be said now\n")
        self.say("on web1")
        self.assertEqual(self.said()[0], "01 00000032")
        self.say("stun web1 5")
        self.assertEqual(self.say("uart web1 75"), "error its guest stands still\n")

    def test_suspended(self) -> None:
        self.said()
        self.assertEqual(self.say("suspend web1"), "ok\n")
        self.assertTrue(self.stats()["suspended"])
        self.assertEqual(self.say("resume web1"), "ok\n")
        self.assertFalse(self.stats()["suspended"])
        self.assertEqual(self.said(), ["08", "09"])

    def test_a_break_in_each_way(self) -> None:
        self.said()
        proxy = self.world.proxies[-1]
        for how, commands, messages in (
            ("", 1, []),
            (" control", 0, ["05 05", "05 06"]),
            (" both", 1, ["05 05", "05 06"]),
        ):
            self.assertEqual(self.say(f"break web1{how}"), "ok\n")
            heard = [each for each in proxy.events if each == WireCommand(BRK)]
            proxy.events.clear()
            self.assertEqual((len(heard), self.said()), (commands, messages))
        self.assertIn("usage: break", self.say("break web1 twice"))
        self.assertEqual(self.stats()["breaks"], 0)


class DeclinedTests(ControlTestCase):
    def test_nothing_is_said_by_it(self) -> None:
        for command in ("uart-ask web1", "suspend web1"):
            self.assertEqual(self.say(command), "error it cannot be said now\n")
        self.assertEqual(self.say("break web1 both"), "error it cannot be sent now\n")
        self.assertEqual(self.say("uart web1 300"), "ok 300 8N1\n")
