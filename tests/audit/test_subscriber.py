"""EventBus and logins as events: what is said of whom, and that floods do not bury the rest."""

import tomllib
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import Recorded, is_one_line
from tests.fakes import FakeLine, World
from vspc.audit import subscriber
from vspc.audit.refusals import HINT, LATEST, OF_ONE, RecentRefusals
from vspc.audit.subscriber import AuditSubscriber, EventRateLimit, LoginRecorder
from vspc.console.access import Operator
from vspc.console.authentication import RefusalCause as Cause
from vspc.console.events import HostChanged, How, Suspicion, VmRefused
from vspc.console.logins import Login, LoginFailure
from vspc.console.session import Proof, Session

FOREVER = float("inf")


class Consoles(SynchronousTestCase):
    """A console, and what the record says of it."""

    def setUp(self) -> None:
        self.world = World()
        self.recorded = Recorded()
        clock = self.world.clock
        self.refused = RecentRefusals(clock.wall)
        self.subscriber = AuditSubscriber(self.recorded, self.refused, clock.seconds, clock.wall)
        self.world.events.subscribe(self.subscriber.handle, *self.subscriber.EVENTS)

    def tearDown(self) -> None:
        self.assertEqual(self.world.failures, 0)

    def events(self) -> list[str]:
        return [str(line["event"]) for line in self.recorded.lines]

    def test_an_operator_attaches_types_and_detaches(self) -> None:
        console, line = self.world.connected()
        console.link.output(b"login: ")
        attachment, _ = self.world.attach(console)
        attachment.type(b"root\r")
        self.world.clock.advance(12.5)
        attachment.detach()
        self.assertEqual(sorted(self.events()), ["attach", "detach", "input", "pen", "pen"])
        [come], [typed], [left] = map(self.recorded.named, ("attach", "input", "detach"))
        taken, laid = self.recorded.named("pen")
        self.assertEqual((come["offset"], come["rights"]), (7, "admin,break,force,read,write"))
        self.assertEqual((taken["result"], laid["result"]), ("taken", "laid"))
        self.assertEqual((typed["bytes"], typed["dropped"]), (len(line.sent), 0))
        self.assertEqual((left["seconds"], left["operator"]), (12.5, "alice"))
        self.assertNotIn("root", str(self.recorded.lines))

    def test_a_pen_taken_by_force_says_from_whom(self) -> None:
        console, _ = self.world.connected()
        bob, _ = self.world.attach(console, "bob")
        alice, _ = self.world.attach(console, "alice")
        bob.type(b"x")
        alice.take_pen(force=True)
        [force] = self.recorded.named("force")
        self.assertEqual((force["operator"], force["from_operator"]), ("alice", "bob"))
        [typed] = self.recorded.named("input")
        self.assertEqual((typed["operator"], typed["bytes"]), ("bob", 1))

    def test_breaks_in_both_directions(self) -> None:
        console, _ = self.world.connected()
        attachment, _ = self.world.attach(console)
        attachment.send_break()
        console.link.break_received()
        ours, theirs = self.recorded.named("break")
        self.assertEqual((ours["direction"], ours["operator"]), ("to-vm", "alice"))
        self.assertEqual((theirs["direction"], "operator" in theirs), ("from-vm", False))

    def test_what_was_typed_and_not_sent_is_counted(self) -> None:
        console, _ = self.world.connected()
        attachment, _ = self.world.attach(console)
        console.link.migrate()
        attachment.type(b"reboot\r")
        console.link.disconnect("gone")
        attachment.detach()
        [typed] = self.recorded.named("input")
        self.assertEqual((typed["bytes"], typed["dropped"]), (0, 7))

    def test_a_console_on_another_host(self) -> None:
        console, _ = self.world.connected()
        console.link.replace(FakeLine("10.0.0.2"), "silent", How.TOOK_OVER)
        [event] = self.recorded.lines
        self.assertEqual(
            (event["event"], event["how"], event["old"], event["new"]),
            ("takeover", "taken-over", "10.0.0.1", "10.0.0.2"),
        )

    def test_a_new_line_of_the_same_host(self) -> None:
        console, _ = self.world.connected()
        console.link.replace(FakeLine(), "it was silent", How.REPLACED)
        [event] = self.recorded.lines
        self.assertEqual((event["event"], event["detail"]), ("vm-replaced", "it was silent"))

    def test_a_line_that_is_kept_apart(self) -> None:
        console, _ = self.world.connected()
        claim = self.world.claim(address="10.6.6.6")
        held = self.world.roster.quarantine(claim, console.vm)
        assert held is not None
        held.link.connect(FakeLine("10.6.6.6"))
        [event] = self.recorded.lines
        self.assertEqual((event["event"], event["host"]), ("quarantine", "10.6.6.6"))

    def test_a_console_that_leaves_the_list(self) -> None:
        console, _ = self.world.connected()
        console.link.disconnect("gone")
        self.world.roster.forget(console)
        self.assertEqual(self.events(), ["forgotten"])

    def test_a_rename_says_whose_rights_it_changed(self) -> None:
        console, _ = self.world.connected()
        self.subscriber.renamed(console.ref, "db01", {"bob", "alice"})
        [event] = self.recorded.lines
        self.assertEqual(
            (event["event"], event["name_before"], event["operators"], event["count"]),
            ("rename", "db01", "alice,bob", 2),
        )

    def test_security_events_are_bounded_and_add_up(self) -> None:
        for number in range(1000):
            self.subscriber.handle(Suspicion("duplicate-uuid", None, "10.6.6.6", "", str(number)))
        self.subscriber.handle(Suspicion("duplicate-uuid", None, "10.0.0.9", "", "another"))
        self.assertEqual(len(self.recorded.lines), subscriber.EACH + 1)
        self.world.clock.advance(60)
        self.subscriber.tick(self.world.clock.seconds())
        self.assertEqual(sum(line.get("count", 1) for line in self.recorded.lines), 1001)
        self.assertEqual(self.recorded.lines[-1]["kind"], "more")

    def test_a_vm_that_breaks_all_the_time_costs_a_few_lines(self) -> None:
        console, _ = self.world.connected()
        for _ in range(100):
            self.world.clock.advance(0.2)
            console.link.break_received()
        self.assertEqual(len(self.recorded.lines), subscriber.EACH)
        self.subscriber.tick(FOREVER)
        last = self.recorded.lines[-1]
        self.assertEqual(
            (last["event"], last["kind"], last["count"]), ("security", "too-many-events", 70)
        )

    def test_breaks_do_not_hide_that_a_host_took_a_console_over(self) -> None:
        console, _ = self.world.connected()
        host = console.link.last_address
        for _ in range(100):
            self.world.clock.advance(0.2)
            console.link.break_received()
        self.subscriber.handle(HostChanged(console.ref, "10.0.0.9", host, How.TOOK_OVER))
        self.assertEqual(len(self.recorded.named("takeover")), 1)
        for number in range(100):
            self.subscriber.handle(Suspicion("name-of-another", console.ref, host, "", str(number)))
        self.subscriber.handle(Suspicion("foreign-credential", console.ref, host, "", "once"))
        self.assertEqual(self.recorded.named("security")[-1]["detail"], "once")
        self.subscriber.tick(FOREVER)
        more = {(e["kind"], e["detail"]): e["count"] for e in self.recorded.lines if "count" in e}
        self.assertEqual(more, {("more", "name-of-another"): 70, ("too-many-events", "break"): 70})

    def test_vms_that_are_turned_away(self) -> None:
        for _ in range(100):
            self.subscriber.handle(VmRefused("10.9.9.9", "prod", "the service URI is 'x'", "add x"))
        self.assertEqual(len(self.recorded.lines), subscriber.EACH)
        self.subscriber.tick(FOREVER)
        self.assertEqual(self.recorded.lines[-1]["count"], 70)
        [kept] = self.refused.latest()
        self.assertEqual((kept.what, kept.count, kept.hint), ("vm", 100, "add x"))


