"""Impostors say what they are told to say, once, and keep every byte that they get."""

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import SECRET, Proxy
from tests.simulator.support import World
from tests.simulator.test_migration import SEQUENCE, THERE
from vspc.simulator import extension as ext
from vspc.simulator.extension import identity
from vspc.simulator.impostors import KEPT, ImpostorClaim, Impostors
from vspc.simulator.migration import PlannedFault

WEB1 = identity("web1")


class ImpostorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.impostors = Impostors(self.world.clock, self.world.network.connect)

    def connect(self, claim: ImpostorClaim) -> Proxy:
        self.impostors.connect(claim)
        self.world.run()
        return self.world.proxy

    def test_it_claims_a_vm_and_types_once_it_is_accepted(self) -> None:
        proxy = self.connect(ImpostorClaim(THERE, WEB1, b"canary\xff", service_uri="vspc?port=x"))
        self.assertEqual(self.world.sources, [THERE])
        self.assertIn((ext.DO_PROXY, b"Svspc?port=x"), proxy.heard)
        self.assertIn((ext.NAME, b"web1"), proxy.heard)
        self.assertEqual(proxy.data, b"canary\xff")

    def test_it_keeps_what_it_gets_up_to_a_limit_and_counts_the_rest(self) -> None:
        proxy = self.connect(ImpostorClaim(THERE, WEB1))
        proxy.type(b"p" * (KEPT + 10))
        proxy.write(b"\xff\xf3")
        self.world.run()
        [impostor] = self.impostors.all
        self.assertEqual(
            (impostor.size, impostor.heard, impostor.breaks), (KEPT + 10, b"p" * KEPT, 1)
        )
        self.assertEqual(len(impostor.wire), KEPT)

    def test_it_claims_with_a_credential_that_another_vm_got(self) -> None:
        self.world.start()
        moving = self.world.vm.migrate(THERE, 0.0, PlannedFault.TALK_ON, SEQUENCE)
        self.world.run()
        credential = bytes.fromhex(self.successResultOf(moving).credential)
        victim = evolve(identity("evil"), vc_uuid="11" * 16)
        proxy = self.connect(ImpostorClaim(THERE, victim, b"mine", credential=credential))
        self.assertIn((ext.PEER, SEQUENCE + SECRET), proxy.heard)
        self.assertEqual((proxy.heard[-1], proxy.data), ((ext.COMPLETE, SEQUENCE), b"mine"))
        self.assertEqual(self.impostors.all[0].state, "accepted")

    def test_a_credential_that_does_not_count_is_met_with_silence_and_given_up(self) -> None:
        self.world.kind = type("Silent", (Proxy,), {"answers": False})
        proxy = self.connect(
            ImpostorClaim(THERE, WEB1, b"early", credential=b"guessed", early=True)
        )
        self.assertEqual(proxy.data, b"early")
        self.world.run(31)
        [impostor] = self.impostors.all
        self.assertEqual((impostor.state, impostor.reason), ("closed", "no answer in time"))

    def test_it_does_not_connect_again(self) -> None:
        self.connect(ImpostorClaim(THERE, WEB1)).close()
        self.world.run(60)
        self.assertEqual((len(self.world.proxies), self.impostors.all[0].state), (1, "closed"))
        self.impostors.end()
