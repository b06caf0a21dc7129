"""An ssh-agent of the test's own, whose keys are FIDO tokens of software.

No hardware: nothing here knows more of a token than what OpenSSH's PROTOCOL.u2f says of its
signatures. It speaks draft-miller-ssh-agent as far as ssh asks.
"""

import socketserver
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from vspc.wire.ssh import string

_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_FAILURE = b"\x05"


class Signing(Protocol):
    """A key of an agent's."""

    @property
    def blob(self) -> bytes:
        """Its public half."""

    def sign(self, data: bytes) -> bytes:
        """A signature over `data`."""


@frozen
class Certified:
    """A certificate, and who has the key that it is for."""

    blob: bytes
    owner: Signing

    def sign(self, data: bytes) -> bytes:
        return self.owner.sign(data)


class Agent(socketserver.ThreadingUnixStreamServer):
    """Listens at `path` until `close`; `keys` may change meanwhile."""

    daemon_threads = True

    def __init__(self, path: Path, keys: Sequence[Signing] = ()) -> None:
        super().__init__(str(path), _Client)
        self.path = path
        self.keys = keys
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nobody is answered any more."""
        self.shutdown()
        self._thread.join(10)
        self.server_close()

    def answer(self, message: bytes) -> bytes:
        """What is said to one message."""
        kind, body = message[:1], message[1:]
        if kind == bytes([_LIST]):
            keys = b"".join(string(key.blob) + string(b"token") for key in self.keys)
            return bytes([_LISTED]) + struct.pack(">I", len(self.keys)) + keys
        if kind == bytes([_SIGN]):
            blob, rest = _string(body)
            data, _flags = _string(rest)
            for key in self.keys:
                if key.blob == blob:
                    return bytes([_SIGNED]) + string(key.sign(data))
        return _FAILURE


class _Client(socketserver.StreamRequestHandler):
    """One client's messages."""

    server: Agent

    def handle(self) -> None:
        while len(head := self.rfile.read(4)) == 4:
            message = self.rfile.read(int.from_bytes(head, "big"))
            self.wfile.write(string(self.server.answer(message)))


def _string(data: bytes) -> tuple[bytes, bytes]:
    """The first string of `data`, and what follows it."""
    size = 4 + int.from_bytes(data[:4], "big")
    return data[4:size], data[size:]
