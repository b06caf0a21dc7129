"""The sessions that are open, what each operator has in them, and how to end them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from attrs import define, field, frozen

from vspc.console.attachment import Attachment, AttachmentKind
from vspc.console.session import Session


@frozen
class Quota:
    """What one operator may have at once: sessions, attachments, logs that are followed."""

    sessions: int = 64
    attachments: int = 256
    followed: int = 8


@define(eq=False)
class OpenSession:
    """One session. `end` tells its client why and closes it; `idle`: nothing runs in it."""

    session: Session
    end: Callable[[str], None]
    idle: Callable[[], bool]
    bounded: bool
    attachments: dict[Attachment, None] = field(factory=dict, init=False)
    followed: int = field(default=0, init=False)


class Sessions:
    """All of them, oldest first."""

    def __init__(self, quota: Callable[[], Quota]) -> None:
        """`quota` is asked anew each time: a reload may change it."""
        self._quota = quota
        self._by_id: dict[str, OpenSession] = {}
        self._gone: list[Callable[[str], None]] = []

    def __iter__(self) -> Iterator[OpenSession]:
        return iter(list(self._by_id.values()))

    def get(self, session_id: str) -> OpenSession | None:
        """The session with that id."""
        return self._by_id.get(session_id)

    def of(self, operator: str) -> list[OpenSession]:
        """The sessions of `operator`."""
        return [each for each in self if each.session.operator.name == operator]

    def enter(
        self,
        session: Session,
        end: Callable[[str], None],
        idle: Callable[[], bool] = lambda: False,
        bounded: bool = True,
    ) -> str:
        """A session begins; empty, or why it cannot.

        Where an operator has as many as are allowed, the oldest in which nothing runs is ended for
        the new one. What is not `bounded` has no limits.
        """
        if bounded:
            limit = self._quota().sessions
            own = self.of(session.operator.name)
            while len(own) >= limit:  # a reload may have made the limit lower
                unused = next((each for each in own if each.idle()), None)
                if unused is None:
                    return f"you have {len(own)} sessions already, and each is in use"
                unused.end("ended: replaced by a newer session of yours, over the limit")
                self.leave(unused.session)
                own.remove(unused)
        self._by_id[session.id] = OpenSession(session, end, idle, bounded)
        return ""

    def leave(self, session: Session) -> None:
        """It is over; twice is once."""
        if self._by_id.pop(session.id, None) is not None:
            for call in self._gone:
                call(session.operator.name)

    def when_gone(self, call: Callable[[str], None]) -> None:
        """Call `call` with its operator after each session; that one may have others."""
        self._gone.append(call)

    def attached(self, attachment: Attachment) -> None:
        """It is on a console."""
        opened = self._by_id.get(attachment.session.id)
        if opened is not None:
            opened.attachments[attachment] = None

    def detached(self, attachment: Attachment) -> None:
        """It has left."""
        opened = self._by_id.get(attachment.session.id)
        if opened is not None:
            opened.attachments.pop(attachment, None)

    def attaching(self, session: Session) -> str:
        """Empty, or why `session` may not be on one more console."""
        opened = self._by_id.get(session.id)
        if opened is None or not opened.bounded:
            return ""
        limit = self._quota().attachments
        own = self.of(session.operator.name)
        # All of a watch together are one of what is followed.
        watch = AttachmentKind.WATCH
        count = sum(held.kind is not watch for each in own for held in each.attachments)
        return f"you are on {count} consoles already; {limit} are allowed" if count >= limit else ""

    @contextmanager
    def following(self, session: Session) -> Iterator[str]:
        """Empty, and `session` follows one more log in the block; or why it may not."""
        opened = self._by_id.get(session.id)
        count = sum(each.followed for each in self.of(session.operator.name))
        limit = self._quota().followed
        if opened is None:
            yield ""
        elif opened.bounded and count >= limit:
            yield f"you follow {count} logs already; {limit} are allowed"
        else:
            opened.followed += 1
            try:
                yield ""
            finally:
                opened.followed -= 1


def end_sessions(sessions: Iterable[OpenSession], reason: str) -> None:
    """End sessions now: nothing is typed in them any more, whatever their clients do."""
    for opened in sessions:
        for attachment in list(opened.attachments):
            attachment.expel(reason)
        opened.end(reason)
