"""Addresses and networks: v4-mapped ones are IPv4."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.addresses import address_text, parse_address, parse_network, rate_key


class Addresses(SynchronousTestCase):
    @given(st.ip_addresses(v=4))
    def test_a_v4_mapped_address_is_the_ipv4_one(self, address: IPv4Address) -> None:
        mapped = f"::ffff:{address}"
        self.assertEqual(parse_address(mapped), address)
        self.assertEqual(address_text(mapped), str(address))
        self.assertEqual(rate_key(mapped), rate_key(str(address)))
        self.assertEqual(parse_network(mapped), ip_network(address))
        self.assertEqual(parse_network("::ffff:10.0.0.0/104"), ip_network("10.0.0.0/8"))

    @given(st.ip_addresses(v=6))
    def test_limits_count_a_network_of_64_bits_as_one(self, address: IPv6Address) -> None:
        if address.ipv4_mapped is None:
            self.assertIn(address, ip_network(rate_key(str(address))))
            self.assertTrue(rate_key(str(address)).endswith("/64"))

    def test_a_scope_does_not_count(self) -> None:
        self.assertEqual(address_text("fe80::1%eth0"), "fe80::1")

    @given(st.text(max_size=30))
    def test_what_is_not_an_address_stays_as_it_is(self, text: str) -> None:
        if parse_address(text) is None:
            self.assertEqual((address_text(text), rate_key(text)), (text, text))


class RateKeyTests(SynchronousTestCase):
    def test_a_host_is_one_however_many_addresses_it_takes(self) -> None:
        for host in ("192.0.2.1", "local"):
            self.assertEqual(rate_key(host), host)
        self.assertEqual(rate_key("::ffff:192.0.2.1"), "192.0.2.1")
        self.assertEqual(rate_key("2001:db8:0:1::1"), "2001:db8:0:1::/64")
        self.assertEqual(rate_key("2001:db8:0:1:f00:ba12:1:1"), rate_key("2001:db8:0:1::1"))
        self.assertNotEqual(rate_key("2001:db8:0:2::1"), rate_key("2001:db8:0:1::1"))
        self.assertEqual((rate_key("::1"), rate_key("fe80::1%eth0")), ("::/64", "fe80::/64"))
