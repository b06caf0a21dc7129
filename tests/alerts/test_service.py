"""From a line of output to an alert: who is told, how often, and of what."""

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.alerts.support import Alerted, settings
from tests.fakes import UUID
from vspc.alerts.delivery import Undelivered
from vspc.alerts.facts import CONTEXT, LINES
from vspc.alerts.scanner import EACH
from vspc.alerts.service import SKIPPED_INTERVAL, AlertTimes
from vspc.config.alerting import WebhookUrl
from vspc.console.alerts import UnknownAlert
from vspc.console.history import REST


class ServiceTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "alerts"

    def made(self, *alerts: object) -> Alerted:
        self.alerted = Alerted(self.directory, *alerts)  # type: ignore[arg-type]
        self.web, self.line = self.alerted.world.connected()
        return self.alerted


class Alerting(ServiceTest):
    def test_what_is_said(self) -> None:
        alerted = self.made(settings(builtin=("panic",), pattern=None))
        alerted.say(self.web, b"one\r\n\x1b[31mtwo\x1b[0m C:\\x\r\nKernel panic - not ")
        alerted.say(self.web, b"syncing: oh\x07\r\n---\r\n")
        (facts,) = alerted.sent()
        self.assertEqual(facts["alert"], "alert-1")
        self.assertEqual(facts["pattern"], "panic")
        self.assertEqual(facts["line"], "Kernel panic - not syncing: oh")
        self.assertEqual(facts["lines"], ["one", "two C:\\x", facts["line"]])
        self.assertEqual(facts["text"], "web01: Kernel panic - not syncing: oh")
        self.assertEqual((facts["from"], facts["offset"], facts["to"]), (0, 24, 55))
        self.assertEqual(
            facts["console"],
            {
                "id": self.web.id,
                "handle": "web01",
                "name": "web01",
                "zone": "default",
                "uuid": UUID,
                "port": None,
                "address": "10.0.0.1",
            },
        )
        self.assertRegex(facts["time"], r"\A2023-.*\.\d{3}Z\Z")
        self.assertEqual(facts["id"], alerted.actions["alert-1"].taken[0].id)
        self.assertEqual(facts["suppressed"], 0)

    def test_the_lines_before_are_bounded(self) -> None:
        alerted = self.made(settings())
        alerted.say(self.web, b"x" * CONTEXT + b"\n" + b"line\n" * 100 + b"panic\n")
        (facts,) = alerted.sent()
        self.assertEqual(facts["lines"], ["line"] * (LINES - 1) + ["panic"])

    def test_of_a_vm_that_was_quiet_the_lines_before_are_whole(self) -> None:
        alerted = self.made(settings())
        line = b"%0100d\n" % 7
        self.web.link.output(line * 20 + b"login: ")
        self.web.history.shrink()
        alerted.say(self.web, b"\npanic\n")
        (facts,) = alerted.sent()
        whole = [line.decode().strip()] * ((REST - len(b"login: ")) // len(line))
        self.assertEqual(facts["lines"], [*whole, "login: ", "panic"])

    def test_a_line_that_is_no_longer_in_memory(self) -> None:
        alerted = self.made(settings())
        self.web.link.output(b"before\npanic\n")
        alerted.say(self.web, b"x\n" * 100_000)
        (facts,) = alerted.sent()
        self.assertEqual(facts["lines"], ["panic"])
        self.assertEqual((facts["from"], facts["to"]), (7, 12))

    def test_each_console_has_its_own_time(self) -> None:
        alerted = self.made(settings(within=60.0))
        other, _ = alerted.world.connected("web02", f"{2:032x}")
        alerted.say(self.web, b"panic 1\npanic 2\n")
        alerted.say(other, b"panic 3\n")
        alerted.say(self.web, b"panic 4\n")
        alerted.world.clock.advance(60)
        alerted.say(self.web, b"panic 5\n")
        found = [(each["line"], each["suppressed"]) for each in alerted.sent()]
        self.assertEqual(found, [("panic 1", 0), ("panic 3", 0), ("panic 5", 2)])
        (state,) = alerted.service.states()
        self.assertEqual((state.fired, state.suppressed, state.delivered), (3, 2, 3))
        self.assertEqual(state.last_console, "web01")

    def test_only_the_consoles_that_are_named(self) -> None:
        alerted = self.made(settings("web", consoles=("web*",)), settings("db", consoles=("db*",)))
        alerted.say(self.web, b"panic\n")
        self.assertEqual((len(alerted.sent("web")), len(alerted.sent("db"))), (1, 0))

    def test_another_name_of_the_vm(self) -> None:
        alerted = self.made(settings(consoles=("db*",)))
        alerted.say(self.web, b"panic\n")
        alerted.world.roster.rename(self.web.vm, "db01")
        alerted.say(self.web, b"panic\n")
        self.assertEqual([each["console"]["name"] for each in alerted.sent()], ["db01"])

    def test_a_quarantined_line_alerts_nobody(self) -> None:
        alerted = self.made(settings())
        self.web.quarantined = True
        alerted.say(self.web, b"panic\n")
        self.assertEqual(alerted.sent(), [])

    def test_a_vm_that_floods_is_told(self) -> None:
        alerted = self.made(settings())
        piece = b"x" * 65535 + b"\n"
        for _ in range(2 * EACH // len(piece)):
            self.web.link.output(piece)
        alerted.say(self.web, b"panic\n")
        self.assertEqual(len(alerted.sent()), 1)
        alerted.world.clock.advance(SKIPPED_INTERVAL)
        alerted.service.tick()
        alerted.service.tick()
        (event,) = alerted.events
        self.assertEqual(event[0], "alert-output-skipped")
        self.assertEqual((event[1]["most"], event[1]["consoles"]), ("web01", 1))
        self.assertEqual(event[1]["bytes"], alerted.service.skipped)

    def test_times_are_kept_for_so_many(self) -> None:
        times = AlertTimes(2)
        for console in ("a", "b", "c"):
            self.assertEqual(times.take(("x", console), 0.0, 60.0, 1), 0)
        self.assertIsNone(times.take(("x", "c"), 1.0, 60.0, 1))
        self.assertEqual(times.take(("x", "a"), 1.0, 60.0, 1), 0)


class Reloads(ServiceTest):
    def test_another_pattern(self) -> None:
        alerted = self.made(settings())
        alerted.reload(settings(builtin=("oops",), pattern=None), settings("more", pattern="x"))
        alerted.say(self.web, b"panic\nkernel BUG at fs/inode.c:1\nx\n")
        self.assertEqual([each["pattern"] for each in alerted.sent()], ["oops"])
        self.assertEqual([each["pattern"] for each in alerted.sent("more")], ["pattern"])

    def test_one_that_is_the_same_goes_on(self) -> None:
        alerted = self.made(settings("a"), settings("b", pattern="oops"))
        alerted.actions["a"].is_slow = True
        alerted.say(self.web, b"panic\n")
        alerted.reload(settings("a"))
        alerted.actions["a"].under_way[0].callback(None)
        self.assertEqual([state.delivered for state in alerted.service.states()], [1])

    def test_what_is_queued_goes_to_where_the_new_one_says(self) -> None:
        alerted = self.made(settings("a"), settings("b"))
        for action in alerted.actions.values():
            action.errors.append(Undelivered("no"))
        alerted.say(self.web, b"panic\n")
        alerted.reload(settings("a", webhook=WebhookUrl("https://example.org/")))
        self.assertEqual(len(alerted.sent("a")), 1)
        self.assertIn(("alert-dropped", "b"), [(e, f["alert"]) for e, f in alerted.events])


class Restarts(ServiceTest):
    def test_what_was_not_delivered_is_delivered_by_the_next_process(self) -> None:
        alerted = self.made(settings())
        alerted.actions["alert-1"].errors.append(Undelivered("no route"))
        alerted.say(self.web, b"panic\n")
        self.assertEqual(alerted.sent(), [])
        (state,) = alerted.service.states()
        self.assertEqual((state.waiting, state.failures, state.problem), (1, 1, "no route"))
        alerted.restart()
        (facts,) = alerted.sent()
        self.assertEqual(facts["line"], "panic")
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_one_that_was_under_way_comes_again_with_the_same_id(self) -> None:
        alerted = self.made(settings())
        action = alerted.actions["alert-1"]
        action.is_slow = True
        alerted.say(self.web, b"panic\n")
        action.is_slow = False
        alerted.restart()
        self.assertEqual([item.id for item in action.tried], [action.taken[0].id] * 2)


class Tests(ServiceTest):
    def test_it_is_sent_at_once_and_not_queued(self) -> None:
        alerted = self.made(settings("oncall"))
        result = self.successResultOf(self.deferred(alerted, "oncall"))
        self.assertEqual(result, "")
        (facts,) = alerted.sent("oncall")
        self.assertTrue(facts["test"])
        self.assertEqual(facts["alert"], "oncall")

    def test_one_that_fails(self) -> None:
        alerted = self.made(settings("oncall"))
        alerted.actions["oncall"].errors.append(Undelivered("the answer is 404"))
        self.assertEqual(
            self.successResultOf(self.deferred(alerted, "oncall")), "the answer is 404"
        )
        self.assertEqual(alerted.service.states()[0].waiting, 0)

    def test_an_unknown_one(self) -> None:
        self.failureResultOf(self.deferred(self.made(), "x"), UnknownAlert)

    def deferred(self, alerted: Alerted, name: str) -> Deferred[str]:
        return Deferred.fromCoroutine(alerted.service.test(name))
