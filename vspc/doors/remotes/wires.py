"""A connection to a remote system: raw bytes, or telnet with us as the client.

They are the lines of vm/lines: turns, NVT, BREAK and backpressure are the same, seen from the other
end of the VM.
"""

from collections.abc import Callable

from vspc.net.scheduler import Share
from vspc.net.telnet_transport import LineTransport
from vspc.vm.lines.binary import BinaryLine, LineOption
from vspc.vm.lines.plain import RawLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.wire import telnet
from vspc.wire.uri import Scheme

Observe = Callable[[VmLine], LineObserver]
"""Gives the observer of a connection, once that is made."""


class RemoteTelnet(BinaryLine):
    """Telnet towards a server: it echoes if it likes, we do not."""


RemoteTelnet.OPTIONS = (
    LineOption(telnet.BINARY, offered=True, demanded=True, accept=RemoteTelnet._enter_binary),
    LineOption(telnet.SGA, offered=True, demanded=True),
    LineOption(telnet.ECHO, accept=lambda _line: True),
)


def remote_wire(
    scheme: Scheme, observe: Observe, now: Callable[[], float], share: Share
) -> RawLine | LineTransport:
    """What a URI of `scheme` is spoken with."""
    share.proven = True  # we have asked for what it sends
    if scheme.telnet:
        return LineTransport(lambda: RemoteTelnet(observe, scheme.tls), now, share)
    return RawLine(observe, "", share)
