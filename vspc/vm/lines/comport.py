"""The middle layer of a VM's line: RFC 2217 COM-PORT-OPTION.

The VM is the RFC 2217 client and offers the option after WILL-PROXY; this layer owns it. It is
declined here, which VMware's own sample proxy does too: the VM goes on without.
"""

from vspc.vm.lines.binary import BinaryLine, LineOption
from vspc.wire import telnet


class ComPortLine(BinaryLine):
    """A line whose peer may offer to negotiate a serial port's settings."""

    def _settings(self, _body: bytes) -> None:
        self.observer.dropped("RFC 2217 settings: the option was declined")


ComPortLine.OPTIONS = (
    *BinaryLine.OPTIONS,
    LineOption(telnet.COM_PORT, received=ComPortLine._settings),
)
