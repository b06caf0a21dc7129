"""`sessions`: who is in."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.verbs.opsdesk import CAROL, DAVE, KEY, OpsDesk
from tests.verbs.support import ALICE
from vspc.console.session import Proof


class Sessions(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.connected("web01", f"{1:032x}")
        self.desk.connected("secret", f"{2:032x}")
        proof = Proof("certificate", KEY, 7, "carol@ci", KEY.replace("x", "y"))
        self.carols = self.desk.login(CAROL, proof, "CHG1")
        self.desk.ask("raw web01", self.carols).type(b"x")
        self.desk.ask("raw secret", self.carols)
        self.daves = self.desk.login(DAVE)

    def test_an_administrator_sees_all_of_them(self) -> None:
        shown = json.loads(self.desk.ask("sessions --json", self.daves).text)
        self.assertEqual([each["operator"] for each in shown], ["carol", "dave"])
        (carol, dave) = shown
        self.assertEqual((carol["via"], carol["key_id"]), ("certificate", "carol@ci"))
        self.assertEqual((carol["fingerprint"], carol["serial"]), (KEY, 7))
        self.assertEqual((carol["reason"], carol["address"]), ("CHG1", "192.0.2.1"))
        self.assertEqual((carol["this"], dave["this"]), (False, True))
        self.assertRegex(carol["since"], r"\A20\d\d-.*Z\Z")

    def test_consoles_that_he_may_not_read_are_not_there(self) -> None:
        (carol, _) = json.loads(self.desk.ask("sessions --json", self.daves).text)
        self.assertEqual([each["console"] for each in carol["consoles"]], ["web01"])
        self.assertEqual(carol["consoles"][0]["writes"], True)

    def test_as_lines(self) -> None:
        self.desk.clock.advance(90)
        text = self.desk.ask("sessions", self.daves).text
        first, second, *_ = text.splitlines()
        self.assertIn(f"{self.carols.id}  carol  from 192.0.2.1  for 1m  by certificate", first)
        self.assertIn("reason CHG1", first)
        self.assertTrue(second.startswith("    web01  writes since 20"), second)
        self.assertIn("(this one)", text)

    def test_of_one_operator(self) -> None:
        shown = json.loads(self.desk.ask("sessions --operator carol --json", self.daves).text)
        self.assertEqual([each["id"] for each in shown], [self.carols.id])
        self.assertEqual(self.desk.ask("sessions --operator nobody", self.daves).text, "")

    def test_others_see_their_own(self) -> None:
        first, second = self.desk.login(ALICE), self.desk.login(ALICE)
        shown = json.loads(self.desk.ask("sessions --json", second).text)
        self.assertEqual([each["id"] for each in shown], [first.id, second.id])
        self.assertEqual(self.desk.ask("sessions --operator alice", first).status, 0)
        for name in ("carol", "nobody"):
            self.assertEqual(self.desk.ask(f"sessions --operator {name}", first).status, 4)

    def test_usage(self) -> None:
        for line in ("sessions x", "sessions --bogus", "sessions --operator"):
            self.assertEqual(self.desk.ask(line).status, 2)
