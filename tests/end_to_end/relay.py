"""A bastion: connections to it go on to a server, from one address of its own."""

import socket
import socketserver
import threading
from contextlib import suppress

_PIECE = 65536


class Relay(socketserver.ThreadingTCPServer):
    """Listens on `port` of 127.0.0.1 until `close`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.source = (address, 0)
        self.target = ("127.0.0.1", port)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def turn(self, port: int) -> None:
        """New connections go to another server; open ones stay where they are."""
        self.target = ("127.0.0.1", port)

    def close(self) -> None:
        """Nobody comes through any more."""
        self.shutdown()
        self._thread.join(10)
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One client."""

    server: Relay
    request: socket.socket

    def handle(self) -> None:
        try:
            other = socket.create_connection(
                self.server.target, 30, source_address=self.server.source
            )
        except OSError:  # nobody listens: this connection ends
            return
        with other:
            other.settimeout(None)
            back = threading.Thread(target=_pass, args=(other, self.request), daemon=True)
            back.start()
            _pass(self.request, other)
            back.join(10)


def _pass(source: socket.socket, target: socket.socket) -> None:
    """Until one of them ends."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
