"""Waiting until a console is connected, or away, by the events of consoles.

What the operator may not read does not exist: whoever waits for it waits until the time is over,
as for a name that no console has.
"""

from collections.abc import Callable, Iterable

from attrs import frozen

from vspc.apps.verbs.context import (
    DONE,
    FAILED,
    RESULTS,
    TIMED_OUT,
    Call,
    VerbExit,
    fitting,
)
from vspc.apps.verbs.kinds import LONGEST_WAIT
from vspc.apps.verbs.limits import WAITING
from vspc.common.globs import is_glob
from vspc.common.text import safe
from vspc.console.console import Console, ConsoleState
from vspc.console.events import Appeared, Connected, Event, Renamed, RulesChanged, WentAway
from vspc.console.names import MATCHES, Ambiguous, Found
from vspc.net.waiting import Wakeup, within

CONNECTED, AWAY = "connected", "away"


class ConsoleWait:
    """One wait for a console that `word`, a whole name or a pattern, means and that is in `state`.

    `CONNECTED` is one to which something can be typed: a vMotion does not matter, a quarantined
    line does not count.
    """

    def __init__(self, call: Call, word: str, state: str = CONNECTED) -> None:
        self._call = call
        self._word = word
        self._state = state
        self._fits = fitting(word) if is_glob(word) else None
        self._changed = Wakeup(call.context.clock)
        # By id, what something happened to since it was looked at; where its line began in this
        # turn with the offset at which that was.
        self._news: dict[str, int | None] = {}
        self._rules_changed = False

    def exists(self) -> bool:
        """Whether there is such a console now, in whatever state."""
        return bool(self._meant(None, self._call.may_read))

    def now(self) -> list[Console]:
        """Those that are in that state now."""
        return self._meant(None, self._counts)

    def began(self, console: Console) -> int | None:
        """The offset of the first byte of its line, of one that `wait` gave and that was connected
        just now; None where it has been connected for longer.
        """
        return self._news.get(console.id)

    async def wait(self, seconds: float) -> list[Console]:
        """The first ones that are in that state. Raises `VerbExit`."""
        call = self._call
        with call.context.limits.waiting(call.operator.name) as is_allowed:
            if not is_allowed:
                call.record("limit", limit="waiting", value=WAITING)
                raise VerbExit(FAILED, "limit reached: too many waits for consoles already")
            return await self._recorded(seconds)

    async def _recorded(self, seconds: float) -> list[Console]:
        call, clock = self._call, self._call.context.clock
        began, status, found = clock.seconds(), FAILED, list[Console]()
        unsubscribe = call.context.events.subscribe(self._happened)
        try:
            found = await within(clock, seconds, self._next())
            status = DONE
        except TimeoutError:
            status = TIMED_OUT
            text = f"timed out after {seconds:g} s: {safe(self._word)} is not {self._state}"
            raise VerbExit(TIMED_OUT, text) from None
        finally:
            unsubscribe()
            call.record(
                "wait",
                found[0] if found else None,
                kind=self._state,
                target=self._word,
                result=RESULTS[status],
                seconds=round(clock.seconds() - began, 3),
            )
        return found

    async def _next(self) -> list[Console]:
        found = self.now()
        while not found:
            self._news.clear()
            await self._changed.wait()
            # In a turn of its own: what has been renamed and connected is in order by now.
            among = None if self._rules_changed else self._told()
            found = self._meant(among, self._counts)
            self._rules_changed = False
        return found

    def _told(self) -> list[Console]:
        consoles = (self._call.context.roster.get(each) for each in self._news)
        return [console for console in consoles if console is not None]

    def _happened(self, event: Event) -> None:
        match event:
            case RulesChanged():
                self._rules_changed = True
            case Connected(ref):
                console = self._call.context.roster.get(ref.id)
                self._news[ref.id] = None if console is None else console.history.end
            case Appeared(ref) | Renamed(ref) | WentAway(ref):
                self._news.setdefault(ref.id)
            case _:
                return
        self._changed.set_later()

    def _meant(
        self, among: Iterable[Console] | None, counts: Callable[[Console], bool]
    ) -> list[Console]:
        """Those that are meant and count; of a pattern only those of `among`, if it is given."""
        roster = self._call.context.roster
        if self._fits is not None:
            consoles = roster if among is None else among
            return [each for each in consoles if self._fits(each) and counts(each)]
        match roster.resolve(self._word, counts, whole=True):
            case Found(console):
                return [console]
            case Ambiguous(consoles):
                return list(consoles)
        return []

    def _counts(self, console: Console) -> bool:
        """Whether it exists for the operator and is in that state."""
        return self._is_so(console) and self._call.may_read(console)

    def _is_so(self, console: Console) -> bool:
        if self._state == AWAY:
            return console.state is ConsoleState.AWAY
        return console.takes_input


@frozen
class Arrival:
    """A console that is connected. `began`: the offset of the first byte of its line, where that
    was connected just now; `early`: what a program typed while it waited. `resumes`: the operator
    was there before, and comes back to the offset `began`.
    """

    console: Console
    began: int | None = None
    early: bytes = b""
    resumes: bool = False


async def arrival(call: Call, word: str) -> Arrival:
    """The console that `word` means, as soon as it is connected. Raises `VerbExit`.

    For verbs that leave the channel to another program: what a program types meanwhile is kept, of
    what is typed at a terminal only Control-C has an effect.
    """
    wait = ConsoleWait(call, word)
    found, early = wait.now(), bytearray()
    if len(found) > 1:
        raise call.ambiguous(word, found[:MATCHES])
    if not found:
        hint = "; ^C ends" if call.channel.terminal is not None else ""
        call.remark(f"waiting for {safe(word)}{hint}")
        if call.channel.terminal is None:
            call.output.reader = lambda data: early.extend(data or b"")
        call.output.listen()
        found = await wait.wait(LONGEST_WAIT)
    return Arrival(found[0], wait.began(found[0]), bytes(early))
