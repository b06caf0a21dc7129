"""`kick`: somebody is sent off a console, or out."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk
from tests.apps.support import ALICE, BOB, ROOT, XTERM
from vspc.console.access import Access, Rule

EVERY = frozenset({"read", "write", "break", "force", "admin"})


class KickCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.secret, _ = self.desk.connected("secret", f"{2:032x}")
        self.carols = self.desk.login(CAROL)
        self.there = self.desk.ask("console web01", self.carols, XTERM)
        self.there.type(b"x")


class OffAConsole(KickCase):
    def test_with_the_right_on_that_console(self) -> None:
        self.desk.rules = Access((Rule(frozenset({"*"}), ("web*",), EVERY),))
        spy = self.desk.ask("raw web01 ro", self.carols)
        mine = self.desk.login()
        channel = self.desk.ask("kick web01 carol", mine)
        self.assertEqual((channel.status, channel.text), (0, "carol was removed from web01\n"))
        self.assertEqual((self.there.status, spy.status), (1, 1))
        self.assertIn("removed by alice]", self.there.text)
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual(self.desk.ask("send web01 y", mine).status, 0)
        self.there.type(b"z")
        self.assertEqual(bytes(self.line.sent), b"xy")
        self.assertEqual(self.desk.ended, {})
        (event,) = self.desk.audited("kick")
        self.assertEqual((event["kind"], event["count"]), ("console", 2))
        self.assertEqual((event["subject"], event["name"]), ("carol", "web01"))

    def test_as_an_administrator(self) -> None:
        channel = self.desk.ask("kick web01 carol --json", self.desk.login(DAVE))
        (ended,) = json.loads(channel.text)
        self.assertEqual((ended["operator"], ended["console"]), ("carol", "web01"))
        self.assertEqual((ended["session"], ended["wrote"]), (self.carols.id, True))

    def test_one_that_does_not_read_goes_at_once(self) -> None:
        slow = self.desk.ask("raw web01", self.carols, window=0)
        self.web.link.output(b"x" * 1000)
        self.desk.ask("kick web01 carol", self.desk.login(DAVE))
        self.assertEqual(slow.status, 1)
        self.assertFalse(self.web.attachments)

    def test_waiting_input_of_a_removed_operator_is_dropped(self) -> None:
        self.web.link.migrate()
        self.there.type(b"rm -rf /\r")
        self.desk.ask("kick web01 carol", self.desk.login(DAVE))
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"x")
        self.assertEqual(self.desk.delivered(), (1, 9))
        self.assertIn("removed by dave; 9 bytes not sent]", self.there.text)

    def test_without_the_right(self) -> None:
        channel = self.desk.ask("kick web01 carol")
        self.assertEqual(channel.status, 4)
        self.assertIsNone(self.there.status)
        self.assertEqual(self.desk.audited("denied")[0]["verb"], "kick")

    def test_an_operator_that_is_not_attached(self) -> None:
        channel = self.desk.ask("kick web01 'bob\x1b'", self.desk.login(DAVE))
        self.assertEqual((channel.status, channel.complaint), (1, "bob\\x1b is not on web01\n"))
        self.assertEqual(self.desk.audited("kick")[0]["count"], 0)

    def test_a_console_that_does_not_exist_for_the_operator(self) -> None:
        self.assertEqual(self.desk.ask("kick secret carol", self.desk.login(DAVE)).status, 3)

    def test_usage(self) -> None:
        for line in (
            "kick",
            "kick web01",
            "kick web01 a b",
            "kick --session",
            "kick --all-writers web01",
            "kick --session a --operator b",
            "kick --bogus",
        ):
            self.assertEqual(self.desk.ask(line, self.desk.login(DAVE)).status, 2, line)


class Out(KickCase):
    def setUp(self) -> None:
        super().setUp()
        self.daves = self.desk.login(DAVE)
        self.ends: list[str] = []

    def test_a_session(self) -> None:
        channel = self.desk.ask(f"kick --session {self.carols.id}", self.daves)
        self.assertEqual((channel.status, channel.text), (0, "1 session was ended: carol\n"))
        self.assertEqual(self.desk.ended, {self.carols.id: "session ended by dave"})
        self.assertFalse(self.web.attachments)
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual(self.desk.ask("kick --session nobody", self.daves).status, 1)

    def test_all_of_an_operator(self) -> None:
        more = self.desk.login(CAROL)
        channel = self.desk.ask("kick --operator carol --json", self.daves)
        self.assertEqual(
            [e["session"] for e in json.loads(channel.text)], [self.carols.id, more.id]
        )
        self.assertEqual(set(self.desk.ended), {self.carols.id, more.id})
        self.assertEqual(self.desk.audited("kick")[0]["operators"], "carol")
        self.assertEqual(self.desk.ask("kick --operator carol", self.daves).status, 1)

    def test_not_oneself(self) -> None:
        other = self.desk.login(DAVE)
        self.assertEqual(self.desk.ask(f"kick --session {self.daves.id}", self.daves).status, 1)
        self.assertEqual(self.desk.ask("kick --operator dave", self.daves).status, 0)
        self.assertEqual(set(self.desk.ended), {other.id})
        again = self.desk.ask("kick --operator dave", self.daves)
        self.assertEqual(again.complaint, "dave has no other session\n")

    def test_all_writers(self) -> None:
        reads = self.desk.ask("raw web01", self.desk.login(BOB))
        hidden = self.desk.ask("raw secret", self.carols)
        hidden.type(b"h")
        channel = self.desk.ask("kick --all-writers", self.daves)
        self.assertEqual(channel.status, 0)
        self.assertEqual((self.there.status, hidden.status, reads.status), (1, 1, None))
        removed = "2: carol on web01, 1 on consoles that you may not read\n"
        self.assertEqual(channel.text, "writers removed: " + removed)
        self.assertNotIn("secret", channel.text)
        self.assertEqual(self.desk.audited("kick")[0]["count"], 2)
        self.assertEqual(self.desk.ended, {})
        nobody = self.desk.ask("kick --all-writers", self.daves)
        self.assertEqual(nobody.text, "writers removed: none\n")

    def test_all_writers_as_json_without_names_of_unreadable_consoles(self) -> None:
        hidden = self.desk.ask("raw secret", self.carols)
        hidden.type(b"h")
        channel = self.desk.ask("kick --all-writers --json", self.daves)
        seen, unseen = sorted(json.loads(channel.text), key=lambda each: not each["operator"])
        self.assertEqual((seen["operator"], seen["console"]), ("carol", "web01"))
        self.assertEqual(set(unseen), set(seen))
        self.assertEqual({value for value in unseen.values() if value}, {True})

    def test_a_session_by_the_beginning_of_its_id(self) -> None:
        there = [self.desk.login(CAROL) for _ in range(12)]
        ambiguous = self.desk.ask("kick --session session1", self.daves)
        self.assertEqual(ambiguous.status, 0)  # an id itself is no beginning
        many = self.desk.ask("kick --session sess", self.daves)
        self.assertEqual(many.status, 1)
        self.assertIn("13 sessions begin with 'sess': session2, ", many.complaint)
        self.assertIn(", ...", many.complaint)
        for word in ("nobody", "''", "session14x"):
            none = self.desk.ask(f"kick --session {word}", self.daves)
            self.assertEqual(none.status, 1)
            self.assertIn("no session '", none.complaint)
        mine = there[-1].id
        self.assertEqual(mine, "session14")
        self.assertEqual(self.desk.ask("kick --session session14", self.daves).status, 0)
        self.assertEqual(self.desk.ask("kick --session=session13", self.daves).status, 0)
        self.assertEqual(self.desk.audited("kick")[-1]["subject"], "session13")

    def test_the_beginning_counts_where_only_one_has_it(self) -> None:
        other = self.desk.login(CAROL)
        self.assertEqual(other.id, "session3")
        self.desk.sessions.enter(evolve(other, id="abcdef012345"), self.ends.append)
        channel = self.desk.ask("kick --session abc --json", self.daves)
        self.assertEqual(json.loads(channel.text)[0]["session"], "abcdef012345")
        self.assertEqual(self.desk.audited("kick")[-1]["subject"], "abcdef012345")
        self.assertEqual(len(self.ends), 1)

    def test_but_not_the_own_session(self) -> None:
        roots = self.desk.login(ROOT)
        db, _ = self.desk.connected("db", f"{3:032x}")
        own = self.desk.ask("raw db", roots)
        own.type(b"x")
        self.desk.ask("kick --all-writers", roots)
        self.assertIsNone(own.status)
        self.assertIsNotNone(db.pen.holder)

    def test_only_administrators(self) -> None:
        session = self.desk.login(ALICE)
        for line in (f"kick --session {self.carols.id}", "kick --session x", "kick --all-writers"):
            self.assertEqual(self.desk.ask(line, session).status, 4, line)
        self.assertEqual(self.desk.ended, {})
