"""`doctor`: real lines that go wrong, and what operators are told of them."""

import json
from ipaddress import ip_network
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk
from tests.apps.support import BOB, XTERM
from tests.vm.support import VC_UUID
from vspc.apps.doctor.facts import ListenerFacts, Setup
from vspc.console.access import Access, Operator, Rule
from vspc.console.connection_history import ConnectionHistory
from vspc.vm.lines.comport import ComPortTerms
from vspc.wire import comport
from vspc.wire.telnet import COM_PORT, VMWARE, WILL, WONT, negotiation, subnegotiation
from vspc.wire.vmware import DoProxy, VmName, VmVcUuid


def suspend() -> bytes:
    """FLOWCONTROL-SUSPEND."""
    return subnegotiation(
        COM_PORT, comport.encode(comport.FlowControlSuspend(), comport.Side.CLIENT)
    )


READS_WEB = Rule(frozenset({"bob"}), ("web*",), frozenset({"read"}))
READS_ALL = Rule(frozenset({"dave", "carol"}), ("*",), frozenset({"read"}))
SETUP = Setup(
    "vspc.example.com",
    (ListenerFacts("telnet", "default", "tcp:13370", 13370),),
    (("default", (ip_network("10.0.0.0/8"),)),),
)


class Doctor(SynchronousTestCase):
    """bob reads `web*`; dave is an administrator who reads all."""

    def setUp(self) -> None:
        self.desk = desk = OpsDesk()
        history = ConnectionHistory(desk.clock.wall)
        desk.events.subscribe(history.on_event, *history.EVENTS)
        desk.rules = Access((READS_WEB, READS_ALL))
        desk.context = evolve(desk.context, connections=history, setup=lambda: SETUP)

    def ask(self, line: str, operator: Operator = DAVE) -> str:
        channel = self.desk.ask(line, self.desk.login(operator))
        self.assertEqual((channel.status, channel.complaint), (0, ""), line)
        return channel.text

    def found(self, words: str, operator: Operator = DAVE) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask(f"doctor {words} --json", operator))[
            "findings"
        ]
        return found

    def codes(self, words: str, operator: Operator = DAVE) -> list[str]:
        return [each["code"] for each in self.found(words, operator)]

    def assert_not_there(self, words: str, operator: Operator) -> None:
        channel = self.desk.ask(f"doctor {words}", self.desk.login(operator))
        text = f"no console {words.split()[0]}; `list` shows those there are\n"
        self.assertEqual((channel.status, channel.complaint), (3, text))
        self.assertEqual(channel.text, "")

    # VMs that are there

    def test_one_that_is_well(self) -> None:
        host = self.desk.host("10.0.0.1")
        host.register()
        host.say(b"login: ")
        for words in ("web01", "WEB", VC_UUID.decode().replace(" ", "")):
            self.assertEqual(self.codes(words), ["connected"], words)
        self.assertEqual(self.codes(""), ["well"])
        self.assertEqual(self.codes("", BOB), ["well"])

    def test_one_that_is_silent_then_away_and_then_forgotten(self) -> None:
        host = self.desk.host("10.0.0.1")
        host.register()
        self.assertEqual(self.codes("web01"), ["no-output"])
        host.lose()
        [found] = self.found("web01", BOB)
        self.assertEqual(found["code"], "away")
        self.assertIn("its host closed the connection", found["known"])
        [console] = self.desk.roster
        self.desk.server.forget(console)
        self.assertEqual(self.codes("web01"), ["forgotten"])
        self.assertEqual(self.codes("web01", BOB), ["forgotten"])

    def test_a_vmotion_that_is_open(self) -> None:
        host = self.desk.host("10.0.0.1")
        host.register()
        host.begin()
        self.assertEqual(self.codes("web01"), ["vmotion-open"])

    def test_one_that_has_suspended_input(self) -> None:
        host = self.desk.host("10.0.0.1", port=ComPortTerms())
        host.register()
        host.say(b"login: ", negotiation(WILL, COM_PORT), suspend())
        self.assertEqual(self.codes("web01"), ["suspended"])

    def test_a_line_that_claims_to_be_it_is_for_administrators(self) -> None:
        first = self.desk.host("10.0.0.1")
        first.register()
        self.desk.host("10.0.0.2").register()
        first.say(b"login: ", VmVcUuid(VC_UUID))  # the answer to the probe
        self.assertEqual(self.codes("web01"), ["claimed"])
        self.assertIn("10.0.0.2", self.found("web01")[0]["known"])
        self.assertEqual(self.codes("web01", BOB), ["connected"])
        [held] = [console for console in self.desk.roster if console.quarantined]
        self.assertEqual(self.codes(held.title), ["quarantined"])
        self.assert_not_there(held.title, BOB)

    # VMs that did not get in

    def test_a_wrong_service_uri_after_the_name_was_said(self) -> None:
        self.desk.host("10.0.0.5").agree().say(VmName(b"web07"), DoProxy(b"S", b"console"))
        for operator in (DAVE, BOB):
            [found] = self.found("web07", operator)
            self.assertEqual(found["code"], "service-uri")
            self.assertIn("it had said name 'web07', service URI 'console'", found["known"])
        self.assertEqual(self.codes(""), ["service-uri"])
        self.assertEqual(self.codes("10.0.0.5"), ["host", "service-uri"])

    def test_one_that_said_no_name_may_be_it_for_administrators(self) -> None:
        self.desk.host("10.0.0.5").agree().say(DoProxy(b"C", b"vspc"))
        self.assertEqual(self.codes("web07"), ["never-seen", "direction"])
        self.assert_not_there("web07", BOB)

    def test_a_remote_system_that_is_not_allowed(self) -> None:
        asks = DoProxy(b"C", b"tcp://192.0.2.1:23")
        self.desk.host("10.0.0.5").agree().say(VmName(b"web07"), asks)
        [found] = self.found("web07", DAVE)
        self.assertEqual(found["code"], "remote-system")
        self.assertIn('add to vm.dial_allow: "192.0.2.1:23"', found["do"])

    def test_a_remote_system_that_is_not_connected(self) -> None:
        self.desk.host("10.0.0.5", dial_allow=["192.0.2.1:23"]).register(
            uri=b"192.0.2.1:23", direction=b"C"
        )
        self.assertEqual(self.codes("web01"), ["no-remote", "no-output"])

    def test_after_it_got_in_what_came_before_is_over(self) -> None:
        self.desk.host("10.0.0.5").agree().say(VmName(b"web01"), DoProxy(b"S", b"console"))
        self.desk.clock.advance(1)
        host = self.desk.host("10.0.0.5")
        host.register()
        host.say(b"login: ")
        self.assertEqual(self.codes("web01"), ["connected"])
        self.assertEqual(self.codes(""), ["well"])

    def test_an_identification_that_is_not_finished(self) -> None:
        host = self.desk.host("10.0.0.5").agree()
        host.say(DoProxy(b"S", b"vspc"), VmName(b"web07"))
        self.desk.clock.advance(6)
        [found] = self.found("web07", BOB)
        self.assertEqual(found["code"], "identifying")
        self.assertIn("UUID is missing", found["known"])
        self.assertEqual(self.codes(""), ["identifying"])
        self.desk.clock.advance(30)
        self.assertEqual(self.codes("web07"), ["not-identified"])

    def test_no_extension(self) -> None:
        self.desk.host("10.0.0.5").say(negotiation(WONT, VMWARE))
        self.assertEqual(self.codes("10.0.0.5"), ["host", "no-extension"])

    def test_a_name_cannot_draw_on_a_terminal(self) -> None:
        self.desk.host("10.0.0.5").agree().say(
            VmName(b"web\x1b[2J"), DoProxy(b"S", b"x\x1b]0;\x07")
        )
        self.assertNotIn("\x1b", self.ask("doctor"))
        self.assertNotIn("\x1b", self.ask("doctor '\x1b[2J'"))

    # Those who ask

    def test_a_host_is_for_administrators(self) -> None:
        self.desk.host("10.0.0.1").register()
        self.assertEqual(self.codes("10.0.0.1")[0], "host")
        self.assertEqual(self.codes("::ffff:10.0.0.1")[0], "host")
        self.assert_not_there("10.0.0.1", BOB)
        self.assert_not_there("10.0.0.2", BOB)

    def test_a_refused_vm_is_for_those_who_might_read_it(self) -> None:
        self.desk.host("10.0.0.5").agree().say(VmName(b"secret"), DoProxy(b"S", b"console"))
        self.assertEqual(self.codes("secret"), ["service-uri"])
        self.assert_not_there("secret", BOB)
        self.assertEqual(self.codes("", BOB), ["well"])

    def test_a_console_that_an_administrator_may_not_read_was_never_seen(self) -> None:
        host = self.desk.host("10.0.0.1")
        host.register(b"secret")
        self.desk.rules = Access((Rule(frozenset({"dave"}), ("secret",), frozenset()), READS_ALL))
        there = self.ask("doctor secret")
        self.assertEqual(there, self.ask("doctor absent").replace("absent", "secret"))
        host.lose()
        [console] = self.desk.roster
        self.desk.server.forget(console)
        self.assertEqual(self.ask("doctor secret"), there)

    def test_the_server_probes_for_nobody(self) -> None:
        channel = self.desk.ask("doctor --probe 10.0.0.1:4001", self.desk.login(DAVE))
        self.assertEqual(channel.status, 2)
        self.assertIn("vspc doctor", channel.complaint)

    def test_an_empty_server_says_since_when_it_runs(self) -> None:
        self.desk.clock.advance(90)
        said = self.ask("doctor web07")
        self.assertIn("since the server started 1 min 30 s ago", said)
        self.assertIn("nc -z vspc.example.com 13370", said)
        self.assertIn("nobody has connected since", self.ask("doctor"))

    def test_on_a_terminal_it_fits(self) -> None:
        channel = self.desk.ask("doctor web07", self.desk.login(CAROL), XTERM)
        self.assertEqual(channel.status, 3)
        channel = self.desk.ask("doctor web07", self.desk.login(DAVE), XTERM)
        words = [line for line in channel.text.split("\r\n") if not line.startswith("    ")]
        self.assertTrue(all(len(line) <= 80 for line in words), words)
