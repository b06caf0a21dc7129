"""The sessions that are open, what each operator has in them, and how to end them."""

from collections.abc import Callable, Iterable, Iterator

from attrs import define, field, frozen

from vspc.console.attachment import Attachment
from vspc.console.session import Session


@frozen
class Quota:
    """What one operator may have at once: sessions, attachments, logs that are followed."""

    sessions: int = 64
    attachments: int = 256
    followed: int = 8


@define(eq=False)
class Present:
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
        self._present: dict[str, Present] = {}

    def __iter__(self) -> Iterator[Present]:
        return iter(list(self._present.values()))

    def get(self, session_id: str) -> Present | None:
        """The session with that id."""
        return self._present.get(session_id)

    def of(self, operator: str) -> list[Present]:
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
            there = self.of(session.operator.name)
            while len(there) >= limit:  # a reload may have made the limit lower
                unused = next((each for each in there if each.idle()), None)
                if unused is None:
                    return f"you have {len(there)} sessions already, and each is in use"
                unused.end("ended: replaced by a newer session of yours, over the limit")
                self.leave(unused.session)
                there.remove(unused)
        self._present[session.id] = Present(session, end, idle, bounded)
        return ""

    def leave(self, session: Session) -> None:
        """It is over; twice is once."""
        self._present.pop(session.id, None)

    def attached(self, attachment: Attachment) -> None:
        """It is on a console."""
        present = self._present.get(attachment.session.id)
        if present is not None:
            present.attachments[attachment] = None

    def detached(self, attachment: Attachment) -> None:
        """It has left."""
        present = self._present.get(attachment.session.id)
        if present is not None:
            present.attachments.pop(attachment, None)

    def attaching(self, session: Session) -> str:
        """Empty, or why `session` may not be on one more console."""
        present = self._present.get(session.id)
        if present is None or not present.bounded:
            return ""
        limit = self._quota().attachments
        there = sum(len(each.attachments) for each in self.of(session.operator.name))
        return f"you are on {there} consoles already; {limit} are allowed" if there >= limit else ""

    def follow(self, session: Session) -> "Follow | str":
        """A place for one log that is followed, to be given back; or why there is none."""
        present = self._present.get(session.id)
        if present is None:
            return Follow(None)
        limit = self._quota().followed
        there = sum(each.followed for each in self.of(session.operator.name))
        if present.bounded and there >= limit:
            return f"you follow {there} logs already; {limit} are allowed"
        present.followed += 1
        return Follow(present)


@define(eq=False)
class Follow:
    """A place for a log that is followed."""

    _present: Present | None

    def release(self) -> None:
        """It is free again; twice is once."""
        present, self._present = self._present, None
        if present is not None:
            present.followed -= 1


def end_sessions(there: Iterable[Present], reason: str) -> None:
    """End sessions now: nothing is typed in them any more, whatever their clients do."""
    for present in there:
        for attachment in list(present.attachments):
            attachment.expel(reason)
        present.end(reason)
