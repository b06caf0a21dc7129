"""Sharing a pen with escape commands and verbs: what each terminal shows, and exit statuses."""

import json

from attrs import evolve

from tests.apps.opsdesk import CAROL, DAVE
from tests.apps.support import ALICE, XTERM, FakeChannel
from tests.apps.test_terminal import TerminalTest
from vspc.console.access import Access, Operator, Rule
from vspc.console.ports import Terminal

ERIN = Operator("erin")
RULES = Access(
    (
        Rule(frozenset({"dave"}), ("*",), frozenset({"read", "write", "admin"})),
        Rule(frozenset({"erin"}), ("*",), frozenset({"read", "write"})),
        Rule(frozenset({"bob"}), ("*",), frozenset({"read"})),
        Rule(frozenset({"*"}), ("*",), frozenset({"read", "write", "force", "join"})),
    )
)


class SharingTest(TerminalTest):
    def setUp(self) -> None:
        super().setUp()
        self.desk.rules = RULES
        self.alice, self.carol = self.attach(), self.attach(CAROL)
        self.alice.type(b"a")
        self.shown()

    def shown(self) -> None:
        """Forget what the terminals have shown."""
        self.desk.turn()
        for each in (self.alice, self.carol):
            each.output.clear()

    def keys(self, channel: FakeChannel, keys: bytes) -> str:
        """What it shows then."""
        self.shown()
        channel.type(keys)
        self.desk.run_on(3)
        return channel.text

    def say(self, line: str, operator: Operator, terminal: Terminal | None = None) -> FakeChannel:
        """A verb in a session of its own."""
        session = self.desk.login(operator)
        channel = self.desk.ask(line, session, terminal)
        self.desk.run_on(3)
        self.desk.sessions.leave(session)
        self.desk.run_on(3)
        return channel

    def writers(self) -> list[str]:
        (row,) = json.loads(self.say("list --json", ALICE).text)
        found: list[str] = row["writers"]
        return found


