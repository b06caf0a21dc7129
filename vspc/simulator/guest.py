"""The toy guest: a boot log, a prompt that echoes, a few commands (`guest_commands`).

It reads its UART as a system does: 4 KiB of type-ahead, none while it prints more than its line
takes, none during `sleep-reading`. ^C ends what prints in front.
"""

from collections.abc import Iterator
from itertools import chain

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from vspc.simulator.guest_commands import COMMANDS, Discard, GuestReader, GuestUsageError
from vspc.simulator.guest_terminal import GuestPrinter, LineEditor, Steps
from vspc.simulator.serial_port import SerialPort

TYPE_AHEAD = 4096
"""Bytes that are read before they are looked at."""

SILENCE = 1.0
"""Seconds without input that end what follows a failed `expect`."""

_INTERRUPT = 0x03

_BOOT = """\
SeaBIOS (simulated)
Booting from Hard Disk...
[    0.000000] Linux version 6.1.0-sim (vspc@simulator)
[    0.000000] Command line: root=/dev/sda1 console=ttyS0,115200n8
[    0.004000] Memory: 2048MB available
[    0.120000] Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled
[    0.131000] 00:01: ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A
[    0.480000] sda: sda1 sda2
[    0.730000] EXT4-fs (sda1): mounted filesystem
[    1.020000] Run /sbin/init as init process
[    1.850000] eth0: link up
Welcome to the simulated system, {name} ttyS{tty}. Type help.
"""


class ToyGuest:
    """A guest called `name`. `pace` is the time between two lines of the boot log, in seconds.

    `tty` is the number of the serial port that it is on, from 0.
    """

    def __init__(self, clock: IReactorTime, name: str, pace: float = 0.0, tty: int = 0) -> None:
        self.name = name
        self.deaf = False
        self._clock = clock
        self._pace = pace
        self._tty = tty
        self._port: SerialPort | None = None
        self._printer = GuestPrinter(clock, self._work)
        self._editor = LineEditor()
        self._input = bytearray()
        self._reader: GuestReader | None = None
        self._breaks = 0
        self._dead = False
        self._booting = False
        self._working = False
        self._command_runs = False  # or what is busy in front is an echo that waits for room
        self._quiet: IDelayedCall | None = None
        self._action: IDelayedCall | None = None

    # Power.

    def boot(self, port: SerialPort) -> None:
        self._port = port
        self._start()

    def stop(self) -> None:
        self._forget()
        self._port = None

    def reboot(self) -> bool:
        self._forget()
        self._start()
        return True

    def _start(self) -> None:
        self._printer.attach(self._port)
        self._booting = True
        self._printer.show(chain(self._boot_log(), self._ready()))

    def _boot_log(self) -> Iterator[bytes | float]:
        for line in _BOOT.format(name=self.name, tty=self._tty).splitlines():
            yield f"{line}\r\n".encode()
            if self._pace:
                yield self._pace

    def _ready(self) -> Iterator[bytes]:
        self._booting = False
        yield b"\r\n" + self._prompt()

    def _prompt(self) -> bytes:
        return f"{self.name}:~# ".encode()

    def _next_prompt(self) -> Iterator[bytes]:
        if not self._dead:
            yield self._prompt()

    def _forget(self) -> None:
        for call in (self._quiet, self._action):
            if call is not None and call.active():
                call.cancel()
        self._printer.attach(None)
        self._editor.reset()
        self._input.clear()
        self._reader = None
        self._breaks = 0
        self.deaf = self._dead = self._booting = False

    def later(self, action: str) -> None:
        """Do it in the next turn: this one may be in the middle of printing."""
        self._dead = True
        self._action = self._clock.callLater(0, self._actions[action], self)

    def _power_off(self) -> None:
        if self._port is not None:
            self._port.powered_off()

    def _panic(self) -> None:
        self._printer.clear()

    _actions = {"reboot": reboot, "poweroff": _power_off, "panic": _panic}

    # Output.

    def writable(self) -> None:
        self._printer.pump()

    def break_received(self) -> None:
        """A BREAK: one line, with its number since the start."""
        if self._port is None:
            return
        self._breaks += 1
        self._printer.show([b"\r\n[sysrq] break %d\r\n" % self._breaks])

    # Input.

    def wants(self) -> int:
        if self._port is None or self.deaf:
            return 0
        return TYPE_AHEAD - len(self._input)

    def read(self, data: bytes) -> None:
        if self._dead:
            return
        self._input += data
        if self._printer.busy and not self._booting:
            self._interrupt()
        self._work()

    def _interrupt(self) -> None:
        at = self._input.find(_INTERRUPT)
        if at < 0 or self._reader is not None or not self._command_runs:
            return
        del self._input[: at + 1]
        self._printer.interrupt()
        self._printer.show([b"^C\r\n", self._prompt()])

    def read_with(self, reader: GuestReader) -> None:
        self._reader = reader
        self._editor.reset()

    def _work(self) -> None:
        if self._working:
            return
        self._working = True
        try:
            while self._input and not self._printer.busy and not self._dead and not self.deaf:
                self._command_runs = False
                if self._reader is not None:
                    self._read_raw(self._reader)
                else:
                    self._edit()
        finally:
            self._working = False
        if self._port is not None and self.wants():
            self._port.readable()

    def _edit(self) -> None:
        echo, line = self._editor.take(self._input)
        if line is None:
            self._printer.show([echo])
        else:
            self._enter(echo, line)

    def _enter(self, echo: bytes, line: str) -> None:
        words = line.split()
        behind = bool(words) and words[-1] == "&"
        steps = self._steps(words[:-1] if behind else words)
        self._command_runs = True
        if behind and self._reader is None:
            self._printer.run_behind(steps)
            steps = []
        if self._reader is None:
            steps = chain(steps, self._next_prompt())
        self._printer.show(chain([echo], steps))

    def _steps(self, words: list[str]) -> Steps:
        if not words:
            return []
        known = COMMANDS.get(words[0])
        if known is None:
            return [f"{words[0]}: command not found\r\n".encode()]
        run, usage, _ = known
        try:
            return run(self, words[1:])
        except GuestUsageError:
            return [f"usage: {words[0]} {usage}\r\n".encode()]

    def _read_raw(self, reader: GuestReader) -> None:
        result = reader.take(self._input)
        if isinstance(reader, Discard):
            self._wait_for_silence()
        elif result is not None:
            self._finish(reader, result)

    def _finish(self, reader: GuestReader, result: bytes) -> None:
        if reader.differs:
            self._reader = Discard()
            self._wait_for_silence()
            self._printer.show([result + b"\r\n"])
        else:
            self._reader = None
            self._editor.reset(reader.after_cr)
            self._printer.show([result + b"\r\n" + self._prompt()])

    def _wait_for_silence(self) -> None:
        if self._quiet is not None and self._quiet.active():
            self._quiet.reset(SILENCE)
        else:
            self._quiet = self._clock.callLater(SILENCE, self._silent)

    def _silent(self) -> None:
        self._reader = None
        self._printer.show([self._prompt()])
        self._work()
