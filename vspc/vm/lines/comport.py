"""The middle layer of a VM's line: RFC 2217 COM-PORT-OPTION.

The VM is the RFC 2217 client and offers the option after WILL-PROXY; this layer owns it. It is
declined here, which VMware's own sample proxy does too: the VM goes on without.
"""

from vspc.vm.lines.binary import BinaryLine, one_byte
from vspc.wire import telnet

_COM_PORT = one_byte(telnet.COM_PORT)


class ComPortLine(BinaryLine):
    """A line whose peer may want to negotiate a serial port's settings."""

    def enableRemote(self, option: bytes) -> bool:
        return False if option == _COM_PORT else super().enableRemote(option)

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        if option == _COM_PORT:
            self.observer.dropped("RFC 2217 settings, which were declined")
        else:
            super().unhandledSubnegotiation(option, body)
