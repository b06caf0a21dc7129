"""Who may connect, how many, how often it is worth a line."""

from collections import Counter
from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.addresses import parse_address
from vspc.net.limits import HOSTS, REFUSALS_PER_MINUTE, Admissions, Allow, Refusals, TokenBucket


class AllowTests(SynchronousTestCase):
    def test_loopback_alone_by_default(self) -> None:
        allow = Allow()
        for host in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(allow.permits(host), host)
        for host in ("10.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1%eth0"):
            self.assertFalse(allow.permits(host), host)

    def test_a_zone_does_not_count(self) -> None:
        self.assertTrue(Allow([ip_network("fe80::/10")]).permits("fe80::1%eth0"))

    def test_a_unix_socket_is_local(self) -> None:
        for host in ("local", "", "/run/door"):
            self.assertTrue(Allow([]).permits(host), host)

    @given(st.text(max_size=40))
    def test_any_address_text_is_accepted(self, host: str) -> None:
        parse_address(host)
        Allow().permits(host)


class TokenBucketTests(SynchronousTestCase):
    def test_a_burst_and_then_the_rate(self) -> None:
        bucket = TokenBucket(rate=2.0, burst=3)
        self.assertEqual([True, True, True, False], [bucket.take(100.0) for _ in range(4)])
        self.assertEqual([True, False], [bucket.take(100.5) for _ in range(2)])
        self.assertEqual([True, True, True, False], [bucket.take(999.0) for _ in range(4)])

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 10), max_size=60))
    def test_never_more_than_the_burst_and_the_rate(self, pauses: list[float]) -> None:
        bucket, now, taken = TokenBucket(rate=4.0, burst=5), 0.0, 0
        for pause in pauses:
            now += pause
            taken += bucket.take(now)
        self.assertLessEqual(taken, 5 + 4.0 * now + 1e-6)


class RefusalTests(SynchronousTestCase):
    def test_a_host_that_is_refused_all_the_time(self) -> None:
        refusals = Refusals()
        told = [refusals.worth_a_line("10.0.0.1", 0.1 * i) for i in range(100)]
        self.assertEqual(REFUSALS_PER_MINUTE, sum(told))
        self.assertTrue(refusals.worth_a_line("10.0.0.2", 1.0))
        self.assertEqual([], refusals.over(59.0))
        self.assertEqual([("10.0.0.1", 90)], refusals.over(61.0))
        self.assertTrue(refusals.worth_a_line("10.0.0.1", 62.0))
        self.assertEqual([], refusals.over(200.0))

    def test_more_hosts_than_are_remembered(self) -> None:
        refusals = Refusals()
        for number in range(HOSTS + 10):
            for _ in range(REFUSALS_PER_MINUTE + 1):
                refusals.worth_a_line(str(number), 0.0)
        self.assertEqual(HOSTS, len(refusals.over(60.0)))


