"""Factories for the VM side's listeners: telnet, telnets, and plain ones without the extension."""

from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.net.keepalive import keep_alive, unacknowledged
from vspc.net.limits import Admissions, Allow, Refusals
from vspc.net.telnet_transport import LineTransport
from vspc.vm.door import Door
from vspc.vm.keeper import Keeper
from vspc.vm.line import BinaryLine, host_of
from vspc.vm.registration import Joined
from vspc.vm.vmware import Terms, VMwareLine
