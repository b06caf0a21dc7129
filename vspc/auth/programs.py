"""Programs of the administrator's that say who may come in: `auth_command`, which asks, and
`authorized_keys_command`, which knows keys. No shell reads a word of them.

At most `RUNNING` run at once, and `WAITING` wait; addresses have their turns.
"""

import base64
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorFDSet

from vspc.auth.children import Child, Parent, start
from vspc.auth.fair_queue import FairQueue
from vspc.auth.program_protocol import ANSWER, ProgramDialogue
from vspc.auth.runs import STEP, ProgramRun, RunContext, ending
from vspc.auth.stderr import Allowance
from vspc.common.addresses import rate_key
from vspc.common.clock import Cancellable, Clock
from vspc.config.keys import KEY_TYPES, fingerprint
from vspc.config.values import ProgramPath
from vspc.console.authentication import Claimant, ProofRefused, Question, Verdict
from vspc.console.session import Proof
from vspc.wire.ssh import key_type

RUNNING = 16
"""Programs at once."""

WAITING = 32
"""Logins that wait for one; over it the address that has most of them is refused."""

OUTPUT = 256 * 1024
"""Bytes of an authorized_keys file that a program may say."""

NAME = 256
"""Characters of an operator's name that a program is told."""

KEYS_METHOD = "authorized_keys_command"


class Conversation(Protocol):
    """Questions and answers with one claimant. Everything after `cancel` comes to nothing."""

    def answer(self, text: bytes) -> None:
        """What the client said to the last question."""

    def cancel(self) -> None:
        """The client has gone, or begins something else."""


Start = Callable[[IReactorFDSet, Sequence[str], Parent], Child]

_TOKEN = re.compile(r"%(.?)", re.DOTALL)


class Programs:
    """All that run and wait. Nothing is told from within a call, and nothing after `close`."""

    def __init__(self, reactor: IReactorFDSet, clock: Clock, start: Start = start) -> None:
        self._means = RunContext(clock, Allowance(clock), partial(start, reactor), self._gone)
        self._running: dict[ProgramRun[Any], None] = {}  # the one that began first comes first
        self._turns = FairQueue[ProgramRun[Any]](WAITING)
        self._closed = False

    def converse(
        self, command: ProgramPath, claimant: Claimant, heard: Callable[[Question | Verdict], None]
    ) -> Conversation:
        """Let `command` ask the claimant; see `vspc.auth.program_protocol`."""
        run = _Conversation(self._means, command.words, claimant, heard)
        if len(claimant.name) > NAME:
            run.turn_away(f"the operator's name has more than {NAME} characters")
        else:
            self._admit(run)
        return run

    def keys(
        self,
        command: ProgramPath,
        claimant: Claimant,
        blob: bytes,
        answer: Callable[[bytes | ProofRefused], None],
    ) -> Cancellable:
        """`answer` gets the text of an authorized_keys file, at most `OUTPUT` bytes: what
        `command` says of the claimant and his key `blob`. It has `STEP` seconds.
        """
        asker = rate_key(claimant.address)
        try:
            words = expanded(command.words, claimant.name, blob)
        except ValueError as error:
            run = _Lookup(self._means, command.words, asker, answer)
            run.turn_away(str(error))
        else:
            run = _Lookup(self._means, words, asker, answer)
            self._admit(run)
        return run

    def close(self) -> None:
        """Kill what runs; nobody is told."""
        self._closed = True
        for run in [*self._turns, *self._running]:
            run.cancel()
            run.kill()

    @property
    def running(self) -> int:
        """Programs that run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Logins that wait for one."""
        return len(self._turns)

    def _admit(self, run: ProgramRun[Any]) -> None:
        if self._closed:
            run.cancel()
        elif len(self._running) < RUNNING:
            self._begin(run)
        else:
            run.wait()
            over = self._turns.add(run.asker, run)
            if over is not None:
                over.turn_away(f"{WAITING} others wait for a program")
            if over is not run:
                self._make_room(run.asker)

    def _begin(self, run: ProgramRun[Any]) -> None:
        self._running[run] = None
        run.begin()

    def _make_room(self, asker: str) -> None:
        """No crowd of one address keeps all places with questions that nobody answers."""
        places = Counter(run.asker for run in self._running)
        idle = [run for run in self._running if run.is_idle]
        most = max((places[run.asker] for run in idle), default=0)
        if most > places[asker] + 1:
            run = next(run for run in idle if places[run.asker] == most)
            run.turn_away("another address waited, and this one had the most questions open")

    def _gone(self, run: ProgramRun[Any]) -> None:
        self._turns.remove(run.asker, run)
        self._running.pop(run, None)
        while not self._closed and len(self._running) < RUNNING:
            waiting = self._turns.next()
            if waiting is None:
                return
            self._begin(waiting)