class AdmissionTests(SynchronousTestCase):
    def test_over_the_limit_of_an_address_the_failed_one_goes(self) -> None:
        door: Admissions[str] = Admissions(per_address=3, in_all=100)
        for name in ("a", "b", "c"):
            self.assertIsNone(door.admit(name, "10.0.0.1", 0.0))
        self.assertIsNone(door.admit("other", "10.0.0.2", 0.0))
        door.failed("b")
        self.assertEqual("b", door.admit("d", "10.0.0.1", 1.0))
        self.assertEqual("a", door.admit("e", "10.0.0.1", 2.0))
        self.assertEqual(4, len(door))

    def test_else_the_longest_silent_one(self) -> None:
        door: Admissions[str] = Admissions(per_address=2, in_all=100)
        door.admit("a", "10.0.0.1", 0.0)
        door.admit("b", "10.0.0.1", 1.0)
        door.touched("a", 2.0)
        self.assertEqual("b", door.admit("c", "10.0.0.1", 3.0))

    def test_over_the_limit_in_all_the_own_failed_then_any_failed_then_the_own_silent(self) -> None:
        door: Admissions[str] = Admissions(per_address=10, in_all=4)
        for name, address in (("a1", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")):
            door.admit(name, address, 0.0)
        door.failed("c1")
        door.failed("b2")
        self.assertEqual("b2", door.admit("b3", "b", 1.0))
        self.assertEqual("c1", door.admit("b4", "b", 2.0))
        self.assertEqual("b1", door.admit("b5", "b", 3.0))
        self.assertEqual("a1", door.admit("d1", "d", 4.0))

    def test_a_silent_one_of_another_address_goes_before_an_own_new_one(
        self,
    ) -> None:
        door: Admissions[str] = Admissions(per_address=10, in_all=3)
        for name, address, now in (("b1", "b", 0.0), ("b2", "b", 1.0), ("a1", "a", 6.0)):
            door.admit(name, address, now)
        self.assertTrue(door.has_room("a", 7.0, 5.0))
        self.assertEqual("b1", door.admit("a2", "a", 7.0, 5.0))
        self.assertEqual("b2", door.admit("a3", "a", 8.0, 5.0))
        self.assertFalse(door.has_room("a", 9.0, 5.0))
        self.assertFalse(door.has_room("c", 9.0, 5.0))

    def test_its_own_silent_one_goes_before_that_of_another_address(self) -> None:
        door: Admissions[str] = Admissions(per_address=10, in_all=2)
        door.admit("b1", "b", 0.0)
        door.admit("a1", "a", 1.0)
        self.assertEqual("a1", door.admit("a2", "a", 9.0, 5.0))

    def test_an_unknown_connection_is_ignored(self) -> None:
        door: Admissions[str] = Admissions(1, 1)
        door.touched("a", 0.0)
        door.failed("a")
        door.leave("a")
        self.assertEqual(0, len(door))

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["admit", "touched", "failed", "leave"]),
                st.integers(0, 12),
                st.sampled_from("abc"),
            ),
            max_size=80,
        )
    )
    def test_the_limits_hold_and_new_connections_are_always_admitted(
        self, steps: list[tuple[str, int, str]]
    ) -> None:
        door: Admissions[tuple[str, int]] = Admissions(per_address=3, in_all=5)
        inside: set[tuple[str, int]] = set()
        for now, (step, number, address) in enumerate(steps):
            guest = (address, number)
            if step == "admit" and guest not in inside:
                leaver = door.admit(guest, address, float(now))
                self.assertNotEqual(guest, leaver)
                if leaver is not None:
                    self.assertIn(leaver, inside)
                    self.assertTrue(sum(a == address for a, _ in inside) == 3 or len(inside) == 5)
                    inside.remove(leaver)
                inside.add(guest)
            elif step == "touched":
                door.touched(guest, float(now))
            elif step == "failed":
                door.failed(guest)
            elif step == "leave":
                door.leave(guest)
                inside.discard(guest)
            self.assertEqual(len(inside), len(door))
            self.assertLessEqual(len(door), 5)
            self.assertLessEqual(max(Counter(a for a, _ in inside).values(), default=0), 3)

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["come", "come", "touched", "leave"]),
                st.integers(0, 12),
                st.sampled_from("abc"),
                st.floats(0, 4),
            ),
            max_size=80,
        )
    )
    def test_with_room_no_active_connection_is_displaced(
        self, steps: list[tuple[str, int, str, float]]
    ) -> None:
        door: Admissions[tuple[str, int]] = Admissions(per_address=3, in_all=5)
        heard: dict[tuple[str, int], float] = {}
        now = 0.0
        for step, number, address, pause in steps:
            now += pause
            guest = (address, number)
            if step == "come" and guest not in heard:
                mine = [at for (host, _), at in heard.items() if host == address]
                rivals = mine if len(mine) == 3 else heard.values() if len(heard) == 5 else ()
                room = door.has_room(address, now, 5.0)
                self.assertEqual(room, not rivals or now - min(rivals) >= 5.0)
                if room:
                    leaver = door.admit(guest, address, now, 5.0)
                    self.assertEqual(leaver is not None, bool(rivals))
                    if leaver is not None:
                        self.assertGreaterEqual(now - heard.pop(leaver), 5.0)
                    heard[guest] = now
            elif step == "touched" and guest in heard:
                door.touched(guest, now)
                heard[guest] = now
            elif step == "leave":
                door.leave(guest)
                heard.pop(guest, None)
            self.assertEqual(len(door), len(heard))
