"""`accept` by an administrator who may not read the console of which he decides."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import ROOT, FakeChannel
from vspc.console.access import Operator
from vspc.vm.context import Zone
from vspc.wire.vmware import VmVcUuid

FRANK = Operator("frank", roles=frozenset({"admin"}))
"""An administrator whom no rule lets read anything."""

UUID = b"cd" * 16


class AcceptTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.vm = self.desk.host("10.1.1.4")
        self.vm.register(b"db", UUID)
        self.other = self.desk.host("10.1.1.9")
        self.other.register(b"db", UUID)
        self.vm.say(VmVcUuid(UUID))
        self.franks = self.desk.login(FRANK)
        (row,) = json.loads(self.say("list --json").text)
        self.handle = row["handle"]

    def say(self, line: str) -> FakeChannel:
        return self.desk.ask(line, self.franks)

    def is_at(self, address: str) -> None:
        rows = json.loads(self.desk.ask("list --json db", self.desk.login(ROOT)).text)
        self.assertEqual([row["address"] for row in rows], [address])

    def test_by_the_handle_that_list_shows(self) -> None:
        channel = self.say(f"accept {self.handle}")
        self.assertEqual(channel.status, 0)
        self.assertEqual(channel.text, f"{self.handle} at 10.1.1.9 is accepted\n")
        self.assertEqual(channel.complaint, "")
        self.assertTrue(self.vm.closed)
        self.is_at("10.1.1.9")
        root = self.desk.login(Operator("carol"))
        info = json.loads(self.desk.ask("info db --json", root).text)
        self.assertEqual(info["host_change"]["new"], "10.1.1.9")
        (console,) = self.desk.roster
        self.assertIsNone(console.link.unseen_change)
        (event,) = self.desk.audited("accept")
        self.assertEqual(event["name"], "db")
        self.assertEqual((event["host"], event["result"]), ("10.1.1.9", "ok"))

    def test_with_its_address(self) -> None:
        wrong = self.say(f"accept {self.handle} 10.1.1.4")
        self.assertEqual(wrong.status, 1)
        self.assertEqual(wrong.complaint, f"{self.handle} is at 10.1.1.9, not at 10.1.1.4\n")
        self.is_at("10.1.1.4")
        self.assertEqual(self.say(f"accept {self.handle} ::ffff:10.1.1.9").status, 0)
        self.is_at("10.1.1.9")
        self.assertEqual([e["result"] for e in self.desk.audited("accept")], ["failed", "ok"])

    def test_in_a_zone_and_of_a_port_with_a_label(self) -> None:
        zone = Zone("lab")
        first, other = self.desk.host("10.2.1.4", zone=zone), self.desk.host("10.2.1.9", zone=zone)
        first.register(b"db", UUID, b"vspc?port=ilo")
        other.register(b"db", UUID, b"vspc?port=ilo")
        first.say(VmVcUuid(UUID))
        handles = [row["handle"] for row in json.loads(self.say("list --json").text)]
        (handle,) = [each for each in handles if each.startswith("lab/") and each.endswith(":ilo")]
        name = handle.removeprefix("lab/")
        for wrong in (f"default/{name}", f"lab/{name}x", handle.replace(":ilo", ":x")):
            self.assertEqual(self.say(f"accept {wrong}").status, 3, wrong)
        self.assertEqual(self.say(f"accept {handle}").status, 0)
        self.assertTrue(first.closed)
        self.assertFalse(other.closed)

    def test_that_very_line_of_two_from_one_host(self) -> None:
        again = self.desk.host("10.1.1.9")
        again.register(b"db", UUID)
        self.vm.say(VmVcUuid(UUID))
        first, second = json.loads(self.say("list --json").text)
        last = second if first["handle"] == self.handle else first
        self.assertEqual(self.say(f"accept {last['handle']}").status, 0)
        self.assertFalse(again.closed)
        again.say(b"it is me")
        shown = self.desk.ask("raw db --from 0", self.desk.login(ROOT))
        self.assertIn("it is me", shown.text)

    def test_the_name_is_shown_to_an_operator_that_may_read_it(self) -> None:
        roots = self.desk.login(ROOT)
        channel = self.desk.ask(f"accept {self.handle}", roots)
        self.assertEqual((channel.status, channel.text), (0, "db is at 10.1.1.9 now\n"))

    def test_the_name_does_not_exist_for_an_operator_that_may_not_read_it(self) -> None:
        for line in ("accept db 10.1.1.9", "accept nothing 10.1.1.9"):
            self.assertEqual(self.say(line).status, 3, line)
        self.is_at("10.1.1.4")

    def test_one_that_has_gone_meanwhile(self) -> None:
        self.other.lose()
        self.assertEqual(self.say(f"accept {self.handle}").status, 3)

    def test_without_the_role_admin(self) -> None:
        self.assertEqual(self.desk.ask(f"accept {self.handle}").status, 3)
        self.assertEqual(self.desk.ask("accept db 10.1.1.9").status, 4)
        self.is_at("10.1.1.4")