WITH_KEY = Proof("publickey", "SHA256:abc")


def failure(
    operator: str = "mallory",
    address: str = "192.0.2.66",
    proof: Proof = WITH_KEY,
    attempts: int = 1,
    cause: Cause = Cause.OTHER,
) -> LoginFailure:
    """Attempts to log in."""
    return LoginFailure(operator, address, "no such key", proof, attempts, 2, cause=cause)


class Door(SynchronousTestCase):
    """Who comes, who leaves, who does not get in."""

    def setUp(self) -> None:
        self.recorded = Recorded()
        self.now = 0.0
        self.refused = RecentRefusals(lambda: self.now)
        self.failures = 0
        self.logins = LoginRecorder(
            self.recorded, self.refused, lambda: self.now, lambda: 1_700_000_060.0, self.fail_inside
        )

    def fail_inside(self) -> None:
        self.failures += 1

    def test_in_and_out(self) -> None:
        proof = Proof("certificate", "SHA256:k", 7, "alice's", "SHA256:ca", ("alice", "ops"))
        operator = Operator("alice", roles=frozenset({"audit", "admin"}))
        login = Login(Session("s1", operator, proof, "192.0.2.1", 1_700_000_000.0), None, ())
        self.logins.came(login)
        self.logins.left(login)
        come, left = self.recorded.lines
        self.assertEqual((come["roles"], come["principals"]), ("admin,audit", "alice,ops"))
        self.assertEqual((come["serial"], come["key_id"], come["ca"]), (7, "alice's", "SHA256:ca"))
        self.assertEqual((left["event"], left["seconds"]), ("logout", 60.0))

    def test_a_failure_says_all_that_is_known(self) -> None:
        self.logins.failed(failure("ma\x1b[31mllory" + "x" * 5000))
        [event] = self.recorded.lines
        self.assertTrue(str(event["operator"]).startswith("ma\\x1b[31mllory"))
        self.assertLessEqual(len(str(event["operator"])), 1024)
        self.assertEqual(
            (event["address"], event["via"], event["fingerprint"], event["reason"]),
            ("192.0.2.66", "publickey", "SHA256:abc", "no such key"),
        )
        self.assertEqual((event["attempts"], event["probes"], event["result"]), (1, 2, "failed"))

    def test_ten_thousand_from_one_address_are_a_few_lines_that_add_up(self) -> None:
        for number in range(10_000):
            self.now += 0.006
            self.logins.failed(failure(attempts=number))
            self.logins.tick(self.now)
        self.logins.failed(failure(address="192.0.2.1"))
        self.logins.tick(FOREVER)
        self.assertLess(len(self.recorded.lines), 70)
        self.assertEqual(sum(line.get("count", 1) for line in self.recorded.lines), 10_001)
        self.assertIn("192.0.2.1", [line["address"] for line in self.recorded.lines])

    def test_nonsense_is_a_defect_and_raises_nothing(self) -> None:
        self.logins.came(None)  # type: ignore[arg-type]
        self.logins.left(None)  # type: ignore[arg-type]
        self.logins.failed(None)  # type: ignore[arg-type]
        self.assertEqual(self.failures, 3)

    def hint(self, operator: str, proof: Proof, cause: Cause) -> str:
        self.logins.failed(failure(operator, cause=cause, proof=proof))
        return self.refused.latest()[-1].hint

    def test_hints_are_lines_for_the_configuration(self) -> None:
        blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
        key = "ssh-ed25519 " + b64encode(blob).decode()
        shown = Proof("publickey", "SHA256:abc", key=blob)
        add = "add it to authorities of [ssh.certificates]"
        unnamed = Proof("certificate", "SHA256:a", 1, "", "SHA256:ca", (), authority=blob)
        signed = Proof("certificate", "SHA256:a", 1, "", "SHA256:ca", ("ops",), authority=blob)
        for operator, proof, cause, hint in (
            (
                "bob",
                shown,
                Cause.KEY_NOT_AUTHORISED,
                f'[operators.bob]\nauthorized_keys = ["{key}"]',
            ),
            (
                "eve",
                signed,
                Cause.UNTRUSTED_AUTHORITY,
                f'if that authority is yours, {add}:\n"{key}"',
            ),
            (
                "bob",
                signed,
                Cause.OTHER_PRINCIPALS,
                "the certificate is for ops",
            ),
            (
                "ops",
                signed,
                Cause.UNKNOWN_OPERATOR,
                "[operators.ops]",
            ),
            ("bob", unnamed, Cause.OTHER, ""),
            ("bob", unnamed, Cause.OTHER_PRINCIPALS, ""),
            ("zoe", Proof("password"), Cause.UNKNOWN_OPERATOR, "[operators.zoe]"),
            ("z.o@e", shown, Cause.UNKNOWN_OPERATOR, '[operators."z.o@e"]'),
            ("z\no]e", shown, Cause.KEY_NOT_AUTHORISED, ""),
            ("@ops", shown, Cause.KEY_NOT_AUTHORISED, ""),
            ("bob", shown, Cause.OTHER, ""),
            ("bob", Proof("password"), Cause.OTHER, ""),
        ):
            self.assertEqual(self.hint(operator, proof, cause), hint)

    def test_what_can_be_pasted_is_toml(self) -> None:
        blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
        proof = Proof("publickey", "SHA256:abc", key=blob)
        for name in ("bob", "bob.b", "b@example", "0"):
            found = tomllib.loads(self.hint(name, proof, Cause.KEY_NOT_AUTHORISED))
            (key,) = found["operators"][name]["authorized_keys"]
            self.assertTrue(key.startswith("ssh-ed25519 "))

    def test_no_hint_gives_one_operators_certificate_to_another(self) -> None:
        proof = Proof("certificate", "SHA256:a", 1, "", "SHA256:ca", ("netops-jo", "x\\x1b"))
        hint = self.hint("alice", proof, Cause.OTHER_PRINCIPALS)
        self.assertEqual(hint, "the certificate is for netops-jo, x\\x1b")

    def test_who_is_in_after_all_was_not_turned_away(self) -> None:
        kept, excused = failure(operator="bob"), failure(operator="alice")
        for each in (kept, excused, excused, excused):
            self.logins.failed(each)
        self.logins.excused([excused, excused])
        self.assertEqual([(e.name, e.count) for e in self.refused.latest()][-1], ("alice", 1))
        self.logins.excused([excused])
        self.logins.excused([excused])  # it is not there
        self.assertEqual([e.name for e in self.refused.latest()], ["bob"])
        self.assertEqual(len(self.recorded.named("login-failed")), 4)

    def test_a_hint_of_what_is_no_key_has_its_fingerprint(self) -> None:
        for blob in (b"", b"\0\0\0\x05ab", b"\xff" * 100, b"\0\0\0\1\x1b"):
            hint = self.hint(
                "bob", Proof("publickey", "SHA256:abc", key=blob), Cause.KEY_NOT_AUTHORISED
            )
            self.assertIn("SHA256:abc", hint)
            self.assertTrue(is_one_line(hint))


