"""`sessions`: who is in."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, KEY, OpsDesk
from tests.apps.support import ALICE, XTERM
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

    def test_consoles_that_do_not_exist_for_the_operator_are_left_out(self) -> None:
        (carol, _) = json.loads(self.desk.ask("sessions --json", self.daves).text)
        self.assertEqual([each["console"] for each in carol["consoles"]], ["web01"])
        self.assertEqual(carol["consoles"][0]["writes"], True)

    def test_as_a_table_with_the_consoles_below_each_session(self) -> None:
        self.desk.clock.advance(90)
        heading, first, second, *_, last = self.desk.ask("sessions", self.daves).text.splitlines()
        self.assertEqual(
            heading.split(), ["SESSION", "OPERATOR", "FROM", "FOR", "BY", "KEY", "REMARKS"]
        )
        facts = [self.carols.id, "carol", "192.0.2.1", "1m", "certificate"]
        self.assertEqual(first.split()[:5], facts)
        self.assertIn("key id carol@ci, reason CHG1", first)
        self.assertEqual(heading.index("KEY"), first.index("SHA256:"))
        self.assertTrue(second.startswith("    web01  writes since 20"), second)
        self.assertIn("this one", last)

    def test_on_a_terminal_the_key_gives_way(self) -> None:
        shown = self.desk.ask("sessions", self.daves, XTERM)
        self.assertRegex(shown.text, r"SHA256:x*…x+ ")
        reason = self.desk.ask("sessions", self.desk.login(DAVE, reason="a\\x1bb"), XTERM)
        self.assertIn("reason a\\x1bb", reason.text)

    def test_without_sessions(self) -> None:
        shown = self.desk.ask("sessions --operator nobody", self.daves)
        self.assertEqual((shown.text, shown.status), ("no sessions of nobody\n", 0))

    def test_of_one_operator(self) -> None:
        shown = json.loads(self.desk.ask("sessions --operator carol --json", self.daves).text)
        self.assertEqual([each["id"] for each in shown], [self.carols.id])

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