class Escapes(SharingTest):
    def test_asking_and_a_yes(self) -> None:
        shown = self.keys(self.carol, b"\x05ck")
        asked = "[alice was asked for the pen: no answer in 20 s is a yes; you are number 1 in"
        self.assertIn(asked, shown)
        self.assertIn("[carol asks for the pen: ^Ecy gives it, ^EcN refuses]", self.alice.text)
        self.assertIn("^Ecy yes, to who asks", self.keys(self.alice, b"\x05c?"))
        self.assertIn(
            "[carol has the pen now; you are reading now]", self.keys(self.alice, b"\x05cy")
        )
        self.assertIn("[you have the pen now: alice gave it]", self.carol.text)
        self.assertEqual(self.writers(), ["carol"])
        results = [each["result"] for each in self.desk.audited("ask")]
        self.assertEqual(results, ["asked", "given"])
        (given,) = self.desk.audited("give")
        self.assertEqual((given["result"], given["from_operator"]), ("asked", "alice"))

    def test_a_no(self) -> None:
        self.keys(self.carol, b"\x05ck")
        self.assertIn("[you keep the pen]", self.keys(self.alice, b"\x05cN"))
        self.assertIn("[alice keeps the pen]", self.carol.text)
        self.assertIn("[nobody asks you]", self.keys(self.alice, b"\x05cN"))

    def test_a_holder_who_never_answers(self) -> None:
        self.keys(self.carol, b"\x05ck")
        self.desk.clock.advance(20)
        self.assertEqual(self.writers(), ["carol"])
        self.assertIn("alice did not answer", self.carol.text)

    def test_waiting_in_line_and_leaving_it(self) -> None:
        line = "[alice is typing on web01: you are number 1 in line; ^Eck asks for it, ^Ecf"
        self.assertIn(line, self.keys(self.carol, b"\x05ca"))
        self.assertIn("[carol waits for the pen; ^Ecs lays it down]", self.alice.text)
        self.assertIn("web01  carol  waits, number 1  from ", self.keys(self.carol, b"\x05cw"))
        shown = self.keys(self.carol, b"\x05cs")
        self.assertIn("[you only read now, and are no longer in line; ^Eca asks", shown)
        self.keys(self.alice, b"\x05cs")
        self.assertEqual(self.writers(), [])

    def test_joining(self) -> None:
        self.assertIn("[you type on web01]", self.keys(self.carol, b"\x05cj"))
        self.assertIn("[carol types here, too]", self.alice.text)
        self.alice.type(b"b")
        self.carol.type(b"c")
        self.assertEqual((self.sent(), self.writers()), (b"abc", ["alice", "carol"]))
        self.assertIn("alice and carol write", self.attach(ERIN).text)
        self.keys(self.alice, b"\x05cs")
        self.assertEqual(self.writers(), ["carol"])

    def test_joining_without_the_right(self) -> None:
        erin = self.attach(ERIN)
        shown = self.keys(erin, b"\x05cj")
        self.assertIn("alice is typing on web01, and no rule lets you join", shown)
        self.assertNotIn("^Ecj", self.keys(erin, b"\x05c?"))

    def test_locking_with_a_reason_and_unlocking(self) -> None:
        shown = self.keys(self.alice, b"\x05cLfirmware\r")
        self.assertIn("locked the pen for 1 h (firmware)]", shown)
        self.assertIn("[alice locked the pen for 1 h (firmware)]", self.carol.text)
        refused = self.keys(self.carol, b"\x05cf")
        self.assertIn("[web01 is locked by alice (firmware) until ", refused)
        self.assertIn("[web01 is locked by alice", self.keys(self.carol, b"\x05cU"))
        self.assertIn("alice writes, locked by alice (firmware) until", self.attach(ERIN).text)
        self.assertIn("the lock of alice is over", self.keys(self.alice, b"\x05cU"))
        self.assertIn("[the lock of alice is over: alice ended it]", self.carol.text)
        self.assertIn("[web01 is not locked]", self.keys(self.alice, b"\x05cU"))
        results = [each["result"] for each in self.desk.audited("lock")]
        self.assertEqual(results, ["locked", "unlocked"])

    def test_a_reason_that_would_change_the_screen_of_others(self) -> None:
        self.keys(self.alice, "\x05cL\u202eevil\u0007\r".encode())
        self.assertNotIn("\u202e", self.carol.text)
        self.assertIn("locked the pen for 1 h", self.carol.text)

    def test_an_administrator_forces_a_lock(self) -> None:
        self.keys(self.alice, b"\x05cL\r")
        dave = self.attach(DAVE)
        self.assertIn("; ^Ecf takes the pen]", self.keys(dave, b"\x05ca"))
        self.assertIn("^Ecf take the pen", self.keys(dave, b"\x05c?"))
        self.keys(dave, b"\x05cf")
        self.assertIn("[the lock of alice is over: dave forced it]", self.alice.text)
        self.assertEqual(self.writers(), ["dave"])
        dave.output.clear()
        self.assertNotIn("^Ecf take the pen", self.keys(dave, b"\x05c?"))

    def test_who_cannot_lock_it_is_not_asked_for_a_reason(self) -> None:
        shown = self.keys(self.carol, b"\x05cL")
        self.assertIn("[alice is typing on web01: you do not have the pen; ", shown)
        self.assertNotIn("reason", shown)

    def test_who_may_not_is_shown_no_such_command(self) -> None:
        reader = self.attach(Operator("bob"))
        shown = self.keys(reader, b"\x05c?")
        for each in "akyNfjLUs":
            self.assertNotIn(f"^Ec{each} ", shown)
        for key in (b"a", b"k", b"f", b"j"):
            self.assertIn("you have no right to type on web01", self.keys(reader, b"\x05c" + key))


