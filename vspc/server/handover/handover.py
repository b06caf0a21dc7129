"""What this process goes on with, and what it leaves to the next one."""

from collections.abc import Iterable

from attrs import define, field
from twisted.logger import Logger

from vspc.net.descriptor_store import DescriptorStore
from vspc.server.handover.lifecycle import Lifecycle, ServiceManager
from vspc.server.handover.received import Received


@define(eq=False)
class Handover:
    """`store` is None where the service manager has none: then nothing is handed over."""

    manager: ServiceManager
    lifecycle: Lifecycle
    store: DescriptorStore | None = field(init=False)
    received: Received = field(factory=Received, init=False)
    _log: Logger = field(factory=lambda: Logger(namespace="vspc.server.handover"), init=False)

    def __attrs_post_init__(self) -> None:
        notifier = self.lifecycle.notifier
        keeps = notifier is not None and notifier.settings.keeps
        self.store = DescriptorStore(notifier) if notifier is not None and keeps else None

    def open(self, endpoints: Iterable[str]) -> None:
        """Look at what was handed over; `endpoints` are those of the configuration."""
        received = self.received = Received.of(self.manager.descriptors, endpoints)
        if received.unusable:
            names = sorted(set(received.unusable))
            self._log.warn("handover-descriptors-closed", names=names, count=len(names))
        if self.store is not None:
            for name in received.unusable:
                self.store.notifier.remove(name)

    def keeps(self, port: object) -> bool:
        """Whether the listener `port` is left to the next process."""
        return self.store is not None and self.store.keeps_port(port)

    def leave(self) -> None:
        """This process reads, writes and accepts nothing more of what the next one goes on with."""
        if self.store is not None:
            self.store.leave()