class LatestRefusals(SynchronousTestCase):
    """What `refusals` shows."""

    def setUp(self) -> None:
        self.now = 0.0
        self.refused = RecentRefusals(lambda: self.now)

    def test_a_hint_is_the_last_one_and_its_lines_are_as_they_were_if_they_are_lines(self) -> None:
        for hint in (("a",), ('x = ["\\"y\\\\"]', "b\nc\x1b", "\u202e")):
            self.refused.add("vm", "a", "default", "no", *hint)
        (kept,) = self.refused.latest()
        self.assertEqual(kept.hint.splitlines(), ['x = ["\\"y\\\\"]', "b\\x0ac\\x1b", "\\u202e"])
        self.assertEqual(kept.count, 2)

    def add(self, address: str, reason: str = "no") -> None:
        self.now += 1
        self.refused.add("vm", address, "default", reason, "")

    def test_repetitions_count_and_the_last_is_last(self) -> None:
        for address in ("a", "b", "a"):
            self.add(address)
        b, a = self.refused.latest()
        self.assertEqual((b.address, b.count, a.count, a.first, a.last), ("b", 1, 2, 1.0, 3.0))

    def test_one_address_does_not_push_the_others_out(self) -> None:
        self.add("a")
        for number in range(5000):
            self.add("b", f"reason {number}")
        kept = self.refused.latest()
        self.assertEqual((kept[0].address, len(kept)), ("a", 1 + OF_ONE))

    def test_a_network_of_many_addresses_is_one_neighbour(self) -> None:
        self.add("192.0.2.1")
        for number in range(5000):
            self.add(f"2001:db8::{number:x}", f"reason {number}")
        kept = self.refused.latest()
        self.assertEqual((kept[0].address, len(kept)), ("192.0.2.1", 1 + OF_ONE))

    def test_a_long_hint_is_cut(self) -> None:
        kept = RecentRefusals(lambda: 0.0)
        kept.add("login", "10.0.0.1", "alice", "unknown", "h" * (HINT + 1))
        (one,) = kept.latest()
        self.assertLess(len(one.hint), HINT + 20)
        self.assertIn("+1", one.hint)

    def test_many_addresses_do_and_it_stays_bounded(self) -> None:
        for number in range(3000):
            self.add(str(number))
        kept = self.refused.latest()
        self.assertEqual((len(kept), kept[0].address), (LATEST, "2000"))

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=200))
    def test_the_counts_of_addresses_are_those_of_what_is_kept(
        self, added: list[tuple[int, int]]
    ) -> None:
        self.refused = RecentRefusals(lambda: 0.0)
        for address, reason in added:
            self.add(str(address), str(reason))
        self.assertEqual(sum(one.count for one in self.refused.latest()), len(added))


