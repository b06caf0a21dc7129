"""A process that takes up, where something of that cannot be done."""

import os

from tests.server.handover.test_lifecycle import LifecycleTestCase
from tests.vm.support import Scene
from vspc.net.notify import ManagerSettings
from vspc.net.turn_loop import TurnLoop
from vspc.server.handover.handover import Handover
from vspc.server.handover.lifecycle import ServiceManager
from vspc.server.handover.received import Received
from vspc.server.handover.state_file import HandoverFile
from vspc.server.handover.writer import RETRY


class NoState(LifecycleTestCase):
    """No descriptor is free for a state."""

    def setUp(self) -> None:
        super().setUp()
        self.scene = Scene()
        manager = ServiceManager(ManagerSettings(self.manager.address))
        self.handover = Handover(manager, self.lifecycle, self.scene.server, self.scene.events)
        self.is_failing = True
        real = os.memfd_create

        def create(name: str, flags: int) -> int:
            if self.is_failing:
                raise OSError(24, "Too many open files")
            return real(name, flags)

        self.patch(os, "memfd_create", create)

    def names(self) -> list[str]:
        self.manager.receive_all()
        return self.manager.names()

    def test_the_one_before_is_not_true_any_more_and_there_is_one_as_soon_as_can_be(self) -> None:
        self.is_failing = False
        before = HandoverFile.create()
        assert self.handover.store is not None
        self.handover.store.notifier.store("state0", before.descriptor)
        self.assertEqual(self.names(), ["state0"])
        before.close()
        self.handover.received = Received(state_name="state0")
        self.is_failing = True
        self.handover.take_up(self.reactor, TurnLoop(self.reactor))
        self.assertEqual(self.names(), [])
        self.is_failing = False
        self.scene.clock.advance(RETRY)
        self.assertEqual(len(self.names()), 1)
