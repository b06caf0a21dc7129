"""A serial line that a kernel shares with its debugger, as kgdb over the console's port does: made
of QEMU's serial port and its gdb stub, because Debian's kernels have no kgdb.

What comes from vspc goes to the serial port. After a BREAK and `g` the VM stops, and it goes to the
stub, until GDB lets the VM go on. What both print goes to vspc, mixed.
"""

import re
import socket
import threading
from contextlib import suppress

_PIECE = 65536
_TELNET = re.compile(rb"\xff(?:[\xfb-\xfe](.)|(\xf3)|\xff)", re.DOTALL)
_BREAK_G = b"\xff\xf3g"
_GOES_ON = re.compile(rb"\$(?:c|s|D|vCont;[cs])[^#]*#..")
_STOPPED = re.compile(rb"\$[TS]\d\d[^#]*#..")
_WILL, _WONT, _DO, _DONT = (bytes([255, each]) for each in (251, 252, 253, 254))


class SharedLine:
    """Connects to a telnet listener of vspc at `port`. QEMU connects to `serial` and to `stub`."""

    def __init__(self) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.serial, self.stub = (each.getsockname()[1] for each in self._listeners)
        self._is_stopped = False
        self._said = b""  # the last of it, while the VM is stopped
        self._is_known = False  # whether GDB was there: kgdb says nothing when it stops before
        self._sending = threading.Lock()
        self._sockets: list[socket.socket] = []

    def start(self, port: int) -> None:
        """Go between, once QEMU has connected both."""
        self._vspc = socket.create_connection(("127.0.0.1", port))
        accepted = [each.accept()[0] for each in self._listeners]
        self._to_serial, self._to_stub = accepted
        self._sockets = [self._vspc, *accepted]
        for work in (self._from_vspc, self._from_serial, self._from_stub):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for each in (*self._sockets, *self._listeners):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _from_vspc(self) -> None:
        rest = b""
        with suppress(OSError):
            while data := self._vspc.recv(_PIECE):
                rest += data
                while _BREAK_G in rest:
                    before, _, rest = rest.partition(_BREAK_G)
                    self._pass(before)
                    self._stop()
                # A command that has not come whole yet.
                at = rest.find(b"\xff", max(0, len(rest) - 2))
                whole, rest = (rest, b"") if at < 0 else (rest[:at], rest[at:])
                self._pass(whole)

    def _pass(self, data: bytes) -> None:
        data = _TELNET.sub(self._answer, data)
        if self._is_stopped:
            self._to_stub.sendall(data)
            self._said = (self._said + data)[-200:]
            if _GOES_ON.search(self._said):
                self._is_stopped, self._said = False, b""
        elif data:
            self._to_serial.sendall(data)

    def _answer(self, command: re.Match[bytes]) -> bytes:
        """BINARY is agreed on, all else is refused; the meaning of a command as data."""
        option = command[1]
        if option is None:
            return b"" if command[2] else b"\xff"
        verb = command[0][:2]
        if verb in (_DO, _WILL):
            agreed = {_DO: _WILL, _WILL: _DO}[verb]
            refused = {_DO: _WONT, _WILL: _DONT}[verb]
            self._say((agreed if option == b"\0" else refused) + option)
        return b""

    def _stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._to_stub.sendall(b"\x03")

    def _say(self, data: bytes) -> None:
        with self._sending:
            self._vspc.sendall(data)

    def _from_serial(self) -> None:
        with suppress(OSError):
            while data := self._to_serial.recv(_PIECE):
                self._say(data.replace(b"\xff", b"\xff\xff"))

    def _from_stub(self) -> None:
        with suppress(OSError):
            while data := self._to_stub.recv(_PIECE):
                found = _STOPPED.search(data)
                if found and self._is_known:
                    self._is_stopped = True
                elif found:
                    self._is_known = self._is_stopped
                    self._to_stub.sendall(b"+")
                    data = data[: found.start()] + data[found.end() :]
                self._say(data.replace(b"\xff", b"\xff\xff"))
