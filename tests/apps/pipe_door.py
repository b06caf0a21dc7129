"""A door over pipes in memory: all that a door consists of, a way to log in and a `Channel`.

A client's first three lines are its user name, its password, and what it asks for: `shell`,
`exec LINE` or `forward NAME`, with ` on KIND` behind it where it has a terminal. Input follows.
"""

from collections.abc import Callable, Mapping

from vspc.console.access import Operator
from vspc.console.logins import (
    ExecRequest,
    ForwardRequest,
    Login,
    LoginFailure,
    LoginObserver,
    Request,
    ShellRequest,
    Start,
    UserName,
    begin_login,
    split_user,
)
from vspc.console.ports import Program, Terminal
from vspc.console.session import Proof

CAPACITY = 4096
"""Bytes that a pipe holds."""

PROOF = Proof("password")


class PipeDoor:
    """The door. `passwords` is its configuration."""

    def __init__(
        self,
        passwords: Mapping[str, str],
        start: Start,
        observer: LoginObserver,
        wall: Callable[[], float],
    ) -> None:
        self.start = start
        self.observer = observer
        self._passwords = passwords
        self._wall = wall

    def log_in(self, user: bytes, password: str, address: str) -> Login | None:
        """Authenticate."""
        name = split_user(user) or UserName("", None, ())
        if self._passwords.get(name.operator) == password:
            return begin_login(name, Operator(name.operator), PROOF, address, self._wall())
        reason = "wrong password"
        self.observer.failed(LoginFailure(name.operator, address, reason, PROOF, 1, 0, last=True))
        return None


class PipeConnection:
    """A client's connection: its `Channel`, and the `LoginConnection` of its login.

    `output` and `errors` are pipes to the client, which reads with `read`.
    """

    def __init__(self, door: PipeDoor, address: str = "pipe") -> None:
        self.address = address
        self.terminal: Terminal | None = None
        self.output = bytearray()
        self.errors = bytearray()
        self.under_way = 0
        self.status: int | None = None
        self._door = door
        self._head = bytearray()
        self._login: Login | None = None
        self._program: Program | None = None

    # The client

    def write(self, data: bytes) -> None:
        """To the client's stdout (`Channel`)."""
        self.output += data

    def send(self, data: bytes) -> None:
        """The client sends `data`."""
        if self._program is not None:
            self.under_way += len(data)
            self._program.received(data)
        elif self.status is None:
            self._head += data
            if self._head.count(b"\n") == 3:
                self._begin(*bytes(self._head).splitlines())

    def read(self) -> bytes:
        """What has come on stdout, all of it: there is room again."""
        data = bytes(self.output)
        self.output.clear()
        if self._program is not None:
            self._program.drained()
        return data

    def hang_up(self) -> None:
        """The client has gone."""
        program, self._program = self._program, None
        if program is not None:
            program.closed()
        if self._login is not None:
            self._door.observer.left(self._login)
            self._login = None

    # Logging in

    def _begin(self, user: bytes, password: bytes, line: bytes) -> None:
        login = self._door.log_in(user, password.decode(), self.address)
        why_not = "denied" if login is None else self._door.observer.came(login, self)
        if login is None or why_not:
            self.disconnect(why_not)
            return
        self._login = login
        request, _, kind = line.decode().partition(" on ")
        self.terminal = Terminal(kind, 80, 24) if kind else None
        self._door.start(self, login, _request(request, login))

    @property
    def idle(self) -> bool:
        return self._program is None

    def disconnect(self, text: str) -> None:
        self.write_error(text.encode())
        self.finish(255)
        self.hang_up()

    # The rest of `Channel`

    def start(self, program: Program) -> None:
        self._program = program

    def room(self) -> int:
        return 0 if self.status is not None else max(0, CAPACITY - len(self.output))

    def write_error(self, data: bytes) -> None:
        (self.output if self.terminal is not None else self.errors).extend(data)

    def consumed(self, count: int) -> None:
        self.under_way -= count

    def finish(self, status: int) -> None:
        if self.status is None:
            self.status = status


def _request(line: str, login: Login) -> Request:
    word, _, rest = line.partition(" ")
    if word == "exec":
        return ExecRequest(rest.encode())
    return ForwardRequest(rest) if word == "forward" else ShellRequest(login.target)
