"""Commands to a running simulator: one line each, one line of answer each."""

import json

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import Proxy
from tests.simulator.support import PROMPT, World
from vspc.simulator import extension as ext
from vspc.simulator.arguments import unescape
from vspc.simulator.control import LINE, ControlLine, SimulatorControl
from vspc.simulator.extension import spelled_uuid

HERE, THERE = "127.0.0.1", "127.0.0.2"


class ControlTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.begin(World())

    def begin(self, world: World) -> None:
        self.world = world
        self.world.start()
        self.ended: list[bool] = []
        fleet = self.world.fleet(self.world.make("db1"))
        control = SimulatorControl(fleet, lambda: self.ended.append(True))
        self.line = ControlLine(control)
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
        self.assertEqual(
            self.say("vmotion web1"), "error VMOTION-NOTNOW from the proxy after 0 ms\n"
        )
        self.begin(World(Mute))
        self.assertEqual(self.say("vmotion web1"), "")
        self.assertEqual(self.say("list"), "")
        self.world.run(5.1)
        failed, listed, _ = self.transport.value().decode().split("\n")
        self.assertRegex(failed, r"error failed after 50\d\d ms: no answer to VMOTION-BEGIN")
        self.assertTrue(listed.startswith("ok ["))

    def test_rename(self) -> None:
        self.assertEqual(self.say("rename web1 www"), "ok\n")
        self.assertEqual(self.say("rename web1 x"), "error unknown VM 'web1'\n")
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
        self.assertIn("error unknown VM", self.say("output nobody x"))

    def test_a_break(self) -> None:
        self.assertEqual(self.say("break web1"), "ok\n")
        self.assertEqual(self.say("break web1 control"), "error it cannot be sent now\n")
        self.assertEqual(self.say("break web1 other"), "error usage: break NAME [control|both]\n")
        self.assertEqual(self.say("break db1"), "error it cannot be sent now\n")

    def test_stats(self) -> None:
        self.say("vmotion web1")
        facts = json.loads(self.say("stats web1").removeprefix("ok "))
        self.assertEqual((facts["moves"], facts["lines"], facts["bytes_in"]), (1, 2, 0))
        self.assertEqual(facts["bytes_out"], len(self.world.output()))
        self.assertEqual(facts["migrations"][0]["target"], "127.0.0.2")
        self.assertEqual(facts["options_vm"], [0, 3, 232])

    def test_a_stun_and_a_restart(self) -> None:
        self.assertEqual(self.say("stun db1 5"), "error it is off\n")
        self.assertEqual(self.say("stun web1"), "error usage: stun NAME SECONDS\n")
        self.assertIn("error 'x' is not a time", self.say("stun web1 x"))
        self.assertEqual(self.say("stun web1 5"), "ok\n")
        self.assertEqual(self.say("stun web1 5"), "error it is stunned\n")
        self.assertEqual(self.say("vmotion web1"), "error it is stunned\n")
        self.assertEqual(self.say("restart web1"), "error it is on\n")
        self.assertEqual(self.say("restart db1"), "ok\n")
        self.assertEqual(self.states(), {"web1": ("stunned", HERE), "db1": ("connected", THERE)})

    def states(self) -> dict[str, tuple[str, str]]:
        facts = json.loads(self.say("list").removeprefix("ok "))
        return {vm["name"]: (vm["state"], vm["address"]) for vm in facts}

    def test_a_host_dies_and_another_takes_over(self) -> None:
        self.assertEqual(self.say(f"crash {HERE} x"), "error usage: crash ADDRESS\n")
        self.assertEqual(self.say(f"crash {THERE}"), f"error no VM is on at {THERE}\n")
        self.say("on db1")
        self.assertEqual(self.say(f"crash {HERE}"), 'ok ["web1", "db1"]\n')
        self.assertEqual(self.states(), {"web1": ("crashed", HERE), "db1": ("crashed", HERE)})
        self.assertEqual(self.say(f"restart db1 {THERE}"), "ok\n")
        self.assertEqual(self.say(f"ha {THERE} 127.0.0.3"), 'ok ["db1"]\n')
        self.assertEqual(self.states()["db1"], ("connected", "127.0.0.3"))
        self.assertEqual(self.say(f"revive {HERE}"), "ok 2\n")
        self.assertEqual(
            self.say(f"revive {HERE}"), f"error no host died at {HERE}, or it left no line\n"
        )

    def test_an_evacuation_reports_every_vm(self) -> None:
        self.say("on db1")
        self.say("stun db1 9")
        said = self.say(f"evacuate {HERE} {THERE}")
        self.assertEqual(
            json.loads(said.removeprefix("ok ")),
            {
                "moved": 1,
                "failed": 1,
                "vms": {
                    "web1": f"moved in 0 ms from {HERE} to {THERE}",
                    "db1": "did not begin: it is stunned",
                },
            },
        )
        self.assertEqual(self.say("evacuate 127.0.0.7 ::1"), "error no VM is on at 127.0.0.7\n")

    def test_lies(self) -> None:
        said = self.say(rf"lie {THERE} as=web1 uri=vspc text=canary\s1 early")
        self.assertEqual(said, "ok 1\n")
        self.world.proxy.type(b"secret")
        self.world.run()
        self.assertEqual(self.world.proxy.data, b"canary 1canary 1")
        [lie] = json.loads(self.say("lies").removeprefix("ok "))
        uuid = self.world.vm.identity.vc_uuid
        self.assertEqual((lie["number"], lie["name"], lie["uuid"]), (1, "web1", uuid))
        self.assertEqual((lie["state"], lie["heard"]), ("accepted", "secret"))
        self.assertIn(b"secret".hex(), lie["wire"])
        self.assertEqual(self.say("lie-output 1 more"), "ok\n")
        self.assertTrue(self.world.proxy.data.endswith(b"1more"))
        other = "00" * 16
        self.assertEqual(self.say(f"lie-change 1 uuid={other} name=db1"), "ok\n")
        self.assertEqual(self.world.proxy.heard[-1], (ext.NAME, b"db1"))
        self.assertEqual(self.world.proxy.heard[-2], (ext.VC_UUID, spelled_uuid(other)))
        self.assertEqual(self.say("lie-end 1"), "ok\n")
        self.assertTrue(self.world.proxy.lost)

    def test_a_lie_about_nobody_in_particular(self) -> None:
        self.assertEqual(self.say("lie ::1 name=ghost uuid="), "ok 1\n")
        self.assertIn((ext.NAME, b"ghost"), self.world.proxy.heard)
        self.assertIn((ext.VC_UUID, b""), self.world.proxy.heard)

    def test_lies_that_cannot_be_told(self) -> None:
        for text, reason in (
            ("lie", "usage: lie ADDRESS"),
            ("lie here", "'here' is not an address"),
            ("lie ::1 as=nobody", "unknown VM 'nobody'"),
            ("lie ::1 uuid=12", "is not a UUID"),
            ("lie ::1 peer=x", "is not hex"),
            ("lie ::1 name=a name=b", "is there twice"),
            ("lies x", "usage: lies"),
            ("lie-end 1", "unknown lie '1'"),
            ("lie-output x y", "unknown lie 'x'"),
        ):
            said = self.say(text)
            self.assertTrue(said.startswith("error "), said)
            self.assertIn(reason, said)

    def test_the_number_of_an_impostor_is_read_whole(self) -> None:
        self.say("lie 127.0.0.66")
        for number in ("0000000010", "9" * 5000):
            self.assertIn("error unknown lie", self.say(f"lie-end {number}"))
        self.assertEqual(self.say("lie-end 0000000001"), "ok\n")

    def test_quit(self) -> None:
        self.assertEqual((self.say("quit"), self.ended), ("ok\n", [True]))

    def test_what_is_no_command(self) -> None:
        self.assertTrue(self.say("dance web1").startswith("error unknown command 'dance'"))
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
            (r"\x00\xFf\x4\s", b"\x00\xff\\x4 "),
            ("ä\\q\\", "ä\\q\\".encode()),
        ):
            self.assertEqual(unescape(text), data)
