"""Listeners that come and go while the server runs, and outlive its process like all others."""

from collections.abc import Iterable
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory

from vspc.config.listening import ListeningAddress
from vspc.net.adoption import adopt_port
from vspc.net.descriptor_store import DescriptorStore
from vspc.net.received_ports import ReceivedPorts


@define(eq=False)
class KeptPorts:
    """`received`: those of the process before; `store`: where they are kept for the next one, None
    where nothing is. A listener goes on under its name and at its address, or not at all: who waits
    for one that is configured otherwise is not served by it.
    """

    reactor: Any
    store: DescriptorStore | None = None
    received: ReceivedPorts = field(factory=ReceivedPorts)

    def claim(self, wanted: Iterable[tuple[str, ListeningAddress]]) -> None:
        """Names and addresses of what is about to be opened. Call it before other listeners take
        what was handed over, or close it.
        """
        self.received.claim_named(wanted)

    def go_on(self, name: str, factory: Factory) -> IListeningPort | None:
        """The listener called `name` that was handed over, and claimed."""
        found = self.received.take_named(name)
        if found is None:
            return None
        port = adopt_port(self.reactor, found.socket, factory)
        if self.store is not None:
            self.store.kept_port(name, port)
        return port

    def keep(self, name: str, port: IListeningPort) -> None:
        """The listener `port` is new."""
        if self.store is not None:
            self.store.keep_port(name, port)

    def release(self, port: IListeningPort) -> None:
        """It is about to be closed."""
        if self.store is not None:
            self.store.release_port(port)

    def rename(self, port: IListeningPort, name: str) -> None:
        """It is configured otherwise."""
        self.release(port)
        self.keep(name, port)
