"""Small programs that tests write and run, in the place of an administrator's."""

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from attrs import define, field
from twisted.internet import reactor as any_reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from vspc.auth.programs import ProgramFailed
from vspc.config.values import ProgramPath
from vspc.console.authentication import Claimant, ProofRefused, Question

reactor: Any = any_reactor


def claimant(name: str = "alice", address: str = "192.0.2.1") -> Claimant:
    return Claimant(name, address)


@define(eq=False)
class Ear:
    """Hears the questions of a conversation or look-up and what it comes to, and can be waited on;
    `answer` answers the last question.
    """

    said: list[Any] = field(factory=list)
    call: "Deferred[None]" = field(factory=Deferred)
    asked: "Deferred[bytes]" = field(factory=Deferred)
    _waiting: "Deferred[Any] | None" = None

    def follow(self, coroutine: Coroutine[Any, Any, Any]) -> "Ear":
        """Hear what `coroutine` comes to."""
        self.call = Deferred.fromCoroutine(coroutine).addCallbacks(self.hear, self.failed)
        return self

    def failed(self, failure: Failure) -> None:
        if isinstance(failure.value, ProgramFailed):
            self.hear(ProofRefused(str(failure.value)))
        else:
            failure.trap(CancelledError)

    def hear(self, said: Any) -> None:
        self.said.append(said)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:  # not from within the conversation, which may be cancelled now
            reactor.callLater(0, waiting.callback, said)

    def ask(self, question: Question) -> "Deferred[bytes]":
        """An `Asker`."""
        self.asked = Deferred()
        self.hear(question)
        return self.asked

    def answer(self, text: bytes) -> None:
        """To the last question."""
        self.asked.callback(text)

    def cancel(self) -> None:
        """Wait no longer."""
        self.call.cancel()

    def next(self) -> "Deferred[Any]":
        """What is heard next; call it before that."""
        assert self._waiting is None
        self._waiting = Deferred()
        return self._waiting

    @property
    def reason(self) -> str:
        """Why the last thing was a refusal."""
        assert isinstance(self.said[-1], ProofRefused), self.said
        return self.said[-1].reason


class ScriptTest(TestCase):
    """A directory for programs, and what is logged."""

    timeout = 20

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.events = events_of(self)

    def shell(self, text: str, name: str = "helper", *arguments: str) -> ProgramPath:
        """A program in the language of the shell."""
        return self.write(f"#!/bin/sh\n{text}\n", name, *arguments)

    def python(self, text: str, name: str = "helper", *arguments: str) -> ProgramPath:
        """A program in Python."""
        return self.write(f"#!{sys.executable} -IS\n{text}\n", name, *arguments)

    def write(self, text: str, name: str, *arguments: str) -> ProgramPath:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o700)
        return ProgramPath((str(path), *arguments))

    def logged(self, event: str) -> list[LogEvent]:
        """The events of that name."""
        return [each for each in self.events if each.get("log_format") == event]


def events_of(test: SynchronousTestCase) -> list[LogEvent]:
    """Gets what is logged from now on until `test` is over."""
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    test.addCleanup(globalLogPublisher.removeObserver, observer)
    return events


def until(reactor: Any, condition: Callable[[], bool]) -> Deferred[None]:
    """Fires when `condition` holds; it is looked at in every turn of the reactor."""
    done: Deferred[None] = Deferred()

    def look() -> None:
        if condition():
            done.callback(None)
        else:
            reactor.callLater(0.005, look)

    look()
    return done


def lives(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
