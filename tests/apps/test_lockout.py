"""`lockout`: nobody comes in under a name or with a key, and who is in goes."""

import json
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, KEY, OpsDesk
from tests.apps.support import ALICE, FakeChannel
from vspc.auth.lockouts import LockoutStore
from vspc.console.access import Operator
from vspc.console.session import Proof

STOLEN = "SHA256:" + "S" * 43
AUTHORITY = "SHA256:" + "A" * 43


class Paper:
    """A file that is written when the test says so."""

    def __init__(self) -> None:
        self.saved: list[Callable[[str], None]] = []
        self.at_once = True

    def save(self, value: Any) -> Deferred[str]:
        del value
        if self.at_once:
            return succeed("")
        saving = Deferred[str]()
        self.saved.append(saving.callback)
        return saving


class LockoutCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.paper = Paper()
        lockouts = LockoutStore(self.paper, self.desk.clock.wall)  # type: ignore[arg-type]
        self.desk.context = evolve(
            self.desk.context,
            lockouts=lockouts,
            is_operator=lambda name: name in ("alice", "carol"),
        )
        self.lockouts = lockouts
        self.daves = self.desk.login(DAVE)

    def say(self, line: str) -> FakeChannel:
        return self.desk.ask(line, self.daves)


class Locking(LockoutCase):
    def test_without_lockouts(self) -> None:
        for line, text in (("lockout", ""), ("lockout --list --json", "[]\n")):
            channel = self.say(line)
            self.assertEqual((channel.status, channel.text), (0, text))
        self.assertEqual(self.say("lockout --list").complaint, "[no lockouts]\n")

    def test_an_operator_goes_at_once_and_does_not_come_back(self) -> None:
        carols = self.desk.login(CAROL)
        there = self.desk.ask("raw web01", carols)
        there.type(b"x")
        channel = self.say("lockout carol")
        self.assertEqual(channel.status, 0)
        self.assertEqual(channel.text, "carol is locked out until it is lifted, 1 session ended\n")
        self.assertEqual(self.desk.ended, {carols.id: "you are locked out"})
        self.assertIsNone(self.web.pen.holder)
        self.assertIsNotNone(self.lockouts.find(["carol"]))
        (event,) = self.desk.audited("lockout")
        self.assertEqual((event["subject"], event["kind"]), ("carol", "operator"))
        self.assertEqual((event["ended"], event["result"]), (1, "ok"))

    def test_a_key_and_an_authority(self) -> None:
        key = self.desk.login(ALICE, Proof("publickey", STOLEN))
        vouched = self.desk.login(CAROL, Proof("certificate", KEY, ca=AUTHORITY))
        self.desk.login(ALICE)
        self.assertIn("1 session ended", self.say(f"lockout {STOLEN}").text)
        self.assertIn("1 session ended", self.say(f"lockout {AUTHORITY}=").text)
        self.assertEqual(set(self.desk.ended), {key.id, vouched.id})
        self.assertEqual([e["kind"] for e in self.desk.audited("lockout")], ["fingerprint"] * 2)

    def test_the_second_of_two_keys(self) -> None:
        first, second = Proof("publickey", KEY), Proof("publickey", STOLEN)
        both = self.desk.login(ALICE, first.joined(second))
        self.assertIn("1 session ended", self.say(f"lockout {STOLEN}").text)
        self.assertEqual(set(self.desk.ended), {both.id})

    def test_for_a_time(self) -> None:
        self.say("reason=CHG7 lockout carol --for 24h")
        (locked,) = self.lockouts.listed()
        self.assertEqual(locked.until, self.desk.clock.wall() + 86400)
        self.assertEqual((locked.by, locked.reason), ("dave", "CHG7"))
        self.assertIn("until", self.desk.audited("lockout")[0])
        self.desk.clock.advance(86401)
        self.assertIsNone(self.lockouts.find(["carol"]))

    def test_a_name_that_is_not_configured(self) -> None:
        channel = self.say("lockout mallory")
        self.assertEqual(channel.status, 0)
        self.assertIn("the configuration has no operator of that name", channel.text)

    def test_it_ends_when_it_is_written_to_disk(self) -> None:
        self.paper.at_once = False
        carols = self.desk.login(CAROL)
        channel = self.say("lockout carol")
        self.assertIn(carols.id, self.desk.ended)
        self.assertIsNone(channel.status)
        self.paper.saved[0]("")
        self.assertEqual(channel.status, 0)

    def test_a_disk_that_fails(self) -> None:
        self.paper.at_once = False
        channel = self.say("lockout carol")
        self.paper.saved[0]("No space left on device")
        self.assertEqual((channel.status, channel.text), (1, ""))
        self.assertIn("not after a restart: No space left on device", channel.complaint)
        slow = self.say("lockout alice")
        self.desk.clock.advance(11)
        self.assertEqual(slow.status, 1)
        self.paper.saved[1]("")
        self.assertEqual([e["result"] for e in self.desk.audited("lockout")], ["failed"] * 2)

    def test_the_operator_leaves_before_it_is_written(self) -> None:
        self.paper.at_once = False
        self.say("lockout carol").close()
        self.assertEqual(self.desk.audited("lockout"), [])
        self.paper.saved[0]("No space left on device")
        self.desk.clock.advance(11)
        [event] = self.desk.audited("lockout")
        self.assertEqual((event["result"], event["detail"]), ("failed", "No space left on device"))

    def test_not_oneself(self) -> None:
        mine = self.desk.login(DAVE, Proof("certificate", STOLEN, ca=AUTHORITY))
        for subject in ("dave", STOLEN, AUTHORITY):
            channel = self.desk.ask(f"lockout {subject}", mine)
            self.assertEqual(channel.status, 1)
            self.assertIn("you are logged in with", channel.complaint)
        self.assertEqual(self.lockouts.listed(), [])

    def test_not_the_user_of_the_machine(self) -> None:
        self.assertEqual(self.say("lockout root@local").status, 1)
        local = self.desk.login(Operator("root@local", roles=frozenset({"admin"})), Proof("local"))
        self.assertEqual(self.desk.ask("lockout dave", local).status, 0)
        self.assertIn(self.daves.id, self.desk.ended)

    def test_no_more_than_may_be(self) -> None:
        lockouts = self.lockouts
        lockouts.lock = lambda *_: False  # type: ignore[method-assign]
        channel = self.say("lockout carol")
        self.assertEqual(channel.status, 1)
        self.assertIn("lift some", channel.complaint)


