"""Named sequences and SysRq, from the verb `break`: steps in order, and what stops them."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, FakeChannel
from vspc.apps.typing.task import TIMEOUT
from vspc.config.breaks import BreakStep
from vspc.config.settings import BreakSettings
from vspc.console.access import Access, Rule, Subject

BREAK = BreakStep()
KDB = BreakSettings("kdb", (BREAK, BreakStep(delay=0.5), BreakStep(b"g"), BREAK))
TWO = BreakSettings("two", (BREAK, BreakStep(delay=2.0), BREAK))


class SequenceTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        object.__setattr__(self.desk.context, "break_sequences", self.sequences)

    def sequences(self, subject: Subject) -> Sequence[BreakSettings]:
        return (KDB, TWO) if subject.name == "web01" else ()

    def ask(self, line: str) -> FakeChannel:
        channel = self.desk.ask(line, self.desk.login(ALICE))
        self.desk.run_on(3)
        return channel

    def ends(self, channel: FakeChannel, status: int, complaint: str = "") -> None:
        self.assertEqual(channel.status, status, channel.complaint)
        self.assertIn(complaint, channel.complaint)
        self.assertFalse([each for each in self.web.attachments if each.operator == ALICE])

    def recorded(self) -> list[tuple[object, object, object]]:
        found = self.desk.audited("break-sequence")
        return [(each["sequence"], each["result"], each.get("detail")) for each in found]


class Sequences(SequenceTest):
    def test_steps_in_order_with_their_delays(self) -> None:
        channel = self.ask("break web01 --sequence kdb")
        self.assertEqual(self.line.log, ["BREAK"])
        self.desk.clock.advance(0.4)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(0.1)
        self.desk.run_on(3)
        self.assertEqual(self.line.log, ["BREAK", b"g", "BREAK"])
        self.ends(channel, 0)
        self.assertEqual(self.recorded(), [("kdb", "ok", None)])

    def test_breaks_alone_need_no_right_to_write(self) -> None:
        self.desk.rules = Access(
            (Rule(frozenset({"alice"}), ("*",), frozenset({"read", "break"})),)
        )
        channel = self.ask("break web01 --sequence two")
        self.desk.clock.advance(2)
        self.desk.run_on(3)
        self.ends(channel, 0)
        self.ends(self.ask("break web01 --sequence kdb"), 4, "you have no right to type on web01")
        self.assertEqual(self.line.log, ["BREAK", "BREAK"])

    def test_the_pen_is_taken_in_the_middle(self) -> None:
        channel = self.ask("break web01 --sequence kdb")
        self.desk.console_attachment(self.web, CAROL).take_pen(force=True)
        self.desk.clock.advance(0.2)
        self.desk.run_on(3)
        self.ends(channel, 4, "kdb stopped at step 2 of 4: carol is typing on web01")
        self.assertEqual(self.line.log, ["BREAK"])
        self.assertEqual(self.recorded(), [("kdb", "refused", "pen")])

    def test_the_vm_goes_in_the_middle(self) -> None:
        channel = self.ask("break web01 --sequence two")
        self.web.link.disconnect("off")
        self.desk.run_on(3)
        self.ends(channel, 1, "two stopped at step 2 of 3: web01 is away")

    def test_the_console_vanishes_in_the_middle(self) -> None:
        channel = self.ask("break web01 --sequence two")
        for attachment in self.web.attachments:
            attachment.expel("it was forgotten")
        self.desk.run_on(3)
        self.ends(channel, 1, "two stopped at step 2 of 3: it was forgotten")

    def test_the_host_changes_in_the_middle(self) -> None:
        channel = self.ask("break web01 --sequence two")
        next(iter(self.web.attachments)).must_ask = True
        self.desk.clock.advance(2)
        self.desk.run_on(3)
        self.ends(channel, 1, "the host of web01 has changed")

    def test_a_vmotion_in_the_middle_puts_the_rest_off(self) -> None:
        self.web.link.migrate()
        channel = self.ask("break web01 --sequence kdb")
        self.desk.clock.advance(30)
        self.desk.run_on(3)
        self.assertEqual((self.line.log, channel.status), ([], None))
        self.web.link.end_migration("it stays")
        self.desk.run_on(3)
        self.assertEqual(self.line.log, ["BREAK"])
        self.desk.clock.advance(0.5)
        self.desk.run_on(3)
        self.assertEqual(self.line.log, ["BREAK", b"g", "BREAK"])
        self.ends(channel, 0)

    def test_a_vm_that_takes_no_input_is_given_up(self) -> None:
        self.line.suspended = True
        channel = self.ask("break web01 --sequence kdb")
        self.desk.run_on(int(TIMEOUT / 5) + 2, 5.0)
        self.ends(channel, 5, "kdb stopped at step 1 of 4: web01 took no input for 60 s")
        self.assertEqual(self.web.input.waiting, 0)

    def test_names(self) -> None:
        self.ends(self.ask("break web01 --sequence x"), 2, "no sequence 'x' for web01; there are")
        self.desk.connected("db01", f"{2:032x}")
        channel = self.ask("break db01 --sequence kdb")
        self.assertIn("[[break]] in the configuration has none for it", channel.complaint)
        self.assertEqual(self.ask("break web01 --list").text, "^Ecl1   kdb\n^Ecl2   two\n")
        self.ends(self.ask("break web01 --list --sequence kdb"), 2, "exclude each other")
        self.ends(self.ask("break web01 --yes"), 2, "--yes confirms")

    def test_rights(self) -> None:
        reader = self.desk.ask("break web01 --sequence kdb", self.desk.login(BOB))
        self.assertEqual(reader.status, 4)
        self.desk.rules = Access(
            (Rule(frozenset({"alice"}), ("*",), frozenset({"read", "write"})),)
        )
        channel = self.ask("break web01 --sequence kdb")
        self.ends(channel, 4, "you have no right to send a BREAK to web01")


class SysRq(SequenceTest):
    def test_a_break_and_the_key(self) -> None:
        channel = self.ask("break web01 --sysrq b --yes")
        self.assertEqual(self.line.log, ["BREAK", b"b"])
        self.ends(channel, 0)
        self.assertEqual(self.recorded(), [("sysrq-b", "ok", None)])

    def test_it_is_not_sent_unless_confirmed(self) -> None:
        channel = self.ask("break web01 --sysrq b")
        self.ends(channel, 2, "SysRq b on web01: reboot at once, without sync; nothing was sent")
        self.assertEqual(self.line.log, [])

    def test_a_key_that_cannot_be_one(self) -> None:
        for key in ("bb", "'\x1b'", "-", "''", "\u00e9"):
            self.assertEqual(self.ask(f"break web01 --sysrq {key} --yes").status, 2, key)
        self.assertEqual(self.line.log, [])

    def test_nothing_comes_between_the_two(self) -> None:
        self.line.break_lasts = 0.25
        channel = self.ask("break web01 --sysrq h --yes")
        self.assertEqual(self.line.log, ["BREAK"])
        self.desk.clock.advance(0.25)
        self.desk.run_on(3)
        self.assertEqual(self.line.log, ["BREAK", "BREAK ends", b"h"])
        self.ends(channel, 0)
