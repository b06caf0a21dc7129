"""A console that one may not read does not exist: no verb tells the two apart (contract)."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk
from tests.apps.support import BOB, XTERM, FakeChannel
from vspc.apps.verbs.table import VERBS
from vspc.console.access import Access, Operator, Rule
from vspc.console.ports import Terminal

UUID, ABSENT = f"{2:032x}", f"{9:032x}"

LINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "list": ("", "{}", "--json {}", "--json"),
        "console": ("{}", "{} ro", "{} wait catch"),
        "raw": ("{}", "{} --from 0", "{} --strict", "{} --wait", "{} --lease"),
        "log": ("{}", "{} --from 0", "{} --grep x", "{} -f", "{} --panic 1"),
        "boots": ("{}", "{} --json"),
        "panics": ("", "{}", "{} --json", "--json"),
        "export": ("{}", "{} --format raw"),
        "record": ("{}",),
        "note": ("{} words",),
        "describe": ("{} words",),
        "paste": ("{}", "{} --cps 100", "{} --force --json"),
        "send": ("{} words", "{} --force words", "{}", "{} --json words --enter"),
        "expect": (
            "{} x",
            "{} --from 0 x",
            "{} --from boot x",
            "{} --from last --send y x",
            "{} --lease x",
            "{} --away fail x",
        ),
        "watch": ("{}", "{} web01", "{} --json --grep x"),
        "wait": ("{}", "{} --state away", "{} --json --timeout 1"),
        "broadcast": ("{} x", "{} --yes 1 x", "{} --yes 0 --json x"),
        "run": ("{} --expect x", "{} --send y --expect x", "{} --yes 0 --send y --expect x"),
        "lease": ("{}", "{} --wait 1 --json words", "{} --force"),
        "msg": ("{} words",),
        "info": ("{}", "{} --json"),
        "who": ("", "{}", "--json {}", "--json"),
        "lock": ("{}", "{} --keep words"),
        "unlock": ("{}",),
        "ask": ("{}",),
        "give": ("{} carol",),
        "break": ("{}", "{} --sysrq b --yes", "{} --sysrq b", "{} --sequence x", "{} --list"),
        "kick": ("{} carol", "{} nobody", "{} carol --json"),
        "sessions": ("", "--json"),
        "session": ("list", "list --json --console {}", "play {}", "play {}.1"),
        "lockout": ("", "--list"),
        "status": ("",),
        "accept": ("{} 10.0.0.1",),
        "forget": ("{}",),
        "refusals": ("",),
        "alerts": ("", "--test oncall"),
        "doctor": ("", "{}", "{} --json", "--verbose"),
        "events": ("--console {}", ""),
        "help": ("",),
    }
)
"""Each verb with sensible words; `{}` is a console."""

PLACES = (
    "secret",
    "SECRET",
    "secre",
    "s*",
    "default/secret",
    "secret:1",
    f"uuid:{UUID}",
    "%73ecret",
)
"""Ways to name it."""

READER = Rule(frozenset({"*"}), ("web*",), frozenset({"read", "write"}))
HIDDEN = Rule(frozenset({"carol"}), ("*",), frozenset({"read", "write", "break", "force"}))


def somewhere_else(place: str) -> str:
    """The same way of naming a console that is not there."""
    return (
        place.replace("%73ecret", "%61bsent")
        .replace("secret", "absent")
        .replace("SECRET", "ABSENT")
        .replace("secre", "absen")
        .replace("s*", "a*")
        .replace(UUID, ABSENT)
    )


class Forbidden(SynchronousTestCase):
    """bob reads web01 only; on `secret` carol types."""

    def scene(self, hidden: bool) -> OpsDesk:
        """With a console that bob may not read, or without one."""
        desk = OpsDesk()
        desk.rules = Access((HIDDEN, READER))
        desk.connected("web01", f"{1:032x}")
        carols = desk.login(CAROL)
        if hidden:
            secret, _ = desk.connected("secret", UUID)
            secret.link.output(b"x y words")
            desk.ask("raw secret", carols).type(b"x")
            desk.ask("expect secret --from 0 x", carols)
        desk.turn()
        return desk

    def answer(
        self, hidden: bool, line: str, operator: Operator, terminal: Terminal | None
    ) -> tuple[bytes, bytes, int | None]:
        desk = self.scene(hidden)
        session = desk.login(operator)
        channel: FakeChannel = desk.ask(line, session, terminal)
        desk.run_on(5)
        output = re.sub(rb"lease-[0-9a-f]{32}", b"lease-ID", channel.output)
        return output, bytes(channel.errors), channel.status

    def assert_alike(self, line: str, operator: Operator, terminal: Terminal | None = None) -> None:
        there = self.answer(True, line, operator, terminal)
        not_there = self.answer(False, line, operator, terminal)
        self.assertEqual(there, not_there, line)

    def test_every_verb_has_words_here(self) -> None:
        self.assertEqual(set(VERBS) - {"ls"}, set(LINES))

    def test_it_makes_no_difference_whether_it_is_there(self) -> None:
        for verb, forms in LINES.items():
            for form in forms:
                for place in PLACES:
                    self.assert_alike(f"{verb} {form.replace('{}', place)}", BOB)

    def test_nor_with_a_terminal_or_as_an_administrator(self) -> None:
        for verb, forms in LINES.items():
            if verb in ("status", "sessions"):
                continue  # about the server: an administrator may count its VMs
            for form in forms:
                line = f"{verb} {form.replace('{}', 'secret')}"
                self.assert_alike(line, BOB, XTERM)
                self.assert_alike(line, DAVE)

    def test_its_answer_is_that_of_another_name(self) -> None:
        for verb, forms in LINES.items():
            for form in forms:
                if "{}" not in form:
                    continue
                for place in PLACES:
                    other = somewhere_else(place)
                    one = self.answer(True, f"{verb} {form.replace('{}', place)}", BOB, None)
                    two = self.answer(True, f"{verb} {form.replace('{}', other)}", BOB, None)
                    renamed = [
                        re.sub(re.escape(other.encode()), place.encode(), text) for text in two[:2]
                    ]
                    self.assertEqual(one, (*renamed, two[2]), (verb, form, place))

    @settings(max_examples=60, deadline=None)
    @given(
        verb=st.sampled_from(sorted(LINES)),
        words=st.lists(
            st.sampled_from(
                ["secret", "carol", "x", "--json", "--from", "0", "-f", "--", "*", "web01", "s?c*"]
            ),
            max_size=4,
        ),
    )
    def test_with_every_other_option(self, verb: str, words: list[str]) -> None:
        self.assert_alike(" ".join((verb, *words)), BOB)

    def test_nor_after_the_right_was_lost_while_attached(self) -> None:
        desk = self.scene(True)
        desk.rules = Access((Rule(frozenset({"bob"}), ("*",), frozenset({"read"})), HIDDEN))
        bobs = desk.login(BOB)
        desk.ask("expect secret --from 0 x", bobs)
        desk.rules = Access((HIDDEN, READER))
        for console in desk.roster:
            console.reassess(desk.rights)
        self.assertEqual(desk.ask("expect secret --from last x", bobs).status, 3)
        self.assertNotIn("secret", desk.ask("sessions --json", bobs).text)

    def test_sessions_and_writers_of_it_are_not_shown_to_administrators(self) -> None:
        for line in ("sessions --json", "kick --all-writers", "kick --all-writers --json"):
            desk = self.scene(True)
            channel = desk.ask(line, desk.login(DAVE))
            self.assertEqual(channel.status, 0, line)
            self.assertNotIn("secret", channel.text + channel.complaint, line)

    def test_no_session_learns_of_it_by_what_it_may_have_open(self) -> None:
        desk = self.scene(True)
        desk.context = evolve(desk.context)
        bobs = desk.login(BOB)
        for _ in range(300):
            self.assertEqual(desk.ask("raw secret", bobs).status, 3)
        self.assertEqual(desk.ask("send web01 x", bobs).status, 0)