class Counting(SynchronousTestCase):
    """How many lines an address is worth."""

    @given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.5, 20.0])), max_size=400))
    def test_recorded_and_counted_events_add_up(self, came: list[tuple[int, float]]) -> None:
        self.patch(subscriber, "EACH", 3)
        self.patch(subscriber, "IN_ALL", 12)
        self.patch(subscriber, "TABLE", 5)
        self.patch(subscriber, "SUMMARIES", 2)
        counted, told, now = 0, 0, 0.0
        made = EventRateLimit()
        for address, wait in came:
            now += wait
            told += made.take(str(address), now)
            counted += sum(over.count for over in made.suppressed(now))
        counted += sum(over.count for over in made.suppressed(FOREVER))
        self.assertEqual(told + counted, len(came))
        self.assertEqual(made.suppressed(FOREVER), [])

    def test_of_all_together_there_are_not_more_either(self) -> None:
        made = EventRateLimit()
        told = sum(made.take(f"2001:db8:{n:x}::1", 0.0) for n in range(20_000))
        self.assertEqual(told, subscriber.IN_ALL)
        summaries = made.suppressed(60.0)
        self.assertLessEqual(len(summaries), subscriber.SUMMARIES + 1)
        summaries += made.suppressed(FOREVER)
        self.assertEqual(told + sum(over.count for over in summaries), 20_000)

    def test_a_network_of_ipv6_is_one_address(self) -> None:
        made = EventRateLimit()
        told = sum(made.take(f"2001:db8::{n:x}", 0.0) for n in range(100))
        self.assertEqual(told, subscriber.EACH)
        self.assertTrue(made.take("2001:db8:0:1::1", 0.0))
        self.assertTrue(made.take("192.0.2.1", 0.0))
        self.assertEqual(
            made.suppressed(60.0),
            [subscriber.SuppressedEvents("2001:db8::/64", 100 - subscriber.EACH)],
        )

    def test_a_minute_later_it_has_lines_again(self) -> None:
        made = EventRateLimit()
        for _ in range(100):
            made.take("a", 0.0)
        made.suppressed(60.0)
        self.assertTrue(made.take("a", 60.0))