class _Conversation(ProgramRun[Question | Verdict]):
    """`Conversation` with an `auth_command`."""

    def __init__(
        self,
        means: RunContext,
        words: tuple[str, ...],
        claimant: Claimant,
        heard: Callable[[Question | Verdict], None],
    ) -> None:
        super().__init__(means, words, rate_key(claimant.address), heard)
        self._claimant = claimant
        self._dialogue = ProgramDialogue(self._secrets)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the claimant."""
        return self._dialogue.is_asking and not self.is_over

    def opened(self, child: Child) -> None:
        child.write(self._dialogue.opening(self._claimant))

    def answer(self, text: bytes) -> None:
        """What he said to the last question."""
        if not self.is_idle or self._child is None:
            return
        if len(text) > ANSWER:
            self.turn_away(f"the answer has more than {ANSWER:,} bytes")
            return
        self._child.write(self._dialogue.answer(text))
        self.allow(STEP, f"it took over {STEP:g} s")

    def heard(self, data: bytes) -> None:
        for said in list(self._dialogue.receive(data)):
            if self.is_over:
                return
            if isinstance(said, Question):
                self.suspend()
            else:
                self.conclude()
            self.tell(said)

    def finished(self, status: int) -> None:
        self.fail(f"it ended without a verdict ({ending(status)})")

    def fail(self, reason: str) -> None:
        self.tell(self._dialogue.refuse(reason))


class _Lookup(ProgramRun[bytes | ProofRefused]):
    """A question to an `authorized_keys_command`."""

    _found = b""

    def opened(self, child: Child) -> None:
        child.close_input()

    def heard(self, data: bytes) -> None:
        if len(self._found) + len(data) > OUTPUT:
            self.give_up(f"it said more than {OUTPUT // 1024} KiB")
        else:
            self._found += data

    def finished(self, status: int) -> None:
        if status:
            self.fail(f"it ended with {ending(status)}")
        else:
            self.tell(self._found)

    def fail(self, reason: str) -> None:
        self.tell(ProofRefused(f"{KEYS_METHOD}: {reason}", Proof("publickey")))


def expanded(words: tuple[str, ...], operator: str, blob: bytes) -> tuple[str, ...]:
    """`words` with the tokens of AuthorizedKeysCommand in sshd_config(5): `%u` the operator, `%f`
    the key's fingerprint, `%k` the key in base64, `%t` its type, `%%` a percent sign; `%u` is
    added where no argument is given.

    Raises ValueError: another token, an odd name, no key that we know. A name never looks like an
    option.
    """
    if not operator or len(operator) > NAME or not operator.isprintable():
        raise ValueError("the operator's name is empty, too long or not printable")
    if operator.startswith("-"):
        raise ValueError("the operator's name begins with a hyphen")
    kind = key_type(blob).decode("ascii", "replace")
    if kind not in KEY_TYPES:
        raise ValueError("the key is of no known type")
    values = {
        "%": "%",
        "u": operator,
        "f": fingerprint(blob),
        "k": base64.b64encode(blob).decode(),
        "t": kind,
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ValueError(f"%{match[1]} is none of %u, %f, %k, %t and %%")
        return values[match[1]]

    program, *arguments = words
    return (program, *(_TOKEN.sub(value, word) for word in arguments or ["%u"]))
