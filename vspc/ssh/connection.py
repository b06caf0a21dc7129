"""The channels of one connection: ssh-connection (RFC 4254), bounded.

Windows are opened again only when a program has dealt with the input, a reply never waits for a
program, and a message about a channel that does not exist ends the connection.
"""

from twisted.conch.ssh.connection import (
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_SUCCESS,
    MSG_GLOBAL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
    SSHConnection,
)
from twisted.conch.ssh.service import SSHService
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.net.scheduler import EVENTS
from vspc.ssh import limits
from vspc.ssh.channel import SshChannel
from vspc.ssh.context import quiet
from vspc.ssh.keys import PROVE, prove_host_keys
from vspc.ssh.session import CHANNEL_TYPES, Channel
from vspc.ssh.transport import SshTransport
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

log = Logger()

HOST_KEYS = b"hostkeys-00@openssh.com"

_PACKET_MINIMUM = 64
"""A client whose largest packet is smaller than this is refused."""

_START = EVENTS // limits.STARTS
"""Events that a request counts as which starts something: a turn has room for few of these."""

_PROHIBITED = (b"forwarded-tcpip", b"x11", b"auth-agent@openssh.com", b"tun@openssh.com")


class SshConnection(SSHService):
    """All channels of one client, by the server's numbers."""

    _log = quiet
    name = b"ssh-connection"
    protocolMessages = SSHConnection.protocolMessages
    transport: SshTransport

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self._next_number = 0
        self._silent = 0
        self._proved_hosts = False
        self._reported_limit = False
        self._waiting: dict[SshChannel, None] = {}

    def serviceStarted(self) -> None:
        """The client has logged in."""
        self.transport.channels = self
        self._look_later()
        self._send_host_keys()

    def serviceStopped(self) -> None:
        """The connection is over: so is every program."""
        self.transport.timers.cancel("keepalive")
        self._waiting.clear()
        for channel in list(self.channels.values()):
            self._forget(channel)

    def give_back(self) -> bool:
        """Restore the client's terminals now; whether there are any."""
        terminals = [each for each in self.channels.values() if each.terminal is not None]
        for channel in terminals:
            channel.ask_program(lambda program: program.give_back())
            channel.send_last()
        return bool(terminals)

    def _look_later(self) -> None:
        self.transport.timers.later("keepalive", limits.KEEPALIVE_INTERVAL, self._look_for_life)

    def _look_for_life(self) -> None:
        """keepalive@openssh.com; any packet of the client's is an answer."""
        self._silent = 0 if self.transport.heard else self._silent + 1
        self.transport.heard = False
        if self._silent >= limits.SILENCE_LIMIT:
            log.info("client-gone", address=self.transport.address)
            self.transport.abort()
            return
        if self._silent and self._silent % limits.KEEPALIVE_AFTER == 0:
            request = string(b"keepalive@openssh.com") + b"\1"
            self.transport.sendPacket(MSG_GLOBAL_REQUEST, request)
        self._look_later()

    # Backpressure

    def wait(self, channel: SshChannel) -> None:
        """Call `channel.resume` when the transport flows again."""
        self._waiting[channel] = None

    def resume_channels(self) -> None:
        """The transport flows: the channel that has waited longest writes first, while it lasts."""
        for channel in list(self._waiting):
            if not self.transport.flowing:
                return
            if channel in self._waiting:
                del self._waiting[channel]
                channel.resume()

    # Global requests

    def ssh_GLOBAL_REQUEST(self, packet: bytes) -> None:
        """Refused, except for one proof of host keys."""
        reader = SshReader(packet)
        name, wants_reply = reader.string(), reader.boolean()
        if name == PROVE and wants_reply and not self._proved_hosts:
            self._proved_hosts = True  # once: signing is expensive
            self._prove_host_keys(reader)
        elif wants_reply:
            self.transport.sendPacket(MSG_REQUEST_FAILURE, b"")

    def _send_host_keys(self) -> None:
        """A client may remember them beside the key that it saw (OpenSSH's PROTOCOL 2.5)."""
        blobs = [key.blob for key in self.transport.context.host_keys]
        if len(blobs) > 1:
            body = string(HOST_KEYS) + b"\0" + b"".join(map(string, blobs))
            self.transport.sendPacket(MSG_GLOBAL_REQUEST, body)

    def _prove_host_keys(self, reader: SshReader) -> None:
        transport = self.transport
        keys = transport.context.host_keys
        proofs = prove_host_keys(reader, keys, transport.sessionID or b"", transport.keyAlg)
        if proofs is None:
            transport.sendPacket(MSG_REQUEST_FAILURE, b"")
        else:
            transport.sendPacket(MSG_REQUEST_SUCCESS, b"".join(map(string, proofs)))

    def ssh_REQUEST_SUCCESS(self, packet: bytes) -> None:
        """An answer to a keepalive: that it arrived is enough."""

    ssh_REQUEST_FAILURE = ssh_REQUEST_SUCCESS

    def ssh_CHANNEL_OPEN_CONFIRMATION(self, packet: bytes) -> None:
        """The server opens no channels."""
        raise MalformedSsh("a reply to a request that was not made")

    ssh_CHANNEL_OPEN_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION
    ssh_CHANNEL_SUCCESS = ssh_CHANNEL_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION

    # Channels

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """A new channel, or a reason why not."""
        reader = SshReader(packet)
        kind = reader.string()
        remote, window, largest = reader.uint32(), reader.uint32(), reader.uint32()
        make = CHANNEL_TYPES.get(kind)
        if make is None:
            prohibited = kind in _PROHIBITED
            reason = OPEN_ADMINISTRATIVELY_PROHIBITED if prohibited else OPEN_UNKNOWN_CHANNEL_TYPE
            self._refuse(remote, reason, "not available here")
        elif len(self.channels) >= self.transport.context.limits.channels:
            self._refuse(remote, OPEN_RESOURCE_SHORTAGE, "too many channels")
            self._report_limit()
        elif largest < _PACKET_MINIMUM:
            self._refuse(remote, OPEN_RESOURCE_SHORTAGE, "packets too small")
        else:
            largest = min(largest, limits.CHANNEL_PACKET)
            channel = make(self, self._next_number, remote, window, largest)
            self._next_number += 1
            self.channels[channel.number] = channel
            channel.opened(reader)
            if kind != b"session":
                self.transport.share.spend(_START)

    def _report_limit(self) -> None:
        """Once for each connection."""
        login = self.transport.login
        if login is not None and not self._reported_limit:
            self._reported_limit = True
            self.transport.context.observer.limited(login, "max_channels")

    def _refuse(self, remote: int, reason: int, text: str) -> None:
        body = uint32(remote) + uint32(reason) + string(text.encode()) + string(b"")
        self.transport.sendPacket(MSG_CHANNEL_OPEN_FAILURE, body)

    def refuse(self, channel: SshChannel, reason: int, text: str) -> None:
        """Refuse to open `channel`."""
        self._forget(channel)
        self._refuse(channel.remote, reason, text)

    def _forget(self, channel: SshChannel) -> None:
        """Both ends have closed `channel`, or the connection is over."""
        self.channels.pop(channel.number, None)
        self._waiting.pop(channel, None)
        channel.gone()

    # Messages about a channel

    def _channel(self, reader: SshReader) -> Channel:
        channel = self.channels.get(reader.uint32())
        if channel is None or not channel.confirmed:
            raise MalformedSsh("a message about a channel that does not exist")
        return channel

    def ssh_CHANNEL_WINDOW_ADJUST(self, packet: bytes) -> None:
        """The client takes more."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        count = reader.uint32()
        reader.end()
        channel.adjust_window(count)

    def ssh_CHANNEL_DATA(self, packet: bytes) -> None:
        """Typed text."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        data = reader.string(limits.CHANNEL_PACKET)
        reader.end()
        channel.take(data)

    def ssh_CHANNEL_EXTENDED_DATA(self, packet: bytes) -> None:
        """A client's stderr is not used; the window is opened again at once."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        reader.uint32()
        count = len(reader.string(limits.CHANNEL_PACKET))
        reader.end()
        channel.skip(count)

    def ssh_CHANNEL_EOF(self, packet: bytes) -> None:
        """The client types no more."""
        self._channel(SshReader(packet)).end_input()

    def ssh_CHANNEL_CLOSE(self, packet: bytes) -> None:
        """The client has closed a channel: answered at once."""
        channel = self._channel(SshReader(packet))
        channel.remote_closed()
        self._forget(channel)

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Reply, and only then act: the reply is sent before output."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        request = reader.string()
        wants_reply = reader.boolean()
        granted, act = channel.requested(request, reader)
        if wants_reply and not channel.is_closed:
            channel.send(MSG_CHANNEL_SUCCESS if granted else MSG_CHANNEL_FAILURE)
        if not granted:
            log.debug("channel-request-refused", request=safe(request))
        if act is not None:
            self.transport.share.spend(_START)
            act()
