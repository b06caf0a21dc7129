"""Who a VM is, as a key."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World


class Identifying(SynchronousTestCase):
    def test_ids_are_stable_and_hold_nothing_foreign(self) -> None:
        claim = World().claim("../../x", "ab" * 16)
        first = claim.identity.console_id(claim.port_key, 1)
        self.assertEqual(first, claim.identity.console_id(claim.port_key, 1))
        self.assertRegex(first, r"\A[0-9a-f]{16}\Z")
        self.assertNotEqual(first, claim.identity.console_id(claim.port_key, 2))

    def test_equal_uuids_in_two_zones_are_two_vms(self) -> None:
        world = World()
        self.assertNotEqual(world.claim().identity, world.claim(zone="prod").identity)

    def test_without_a_uuid_address_and_name_identify_it(self) -> None:
        world = World()
        one = world.claim(uuid=None, uuid_kind="")
        self.assertEqual(one.identity, world.claim(uuid=None, uuid_kind="").identity)
        other = world.claim(uuid=None, uuid_kind="", address="10.0.0.2")
        self.assertNotEqual(one.identity, other.identity)
