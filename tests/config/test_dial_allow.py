"""vm.dial_allow: entries as they are written, and what they allow."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.values import InvalidValue
from vspc.config.dial_allow import DialAllow, DialEntry


def allow(*entries: str) -> DialAllow:
    return DialAllow(tuple(map(DialEntry.parse, entries)))


class Entries(SynchronousTestCase):
    def test_mistakes_are_told_with_what_is_allowed(self) -> None:
        for value, part in {
            "moxa": "'moxa' is not a host with a port; an entry is written",
            ":4001": "is not a host with a port",
            "[::1]": "is not a host with a port",
            "moxa:": "'' is not a port; a port is 1 to 65535",
            "moxa:0": "'0' is not a port",
            "moxa:4016-4001": "'4016-4001' is not a port",
            "moxa:1-65536": "is not a port",
            "moxa:ssh": "'ssh' is not a port",
            "::1:4001": "write IPv6 in brackets: [::1]:4001",
            "2001:db8::/64:1": "write IPv6 in brackets",
            "10.0.0.1/8:1": "has host bits set",
            "[h]:1": "is not a network",
            "10.0.0.*:1": "is a glob of addresses; write a network",
            "1?:1": "is a glob of addresses",
            "a b:1": "'a b' is not a host",
            "b\u00fccher:1": "is not a host",
            4001: "4001 is not a host with a port",
        }.items():
            error = self.assertRaises(InvalidValue, DialEntry.parse, value)
            self.assertIn(part, f"{error.problem}; {error.allowed}", value)

    def test_entries_for_every_host(self) -> None:
        for text in ("*:4001", "0.0.0.0/0:*", "[::/0]:1"):
            self.assertTrue(DialEntry.parse(text).is_open, text)
        self.assertFalse(DialEntry.parse("*.example:1").is_open)

    @given(st.text("abx*?.:-/[]0123456789", max_size=30))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            entry = DialEntry.parse(text)
        except InvalidValue as error:
            self.assertTrue(error.allowed)
        else:
            self.assertTrue((entry.names is None) != (entry.network is None))


class Decisions(SynchronousTestCase):
    def may(
        self, allowed: DialAllow, host: str, port: int, address: str, own: bool = False
    ) -> bool:
        """Whether `address`, to which `host` has led, is connected to in the end."""
        if allowed.refusal(host, port) is not None:
            return False
        return allowed.address_refusal(host, port, address, own) is None

    def test_nothing_is_allowed_that_is_not_listed(self) -> None:
        self.assertFalse(self.may(allow(), "192.0.2.9", 1, "192.0.2.9"))
        some = allow("192.0.2.0/24:4001-4016", "Moxa-*.Example:23", "[2001:db8::/64]:*")
        for host, port, address, expected in (
            ("192.0.2.9", 4001, "192.0.2.9", True),
            ("192.0.2.9", 4017, "192.0.2.9", False),
            ("::ffff:192.0.2.9", 4001, "::ffff:192.0.2.9", True),
            ("moxa-1.example", 23, "198.51.100.1", True),
            ("moxa-1.example", 24, "198.51.100.1", False),
            ("moxa.example", 23, "198.51.100.1", False),
            ("other.example", 4001, "192.0.2.9", True),
            ("other.example", 4001, "198.51.100.1", False),
            ("2001:db8::1", 5, "2001:db8::1", True),
            ("2001:db9::1", 5, "2001:db9::1", False),
        ):
            self.assertEqual(self.may(some, host, port, address), expected, (host, port, address))

    def test_a_star_has_addresses_too_and_other_globs_only_names(self) -> None:
        self.assertTrue(self.may(allow("*:1"), "192.0.2.9", 1, "192.0.2.9"))
        self.assertTrue(self.may(allow("*:1"), "h", 1, "192.0.2.9"))
        self.assertFalse(self.may(allow("?*:1"), "192.0.2.9", 1, "192.0.2.9"))

    def test_what_only_this_machine_reaches_has_to_be_named_itself(self) -> None:
        for address in ("127.0.0.1", "::1", "0.0.0.0", "::", "169.254.0.1", "fe80::1%eth0"):
            bare = address.partition("%")[0]
            shown = f"[{bare}]" if ":" in bare else bare
            for wide in ("*:*", "127.0.0.0/8:*", "[::/0]:*", "0.0.0.0/0:*", "169.254.0.0/16:*"):
                self.assertFalse(self.may(allow(wide), address, 22, address), (wide, address))
                self.assertFalse(self.may(allow(wide), "evil.example", 22, address))
            self.assertTrue(self.may(allow(f"{shown}:22"), address, 22, address), address)
            self.assertTrue(self.may(allow(f"{shown}:*"), address, 22, address), address)

    def test_a_name_that_is_listed_leads_to_no_such_address(self) -> None:
        self.assertFalse(self.may(allow("localhost:22"), "localhost", 22, "127.0.0.1"))
        both = allow("localhost:22", "127.0.0.1:22")
        self.assertTrue(self.may(both, "localhost", 22, "127.0.0.1"))

    def test_a_listener_of_ours_has_to_be_named_with_its_port(self) -> None:
        for entry, expected in (
            ("192.0.2.1:2222", True),
            ("192.0.2.1:*", False),
            ("192.0.2.0/24:2222", False),
            ("*:2222", False),
        ):
            found = self.may(allow(entry), "192.0.2.1", 2222, "192.0.2.1", own=True)
            self.assertEqual(found, expected, entry)

    def test_a_refusal_names_the_entry_that_would_allow_it(self) -> None:
        cases = (
            ("192.0.2.9", 4001, "192.0.2.9"),
            ("::1", 22, "::1"),
            ("moxa.example", 4001, "192.0.2.9"),
            ("evil.example", 22, "127.0.0.1"),
        )
        for host, port, address in cases:
            refusal = allow().address_refusal(host, port, address)
            assert refusal is not None
            self.assertIn(f'add "{refusal.entry}" there', str(refusal))
            self.assertIsNone(allow(refusal.entry).address_refusal(host, port, address))
