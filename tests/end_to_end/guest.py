"""A real guest: Linux in QEMU, its first serial port wherever the test wants it.

    self.guest = Guest(self)  # in setUp: skips the test where QEMU, a kernel or busybox is missing
    self.guest.start(client_of(port))
    # the peer on that port sees the boot log, `READY`, then a shell's prompt; see `initramfs`

It boots in 2 to 3 seconds without KVM, and is ended with the test.
"""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from tests.end_to_end.initramfs import PROMPT, READY, build
from tests.end_to_end.processes import DEADLINE, Child, ProcessTestCase
from tests.programs import missing, require

__all__ = ["PROMPT", "READY", "Guest", "client_of", "find_kernel"]

KERNEL = "VSPC_GUEST_KERNEL"
"""A kernel to use instead of those that are looked for."""

_UNPACKED = Path("/var/cache/vspc-guest/vmlinuz")  # by `make deps`
_MEMORY = 192  # MiB; the kernel needs 128 while it unpacks itself and the archive
_ANSWER = 65536

# The log is wanted, so not quiet; a panic ends QEMU; a BREAK is the kernel's SysRq key.
_KERNEL_LINE = "console=ttyS0 panic=-1 sysrq_always_enabled"


def find_kernel() -> Path | None:
    """The kernel to boot: the one of VSPC_GUEST_KERNEL, of `make deps`, or the newest in /boot."""
    chosen = os.environ.get(KERNEL)
    installed = sorted(Path("/boot").glob("vmlinuz-*"), key=os.path.getmtime, reverse=True)
    candidates = [Path(chosen)] if chosen else [_UNPACKED, *installed]
    # Ubuntu's are only for root to read.
    return next((path for path in candidates if os.access(path, os.R_OK)), None)


def client_of(port: int, host: str = "127.0.0.1") -> str:
    """The `chardev` of a serial port that connects to `port`, each second anew while it fails."""
    return f"socket,host={host},port={port},server=off,reconnect=1"


class Guest:
    """One virtual machine. Skips the test, or fails it, for want of what it needs."""

    def __init__(self, test: ProcessTestCase, name: str = "guest") -> None:
        self._qemu, busybox = require("qemu-system-x86_64", "busybox")
        if _needs_libraries(busybox):
            missing("a statically linked busybox", "busybox-static")
        self._kernel = find_kernel() or missing("a Linux kernel for the guest", "by `make deps`")
        self._test = test
        self._archive = test.directory / f"{name}.cpio"
        self._archive.write_bytes(build(busybox))
        self._monitor = test.directory / f"{name}.qmp"
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """QEMU's process. Only after `start`."""
        assert self._child is not None
        return self._child

    def start(self, chardev: str, debugger: str = "") -> None:
        """Power on. `chardev` is QEMU's, without id: where the serial port goes to; `debugger`, if
        it is given, where the gdb stub does.
        """
        self._monitor.unlink(missing_ok=True)
        words = ["-M", "pc", "-accel", "tcg", "-nodefaults", "-no-user-config", "-no-reboot"]
        words += ["-display", "none"]
        words += ["-m", str(_MEMORY), "-chardev", f"{chardev},id=console"]
        words += ["-serial", "chardev:console", "-append", _KERNEL_LINE]
        words += ["-kernel", str(self._kernel), "-initrd", str(self._archive)]
        words += ["-qmp", f"unix:{self._monitor},server=on,wait=off"]
        if debugger:
            words += ["-chardev", f"{debugger},id=debugger", "-gdb", "chardev:debugger"]
        self._child = self._test.start(self._qemu, *words)

    def go_on(self) -> None:
        """Wait until the gdb stub is connected, for which QEMU stops the guest, then resume."""
        while any(
            each["label"] == "debugger" and "disconnected" in each["filename"]
            for each in self.command("query-chardev")
        ):
            time.sleep(0.05)
        self.resume()

    def stop(self) -> None:
        """Power off, as if by pulling the plug; reaped when this returns."""
        self.child.stop()

    def stun(self) -> None:
        """Stop the guest's processor: it reads nothing more from its UART, and says nothing."""
        self.command("stop")

    def resume(self) -> None:
        """Go on after `stun`."""
        self.command("cont")

    def command(self, name: str, **arguments: object) -> Any:
        """Have QEMU execute a QMP command, once its serial port's peer was there; what it returns.

        AssertionError if QEMU refuses; TimeoutError after 30 s without an answer.
        """
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(DEADLINE)
            monitor.connect(str(self._monitor))
            with monitor.makefile("rw", encoding="utf-8", newline="\n") as stream:
                _ask(stream, "qmp_capabilities", {})
                return _ask(stream, name, arguments)


def _ask(stream: Any, name: str, arguments: dict[str, object]) -> Any:
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    while line := stream.readline(_ANSWER):  # a greeting and events come in between
        answer = json.loads(line)
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise AssertionError(f"QEMU refused {name}: {answer['error']}")
    raise AssertionError(f"QEMU ended before it answered {name}")


def _needs_libraries(program: Path) -> bool:
    with program.open("rb") as file:
        return b"ld-linux" in file.read(4096)  # the interpreter, which stands near the beginning
