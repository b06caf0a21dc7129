"""What operators type, on terminals and in commands: any of it ends in a declared way."""

import json
import os
from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.test.iosim import FakeTransport, connect

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import ALICE, BOB, ROOT, XTERM, FakeChannel
from tests.doors.test_control import Client, Recorded, Socket, verb
from tests.fuzz.target import Choices, Target, same
from tests.fuzz.targets.streams import SEQUENCES
from vspc.apps.dispatch import Dispatcher
from vspc.apps.verbs.commandline import CommandLine
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.table import VERBS
from vspc.console.access import Operator
from vspc.console.bookmarks import Bookmarks
from vspc.console.groups import ConsoleGroup
from vspc.console.input_flow import WAITING
from vspc.console.logins import (
    USER_LIMIT,
    ExecRequest,
    ForwardRequest,
    Login,
    ShellRequest,
    split_user,
)
from vspc.console.ports import Terminal
from vspc.doors.control import FRAME, ControlChannel, frame

PEOPLE = (ALICE, BOB, ROOT)
MOST = 4
"""Channels at once."""


class Hall:
    """Three VMs and a few operators; an input says who does what."""

    def __init__(self) -> None:
        self.desk = OpsDesk()
        self.vms = [
            self.desk.connected(name, f"{number:032x}")
            for number, name in enumerate(("web01", "web02", "db"), 1)
        ]
        groups = (ConsoleGroup("racks", ("web*",)),)
        self.desk.context = evolve(
            self.desk.context, groups=lambda _: groups, bookmarks=Bookmarks()
        )
        self.dispatcher = Dispatcher(self.desk.context)
        self.channels: list[FakeChannel] = []

    def begin(self, who: Operator, request: Any, terminal: Terminal | None) -> FakeChannel:
        """One more channel."""
        channel = FakeChannel(terminal)
        self.dispatcher.start(channel, Login(self.desk.login(who), None, ()), request)
        self.channels.append(channel)
        self.turn()
        return channel

    def turn(self, seconds: float = 0.0) -> None:
        """Time passes; turns of the reactor end."""
        for _ in range(3):
            self.desk.clock.advance(seconds / 3)
            self.desk.turn()

    def type(self, channel: FakeChannel, data: bytes) -> None:
        """Keys; what came of them has to fit somewhere."""
        if channel.program is not None and channel.status is None and data:
            channel.type(data)
            self.turn()
        for console, _ in self.vms:
            if console.input.waiting > WAITING:
                raise AssertionError(f"{console.input.waiting} bytes wait")

    def end(self) -> None:
        """All leave."""
        for channel in self.channels:
            channel.close()
        self.turn()
        same(self.desk.failures, 0, "failures")
        for console, _ in self.vms:
            same(len(console.attachments), 0, "attachments")


def _terminals(data: bytes) -> None:
    choices, hall = Choices(data), Hall()
    kinds = (XTERM, Terminal("vt100", 1, 1), Terminal("dumb", 80, 24), None)
    requests = (
        ShellRequest(None),
        ExecRequest(b"console web01"),
        ExecRequest(b"raw web01"),
        ForwardRequest("web02"),
        ExecRequest(b"watch web*"),
    )
    while choices:
        channel = hall.channels[choices.byte() % len(hall.channels)] if hall.channels else None
        step = choices.below(10)
        if (step == 0 or channel is None) and len(hall.channels) < MOST:
            what = requests[choices.below(len(requests))]
            hall.begin(PEOPLE[choices.below(3)], what, kinds[choices.below(4)])
        elif channel is None or step == 1:
            hall.turn(choices.byte() / 4)
        elif step == 2:
            console, _ = hall.vms[choices.below(3)]
            console.link.output(choices.piece())
            hall.turn()
        elif step == 3 and channel.terminal is not None and channel.program is not None:
            size = 1 + choices.byte(), 1 + choices.below(60)
            channel.terminal = Terminal(channel.terminal.kind, *size)
            channel.program.resized()
        elif step == 4:
            channel.window = choices.byte() * 16
        elif step == 5 and channel.program is not None:
            channel.read(4096)
        elif step == 6 and channel.program is not None:
            channel.program.break_requested()
        else:
            hall.type(channel, choices.piece())
    hall.end()


def _chooser(data: bytes) -> None:
    choices, hall = Choices(data), Hall()
    kind = (XTERM, Terminal("xterm", 20, 5), Terminal("dumb", 80, 24))[choices.below(3)]
    channel = hall.begin(ALICE, ShellRequest(None), kind)
    while choices:
        if not choices.below(8):
            hall.turn(choices.byte() / 16)
        hall.type(channel, choices.piece())
    hall.end()


def _verb(data: bytes) -> None:
    hall = Hall()
    flags = (data or b"\0")[0]
    line = data[1:].decode("utf-8", "surrogateescape")
    channel = FakeChannel(XTERM if flags & 1 else None)
    hall.channels.append(channel)
    login = Login(hall.desk.login(PEOPLE[flags % 3]), None, ())
    hall.dispatcher.start(channel, login, ExecRequest(data[1:]))
    hall.turn(5.0)
    hall.end()
    _parsed(line)


