"""`alerts`: what became of each [[alert]], and a test of one."""

import json
from collections.abc import Sequence

from attrs import define, evolve, field
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import DAVE, OpsDesk
from tests.apps.support import ALICE, FakeChannel
from vspc.console.access import Operator
from vspc.console.alerts import AlertState, UnknownAlert

STATE = AlertState(
    "oncall", "webhook https://h/...", ("*",), 300.0, 3, 7, 1_700_000_000.0, "web01", 2, 1, 4
)


@define(eq=False)
class Board:
    """Two alerts; a test of `lab` fails."""

    found: list[AlertState] = field(
        factory=lambda: [STATE, AlertState("lab", "command /x", ("lab*",), 60.0, problem="no")]
    )
    skipped: int = 0

    def states(self) -> Sequence[AlertState]:
        return self.found

    async def test(self, name: str) -> str:
        if name not in ("oncall", "lab"):
            raise UnknownAlert(name)
        return "" if name == "oncall" else "status 3"


class AlertsVerb(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.board = Board()
        self.desk.context = evolve(self.desk.context, alerts=self.board)

    def say(self, line: str, operator: Operator = DAVE) -> FakeChannel:
        return self.desk.say(line, operator)

    def test_a_table(self) -> None:
        channel = self.say("alerts")
        lines = [line.split() for line in channel.text.splitlines()]
        self.assertEqual(lines[1][:4], ["oncall", "webhook", "https://h/...", "5m"])
        self.assertEqual(lines[1][4:8], ["3", "2023-11-14T22:13:20Z", "web01", "1"])
        self.assertEqual(lines[2], ["lab", "command", "/x", "1m", "0", "0", "0", "no"])
        self.assertEqual((channel.status, channel.complaint), (0, ""))

    def test_json(self) -> None:
        first, second = json.loads(self.say("alerts --json").text)
        self.assertEqual((first["fired"], first["suppressed"], first["queued"]), (3, 7, 1))
        self.assertEqual(first["last_fired"], "2023-11-14T22:13:20.000Z")
        self.assertEqual((second["last_fired"], second["problem"]), (None, "no"))

    def test_none_is_configured_and_output_was_left_out(self) -> None:
        self.board.found.clear()
        self.assertIn("no [[alert]]", self.say("alerts").complaint)
        self.assertEqual(self.say("alerts --json").text, "[]\n")
        self.board.found.append(STATE)
        self.board.skipped = 77
        self.assertIn("77 bytes of output", self.say("alerts").complaint)

    def test_a_test(self) -> None:
        channel = self.say("alerts --test oncall")
        self.assertEqual((channel.status, channel.text), (0, "the test of oncall is delivered\n"))
        channel = self.say("alerts --test lab")
        self.assertEqual(channel.status, 1)
        self.assertEqual(channel.complaint, "the test of lab was not delivered: status 3\n")
        self.assertEqual(self.say("alerts --test x").status, 3)
        self.assertEqual(self.say("alerts --test lab --json").status, 2)

    def test_only_administrators(self) -> None:
        for line in ("alerts", "alerts --json", "alerts --test oncall"):
            self.assertEqual(self.say(line, ALICE).status, 4)
