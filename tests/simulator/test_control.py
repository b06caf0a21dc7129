"""Commands to a running simulator: one line each, one line of answer each."""

import json

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import Proxy
from tests.simulator.support import PROMPT, World
from vspc.simulator import extension as ext
from vspc.simulator.control import LINE, Control, ControlFactory, unescape
from vspc.simulator.extension import identity
from vspc.simulator.guest import ToyGuest
from vspc.simulator.vm import VirtualMachine


class ControlTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.begin(World())

    def begin(self, world: World) -> None:
        self.world = world
        self.world.start()
        other = VirtualMachine(
            identity("db1"),
            self.world.clock,
            self.world.network.connect,
            ToyGuest(self.world.clock, "db1"),
        )
        self.ended: list[bool] = []
        control = Control([self.world.vm, other], 0.0, lambda: self.ended.append(True))
        self.line = ControlFactory(control).buildProtocol(None)
        self.transport = StringTransport()
        self.line.makeConnection(self.transport)

    def say(self, text: str) -> str:
        self.line.dataReceived(text.encode() + b"\n")
        self.world.run()
        answer: str = self.transport.value().decode()
        self.transport.clear()
        return answer


class AnswerTests(ControlTestCase):
    def test_list(self) -> None:
        said = self.say("list")
        self.assertEqual(said.count("\n"), 1)
        facts = json.loads(said.removeprefix("ok "))
        self.assertEqual([vm["name"] for vm in facts], ["web1", "db1"])
        self.assertEqual([vm["state"] for vm in facts], ["connected", "off"])
        self.assertEqual(facts[0]["address"], "127.0.0.1")

    def test_power(self) -> None:
        self.assertEqual(self.say("off db1"), "error it is off\n")
        self.assertEqual(self.say("on db1"), "ok\n")
        self.assertEqual(self.say("on db1"), "error it is on\n")
        self.assertEqual(self.say("reboot db1"), "ok\n")
        self.assertEqual(self.say("off db1"), "ok\n")
        self.assertEqual(
            self.say("reboot db1"), "error its guest does not run, or has no reset button\n"
        )

    def test_vmotion(self) -> None:
        self.assertEqual(self.say("vmotion web1"), "ok moved in 0 ms from 127.0.0.1 to 127.0.0.2\n")
        self.assertEqual(
            self.say("vmotion web1 127.0.0.9"), "ok moved in 0 ms from 127.0.0.2 to 127.0.0.9\n"
        )
        self.assertEqual(self.say("vmotion web1 abort"), "ok aborted in 0 ms, stays at 127.0.0.9\n")
        self.assertEqual(
            self.say("vmotion web1 127.0.0.3 abort-late sequence=7619ffffe9"),
            "ok aborted in 0 ms, stays at 127.0.0.9\n",
        )
        self.assertIn((ext.PEER, b"\x76\x19\xff\xff\xe9" + Proxy.secret), self.world.proxy.heard)

    def test_vmotion_that_cannot_be(self) -> None:
        self.assertEqual(self.say("vmotion db1"), "error it is off\n")
        self.assertEqual(self.say("vmotion web1 nowhere"), "error 'nowhere' is not an address\n")
        self.assertEqual(self.say("vmotion web1 sequence=xy"), "error 'xy' is not hex\n")

    def test_vmotion_refused_and_failed(self) -> None:
        class NotNow(Proxy):
            def suboption(self, code: int, payload: bytes) -> None:
                if code == ext.BEGIN:
                    self.say(ext.NOTNOW, payload)
                else:
                    super().suboption(code, payload)

        class Mute(Proxy):
            answers = False

        self.begin(World(NotNow))
        self.assertEqual(self.say("vmotion web1"), "error not now, said the proxy after 0 ms\n")
        self.begin(World(Mute))
        self.assertEqual(self.say("vmotion web1"), "")
        self.assertEqual(self.say("list"), "")
        self.world.run(5.1)
        failed, listed, _ = self.transport.value().decode().split("\n")
        self.assertRegex(failed, r"error failed after 50\d\d ms: no answer to VMOTION-BEGIN")
        self.assertTrue(listed.startswith("ok ["))

    def test_rename(self) -> None:
        self.assertEqual(self.say("rename web1 www"), "ok\n")
        self.assertEqual(self.say("rename web1 x"), "error no VM is called 'web1'\n")
        self.assertEqual(self.say("rename www db1"), "error 'db1' is another VM's name\n")
        self.assertEqual(self.say("rename www www2 announce"), "ok\n")
        self.assertEqual(self.world.proxy.heard[-1], (ext.NAME, b"www2"))
        for text in ("rename www2", "rename www2 a b", "rename www2 " + "n" * 81):
            self.assertIn("error usage: rename", self.say(text))

    def test_typing_and_output(self) -> None:
        self.assertEqual(self.say("type web1 echo a  b"), "ok\n")
        self.assertTrue(self.world.proxy.data.endswith(b"\r\na b\r\n" + PROMPT))
        self.assertEqual(self.say(r"output web1 \r\n[x]\xff \e[0m"), "ok\n")
        self.assertTrue(self.world.proxy.data.endswith(b"\r\n[x]\xff \x1b[0m"))
        self.assertIn("error no VM", self.say("output nobody x"))

    def test_a_break(self) -> None:
        self.assertEqual(self.say("break web1"), "ok\n")
        self.assertEqual(self.say("break web1 control"), "error it cannot be said now\n")
        self.assertEqual(self.say("break web1 other"), "error usage: break NAME [control]\n")
        self.assertEqual(self.say("break db1"), "error it cannot be said now\n")

    def test_stats(self) -> None:
        self.say("vmotion web1")
        facts = json.loads(self.say("stats web1").removeprefix("ok "))
        self.assertEqual((facts["moves"], facts["lines"], facts["bytes_in"]), (1, 2, 0))
        self.assertEqual(facts["bytes_out"], len(self.world.output()))
        self.assertEqual(facts["migrations"][0]["target"], "127.0.0.2")
        self.assertEqual(facts["options_vm"], [0, 3, 232])

    def test_quit(self) -> None:
        self.assertEqual((self.say("quit"), self.ended), ("ok\n", [True]))

    def test_what_is_no_command(self) -> None:
        self.assertTrue(self.say("dance web1").startswith("error 'dance' is no command"))
        self.assertEqual(self.say(" \n"), "")
        self.assertEqual(self.say("stats"), "error usage: stats NAME\n")
        self.assertEqual(self.say("list\r\nlist").count("ok ["), 2)

    def test_a_line_that_never_ends(self) -> None:
        self.line.dataReceived(b"x" * (2 * LINE))
        self.assertEqual(self.transport.value(), b"error the line is too long\n")
        self.assertTrue(self.transport.disconnecting)

    def test_who_hangs_up_does_not_hear_the_answer(self) -> None:
        class Mute(Proxy):
            answers = False

        self.begin(World(Mute))
        self.say("vmotion web1")
        self.line.connectionLost()
        self.world.run(6)
        self.assertEqual(self.transport.value(), b"")


class EscapeTests(SynchronousTestCase):
    def test_escapes(self) -> None:
        for text, data in (
            (r"a\r\n\t\e\\r", b"a\r\n\t\x1b\\r"),
            (r"\x00\xFf\x4", b"\x00\xff\\x4"),
            ("ä\\q\\", "ä\\q\\".encode()),
        ):
            self.assertEqual(unescape(text), data)