def _parsed(line: str) -> None:
    """Each grammar on the same words."""
    for each in VERBS.verbs:
        try:
            parse(each.grammar, CommandLine(line), 1_700_000_000.0)
        except UsageError as mistake:
            if not str(mistake).isprintable():
                raise AssertionError(f"{str(mistake)!r} is not printable") from None


def _login_name(data: bytes) -> None:
    found = split_user(data)
    if found is None:
        if len(data) <= USER_LIMIT and data.isascii():
            raise AssertionError("it is not read")
        return
    if set("+:,") & set(found.operator):
        raise AssertionError(found.operator)
    mark = data.decode()[len(found.operator) : len(found.operator) + 1]
    options = "".join(f",{each}" for each in found.options)
    target = "" if found.target is None else mark + found.target
    same((found.operator + target + options).encode(), data, "the name")


def _control(data: bytes) -> None:
    choices, programs = Choices(data), list[Recorded]()

    def run(channel: Any, words: list[str]) -> Callable[[], None]:
        programs.append(Recorded(channel))
        program: Any = programs[-1]
        channel.start(program)
        return lambda: None

    channel = ControlChannel(run, frozenset({os.getuid()}), lambda _: None)
    client = Client()
    wire = Socket(channel, True)
    pump = connect(channel, wire, client, FakeTransport(client, False))
    try:
        while choices and not client.lost:
            kind, body = choices.byte(), choices.piece()
            letter = b"VIEBW"[kind % 5 : kind % 5 + 1] if kind < 250 else b"?"
            sent = body if kind == 255 else frame(letter, body * (1 + 600 * (kind % 64 == 63)))
            client.transport.write(sent[: 4 * FRAME])  # type: ignore[union-attr]
            pump.flush()
    finally:
        wire.loseConnection()
        pump.flush()


def _piece(text: bytes) -> bytes:
    return bytes((len(text),)) + text


_COMMANDS = tuple(
    b"\1" + line
    for line in (
        *(b"list --json web*", b"info web01", b"log -n 10 --since 1h web01", b"help send"),
        *(b"send web01 'ls -l' --enter", b"expect web01 'login:' --timeout 3s", b"who", b"status"),
        *(b"lock web01 --for 10m", b"reason='a b' kick web01", b"msg web01 hello", b"doctor"),
        *(b"sendbreak web01", b"describe web01 billing", b"run 'web*' uptime", b"export web01"),
        *(b"lease web01 -- x", b"broadcast web01 web02", b"record web01", b"accept 10.0.0.1"),
    )
)
_SESSIONS = (
    b"\0\0\1\0\0" + b"\0\7" + _piece(b"ls\r\x05c?") + b"\0\2\0" + _piece(b"\x1b[?1049h\x1b[3;3Hx"),
    b"\0\0\0\0\0" + b"\0\7" + _piece(b"web\r") + b"\0\7" + _piece(b"\x05c.") + b"\0\1\40",
    b"\0\0\2\0\3" + b"\0\7" + _piece(b"\xff\x00") + b"\0\0\1\0\0" + b"\1\7" + _piece(b"\x05cw"),
)
_ESCAPES = tuple(b"\x05c" + bytes((letter,)) for letter in range(33, 127))
_CHOSEN = (
    b"\0\1" + _piece(b"web\x1b[B\r") + b"\1" + _piece(b"\x05c."),
    b"\0\1" + _piece(b"\x06\x16\x18 *\r"),
    b"\2\1" + _piece(b"1\r"),
)
_CONTROL_KEYS = tuple(bytes((code,)) for code in range(32))
_TERMINAL = {"kind": "xterm", "columns": 80, "rows": 24}


def _frames() -> tuple[bytes, ...]:
    began = b"\0" + _piece(verb("list", terminal=_TERMINAL)[5:])
    size = _piece(json.dumps(_TERMINAL).encode())
    return (began + b"\1" + _piece(b"x") + b"\2\0\3\0\4" + size, b"\xff" + _piece(b"\0\0\0\1V"))


TARGETS = (
    Target("terminals", _terminals, lambda: _SESSIONS, (*_ESCAPES, *SEQUENCES), 512, replayed=80),
    Target("chooser", _chooser, lambda: _CHOSEN, _CONTROL_KEYS, 512, replayed=80),
    Target(
        "verb", _verb, lambda: _COMMANDS, (b"'", b'"', b" --", b"\\", b" -- "), 512, replayed=150
    ),
    Target(
        "login-name",
        _login_name,
        lambda: (b"alice+web01,ro,esc=none", b"alice:,x", b"+,,", "h\u00e9".encode()),
        (b"+", b":", b",", b"~"),
    ),
    Target("control-frames", _control, _frames, (b'"kind": ', b"1e999", b"[" * 200), 1024),
)