class Verbs(SharingTest):
    def test_lock_and_unlock(self) -> None:
        channel = self.say("lock web01 --for 2h -- --keep out", ALICE)
        self.assertEqual(channel.status, 0)
        self.assertRegex(
            channel.text, r"\Aweb01 is locked by alice \(--keep out\) until 20\S+Z\n\Z"
        )
        (row,) = json.loads(self.say("list --json", CAROL).text)
        lock = row["lock"]
        self.assertEqual(
            (lock["operator"], lock["reason"], lock["lease"], lock["keep"]),
            ("alice", "--keep out", False, False),
        )
        self.assertIn("locked by alice (--keep out) until", self.say("list", CAROL).text)
        self.assertIn("lock: locked by alice", self.say("info web01", CAROL).text)
        self.assertEqual(self.say("unlock web01", CAROL).status, 4)
        send = self.say("send web01 x --force", CAROL)
        self.assertEqual(send.status, 4)
        self.assertIn("web01 is locked by alice", send.complaint)
        self.assertEqual(self.say("unlock web01", ALICE).status, 0)
        self.assertEqual(self.say("unlock web01", ALICE).status, 1)

    def test_a_lock_from_elsewhere_is_kept_or_refused(self) -> None:
        self.alice.close()
        channel = self.say("lock web01 night shift", ERIN)
        self.assertEqual(channel.status, 1)
        self.assertIn("`lock web01 --keep` keeps it", channel.complaint)

    def test_a_kept_lock_outlives_its_session(self) -> None:
        self.alice.close()
        self.assertEqual(self.say("lock web01 --keep", ERIN).status, 0)
        self.assertIn("web01 is locked by erin", self.keys(self.carol, b"\x05ca"))
        self.assertEqual(self.say("unlock web01", DAVE).status, 0)

    def test_a_lock_is_refused_while_another_types(self) -> None:
        self.assertEqual(self.say("lock web01 --keep", CAROL).status, 4)
        self.assertEqual(self.say("lock web01 --for 25h --keep", ALICE).status, 2)
        self.assertEqual(self.say("lock web01 --keep", Operator("bob")).status, 4)

    def test_ask(self) -> None:
        channel = self.say("ask web01", CAROL)
        self.assertEqual(channel.status, 0)
        self.assertIn("alice was asked for the pen of web01: no answer in 20 s", channel.text)
        self.assertIn("[carol asks for the pen: ^Ecy gives it", self.alice.text)
        self.keys(self.alice, b"\x05cy")
        self.assertEqual(self.say("ask web01", CAROL).text, "you have the pen of web01\n")

    def test_ask_without_a_terminal_there(self) -> None:
        channel = self.say("ask web01", ERIN)
        self.assertEqual(channel.status, 1)
        self.assertIn("you are not on web01", channel.complaint)

    def test_ask_while_a_program_types(self) -> None:
        self.alice.close()
        raw = self.desk.ask("raw web01", self.desk.login(ERIN))
        raw.type(b"x")
        channel = self.say("ask web01", CAROL)
        self.assertEqual((channel.status, self.writers()), (1, ["erin"]))
        self.assertIn("a program has the pen of web01, and cannot be asked", channel.complaint)

    def test_ask_while_it_is_free(self) -> None:
        self.alice.close()
        channel = self.say("ask web01", CAROL)
        self.assertEqual(channel.text, "your terminal has the pen of web01: it was free\n")

    def test_give(self) -> None:
        self.assertEqual(self.say("give web01 carol", ALICE).text, "carol has the pen of web01\n")
        self.assertIn("[carol has the pen now; you are reading now]", self.alice.text)
        self.assertEqual(self.writers(), ["carol"])
        self.assertEqual(self.say("give web01 carol", ALICE).status, 1)

    def test_a_login_that_only_reads_gives_nothing(self) -> None:
        channel = self.desk.ask("give web01 carol", evolve(self.desk.login(), read_only=True))
        self.desk.run_on(3)
        self.assertEqual(channel.status, 4)
        self.assertEqual(self.writers(), ["alice"])

    def test_give_to_nobody_and_to_one_who_may_not(self) -> None:
        self.assertEqual(self.say("give web01 nobody", ALICE).status, 1)
        self.attach(Operator("bob"), terminal=XTERM)
        channel = self.say("give web01 bob", ALICE)
        self.assertIn("bob has no right to type on web01", channel.complaint)
        self.assertEqual((channel.status, self.writers()), (1, ["alice"]))
