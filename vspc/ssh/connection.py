"""An operator's channels: ssh-connection (RFC 4254), bounded.

Windows are opened again only when a program has dealt with the input, a reply never waits for a
program, and a message about a channel that does not exist ends the connection.
"""

from typing import TYPE_CHECKING

from twisted.conch.ssh.connection import (
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_CONFIRMATION,
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
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.ssh import limits
from vspc.ssh.channel import SshChannel
from vspc.ssh.quiet import quiet
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

if TYPE_CHECKING:
    from vspc.ssh.transport import SshTransport
from collections.abc import Mapping

from twisted.conch.ssh.keys import Key

from vspc.ssh.crypto.algorithms import HOST_SIGNATURES

TELL = b"hostkeys-00@openssh.com"
PROVE = b"hostkeys-prove-00@openssh.com"


def _blob(key: Key) -> bytes:
    return bytes(key.public().blob())  # type: ignore[no-untyped-call]


def host_key_blobs(keys: Mapping[bytes, Key]) -> list[bytes]:
    """The public halves as they go over the wire."""
    return [_blob(key) for key in keys.values()]


def prove(
    asked: SshReader, private: Mapping[bytes, Key], session: bytes | None, agreed: bytes
) -> list[bytes] | None:
    """A signature for each key that is asked for; None where one is none of ours.

    `agreed` is the host key algorithm of the key exchange: an RSA key signs by it if it can. No
    key is signed with twice. Raises `Malformed`.
    """
    left = {_blob(key): kind for kind, key in private.items()}
    proofs = []
    while not asked.ended:
        blob = asked.string()
        kind = left.pop(blob, None)
        if kind is None:
            return None
        names = HOST_SIGNATURES[kind]
        name = agreed if agreed in names else names[0]
        text = string(PROVE) + string(session or b"") + string(blob)
        proofs.append(bytes(private[kind].sign(text, signatureType=name)))
    return proofs or None


log = Logger()

_PACKET_MINIMUM = 64
"""A client whose largest packet is smaller than this is refused."""

_FORWARDS = (b"forwarded-tcpip", b"x11", b"auth-agent@openssh.com", b"tun@openssh.com")


class SshConnection(SSHConnection):
    """All channels of one operator's connection."""

    _log = quiet
    transport: "SshTransport"
    channels: dict[int, SshChannel]
    channelsToRemoteChannel: dict[SshChannel, int]
    localToRemoteChannel: dict[int, int]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._silent = 0
        self._proved_hosts = False
        self._told_limit = False
        self._waiting: dict[SshChannel, None] = {}

    def serviceStarted(self) -> None:
        """The operator is in."""
        self._look_later()
        self._tell_host_keys()

    def serviceStopped(self) -> None:
        """The connection is gone: every program hears it."""
        self.transport.timers.never("keepalive")
        self._waiting.clear()
        for channel in list(self.channels.values()):
            self.forget(channel)

    def give_back(self) -> bool:
        """Terminals are as they were, now; whether there are any."""
        terminals = [each for each in self.channels.values() if each.terminal is not None]
        for channel in terminals:
            channel.ask_program(lambda program: program.give_back())
            channel.send_last()
        return bool(terminals)

    def _look_later(self) -> None:
        self.transport.timers.later("keepalive", limits.LIFE_INTERVAL, self._look_for_life)

    def _look_for_life(self) -> None:
        """keepalive@openssh.com; whatever comes from the client is an answer."""
        self._silent = 0 if self.transport.heard else self._silent + 1
        self.transport.heard = False
        if self._silent >= limits.SILENCE_LIMIT:
            log.info("client-gone", address=self.transport.address)
            self.transport.abort()
            return
        if self._silent and self._silent % limits.SILENCE_ASKED == 0:
            request = string(b"keepalive@openssh.com") + b"\1"
            self.transport.sendPacket(MSG_GLOBAL_REQUEST, request)
        self._look_later()

    # Backpressure

    def wait(self, channel: SshChannel) -> None:
        """`channel` wants to hear when the transport flows again."""
        self._waiting[channel] = None

    def resume_channels(self) -> None:
        """The transport flows: who waited longest writes first, while it lasts."""
        for channel in list(self._waiting):
            if not self.transport.flowing:
                return
            if channel in self._waiting:
                del self._waiting[channel]
                channel.resume()

    # Global requests

    def ssh_GLOBAL_REQUEST(self, packet: bytes) -> None:
        """Refused, but for one proof of host keys."""
        reader = SshReader(packet)
        name, wanted = reader.string(), reader.boolean()
        if name == PROVE and wanted and not self._proved_hosts:
            self._proved_hosts = True  # once: signing is dear
            self._prove_host_keys(reader)
        elif wanted:
            self.transport.sendPacket(MSG_REQUEST_FAILURE, b"")

    def _tell_host_keys(self) -> None:
        """What a client may remember beside the key that it saw (PROTOCOL section 2.5)."""
        blobs = host_key_blobs(self.transport.factory.privateKeys)
        if len(blobs) > 1:
            body = string(TELL) + b"\0" + b"".join(map(string, blobs))
            self.transport.sendPacket(MSG_GLOBAL_REQUEST, body)

    def _prove_host_keys(self, reader: SshReader) -> None:
        """The client wants to know that the others are ours too."""
        transport = self.transport
        proofs = prove(reader, transport.factory.privateKeys, transport.sessionID, transport.keyAlg)
        if proofs is None:
            transport.sendPacket(MSG_REQUEST_FAILURE, b"")
        else:
            transport.sendPacket(MSG_REQUEST_SUCCESS, b"".join(map(string, proofs)))

    def ssh_REQUEST_SUCCESS(self, packet: bytes) -> None:
        """An answer to a keepalive: that it came is enough."""

    ssh_REQUEST_FAILURE = ssh_REQUEST_SUCCESS

    def ssh_CHANNEL_OPEN_CONFIRMATION(self, packet: bytes) -> None:
        """The door opens no channels: there is nothing to answer."""
        raise MalformedSsh("an answer to a question that nobody asked")

    ssh_CHANNEL_OPEN_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION
    ssh_CHANNEL_SUCCESS = ssh_CHANNEL_OPEN_CONFIRMATION
    ssh_CHANNEL_FAILURE = ssh_CHANNEL_OPEN_CONFIRMATION

    # Opening and closing

    def ssh_CHANNEL_OPEN(self, packet: bytes) -> None:
        """A new channel, or a reason why not."""
        reader = SshReader(packet)
        kind = reader.string()
        remote, window, largest = reader.uint32(), reader.uint32(), reader.uint32()
        make = self.transport.avatar.channelLookup.get(kind)
        if make is None:
            prohibited = kind in _FORWARDS
            reason = OPEN_ADMINISTRATIVELY_PROHIBITED if prohibited else OPEN_UNKNOWN_CHANNEL_TYPE
            self._refuse(remote, reason, "not available here")
        elif len(self.channels) >= self.transport.factory.limits.channels:
            self._refuse(remote, OPEN_RESOURCE_SHORTAGE, "too many channels")
            self._tell_limit()
        elif largest < _PACKET_MINIMUM:
            self._refuse(remote, OPEN_RESOURCE_SHORTAGE, "packets too small")
        else:
            channel: SshChannel = make(self, window, min(largest, limits.CHANNEL_PACKET))
            self._enter(channel, remote)
            channel.opening(reader)
            if kind != b"session":
                self.transport.started()

    def _tell_limit(self) -> None:
        """Once: who wants a thousand channels wants no thousand lines."""
        login = self.transport.login
        if login is not None and not self._told_limit:
            self._told_limit = True
            self.transport.factory.witness.limited(login, "max_channels")

    def _enter(self, channel: SshChannel, remote: int) -> None:
        channel.id = self.localChannelID
        self.localChannelID += 1
        self.channels[channel.id] = channel
        self.channelsToRemoteChannel[channel] = remote
        self.localToRemoteChannel[channel.id] = remote

    def _refuse(self, remote: int, reason: int, text: str) -> None:
        body = uint32(remote) + uint32(reason) + string(text.encode()) + string(b"")
        self.transport.sendPacket(MSG_CHANNEL_OPEN_FAILURE, body)

    def confirm(self, channel: SshChannel) -> None:
        """`channel` is open."""
        numbers = (self.remote(channel), channel.id, limits.WINDOW, limits.CHANNEL_PACKET)
        body = b"".join(map(uint32, numbers))
        self.transport.sendPacket(MSG_CHANNEL_OPEN_CONFIRMATION, body)

    def refuse(self, channel: SshChannel, reason: int, text: str) -> None:
        """`channel` is not to be."""
        remote = self.remote(channel)
        self.forget(channel)
        self._refuse(remote, reason, text)

    def remote(self, channel: SshChannel) -> int:
        """The client's number for `channel`."""
        return self.channelsToRemoteChannel[channel]

    def forget(self, channel: SshChannel) -> None:
        """Both ends have closed `channel`, or the connection is gone."""
        self.channels.pop(channel.id, None)
        self.localToRemoteChannel.pop(channel.id, None)
        self.channelsToRemoteChannel.pop(channel, None)
        self._waiting.pop(channel, None)
        channel.gone()

    # Messages about a channel

    def _channel(self, reader: SshReader) -> SshChannel:
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
        channel.addWindowBytes(count)

    def ssh_CHANNEL_DATA(self, packet: bytes) -> None:
        """Typed text."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        data = reader.string(limits.CHANNEL_PACKET)
        reader.end()
        channel.take(data)

    def ssh_CHANNEL_EXTENDED_DATA(self, packet: bytes) -> None:
        """Nobody here reads a client's stderr; the window is opened again at once."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        reader.uint32()
        count = len(reader.string(limits.CHANNEL_PACKET))
        reader.end()
        channel.skip(count)

    def ssh_CHANNEL_EOF(self, packet: bytes) -> None:
        """The client types no more."""
        self._channel(SshReader(packet)).eofReceived()

    def ssh_CHANNEL_CLOSE(self, packet: bytes) -> None:
        """The client is done with a channel: answered at once."""
        channel = self._channel(SshReader(packet))
        channel.closeReceived()
        self.forget(channel)

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Ask the channel, answer, and only then let it act: a reply stands before output."""
        reader = SshReader(packet)
        channel = self._channel(reader)
        request = reader.string()
        wanted = reader.boolean()
        granted, act = channel.asked(request, reader)
        if wanted and not channel.localClosed:
            answer = MSG_CHANNEL_SUCCESS if granted else MSG_CHANNEL_FAILURE
            self.transport.sendPacket(answer, uint32(self.remote(channel)))
        if not granted:
            log.debug("channel-request-refused", request=safe(request))
        if act is not None:
            self.transport.started()
            act()