class Lifting(LockoutCase):
    def test_it_is_over(self) -> None:
        self.say("lockout carol")
        lifted = self.say("lockout --lift carol")
        self.assertEqual(lifted.text, "carol is not locked out any more\n")
        self.assertIsNone(self.lockouts.find(["carol"]))
        self.assertEqual(self.desk.audited("unlock")[0]["subject"], "carol")
        self.assertEqual(self.say("lockout --lift carol").status, 1)

    def test_as_json(self) -> None:
        carols = self.desk.login(CAROL)
        locked = json.loads(self.say("reason=CHG7 lockout carol --for 24h --json").text)
        (listed,) = json.loads(self.say("lockout --json").text)
        self.assertEqual(locked, listed | {"ended": 1, "known": True})
        self.assertEqual((locked["subject"], locked["kind"]), ("carol", "operator"))
        self.assertEqual((locked["reason"], set(self.desk.ended)), ("CHG7", {carols.id}))
        self.assertFalse(json.loads(self.say("lockout --json mallory").text)["known"])
        lifted = json.loads(self.say("lockout --lift carol --json").text)
        self.assertEqual(lifted, {"subject": "carol", "kind": "operator", "lifted": True})
        self.assertIsNone(self.lockouts.find(["carol"]))
        again = self.say("lockout --lift carol --json")
        self.assertEqual((again.status, again.text), (1, ""))

    def test_as_json_where_it_cannot_be_written(self) -> None:
        self.paper.at_once = False
        channel = self.say("lockout carol --json")
        self.paper.saved[0]("No space left on device")
        self.assertEqual((channel.status, channel.text), (1, ""))
        self.assertIn("carol is locked out", channel.complaint)

    def test_the_list(self) -> None:
        self.assertEqual(self.say("lockout").text, "")
        self.say("reason='lost laptop' lockout carol")
        self.say(f"lockout {STOLEN} --for 7d")
        first, second = json.loads(self.say("lockout --list --json").text)
        self.assertEqual((first["subject"], first["until"]), ("carol", None))
        self.assertEqual((second["kind"], second["by"]), ("fingerprint", "dave"))
        text = self.say("lockout").text
        self.assertIn("carol  until it is lifted  by dave since 20", text)
        self.assertIn("lost laptop", text)


class Refused(LockoutCase):
    def test_only_administrators(self) -> None:
        for line in ("lockout", "lockout carol", "lockout --lift carol", "lockout --list"):
            self.assertEqual(self.desk.ask(line).status, 4, line)
        self.assertEqual(self.lockouts.listed(), [])

    def test_usage(self) -> None:
        for line in (
            "lockout a b",
            "lockout 'a b'",
            "lockout MD5:aa:bb",
            "lockout SHA256:short",
            "lockout --for 1h",
            "lockout --lift carol --for 1h",
            "lockout carol --for never",
            "lockout carol --for 0",
            "lockout carol --for 99999d",
            "lockout carol --list",
            "lockout --bogus",
        ):
            self.assertEqual(self.say(line).status, 2, line)

    def test_where_none_are_kept(self) -> None:
        self.desk.context = evolve(self.desk.context, lockouts=None)
        self.assertEqual(self.say("lockout carol").status, 1)
