"""The chooser over the consoles that an operator may read: what it shows of them, and what comes of
a decision.
"""

from collections.abc import Callable, Sequence, Set
from functools import cache, partial

from attrs import evolve

from vspc.apps.chooser.chooser import Chooser
from vspc.apps.chooser.columns import ListWidths
from vspc.apps.chooser.frame import PreviewText
from vspc.apps.chooser.listing import ConsoleRows, Readable
from vspc.apps.chooser.model import Broadcast, Decision, Section, Visit, Watch
from vspc.apps.chooser.preview import PREVIEW_BYTES, preview_lines
from vspc.apps.chooser.row import Row
from vspc.apps.chooser.verb_channel import Pause, VerbChannel
from vspc.apps.following import ask
from vspc.apps.verb_input import CR
from vspc.apps.verbs import broadcast
from vspc.apps.verbs import console as console_verb
from vspc.apps.verbs.commandline import Words
from vspc.apps.verbs.console_wait import Arrival
from vspc.apps.verbs.context import DONE, Call, handle_of, run_verb
from vspc.apps.verbs.many import Target
from vspc.apps.verbs.output import VerbOutput
from vspc.apps.verbs.send import TIMEOUT
from vspc.apps.verbs.table import VERBS, Invocation
from vspc.apps.verbs.watch import WATCHED
from vspc.common.text import ensure_safe
from vspc.common.values import age_text
from vspc.console.access import Subject
from vspc.console.bookmarks import FAVOURITES
from vspc.console.connection_history import FailedConnection
from vspc.console.console import Console
from vspc.console.groups import ConsoleGroup
from vspc.net.waiting import RunningCoroutine

FAVOURITES_TITLE, RECENT_TITLE = "favourites", "recent"
"""Sections that every operator may have."""

REFUSED_FOR = 3600.0
"""Seconds for which administrators are told of a refusal."""

REFUSED_LINES = 200
"""Lines about refusals, the latest ones."""

LIMIT_KNOWN = 5.0
"""Seconds for which it is known how far back an operator may look on a console."""


def console_of(row: Row) -> Console:
    """The console that a row shows."""
    assert isinstance(row.key, Console)
    return row.key


class ConsoleSource:
    """`vspc.apps.chooser.source.RowSource` for one operator. `changed` is called where a preview
    can be read that had to wait.
    """

    def __init__(self, call: Call, rows: ConsoleRows) -> None:
        self._call = call
        self._context = call.context
        self._readable = Readable(rows, self._may_read, self._sees_all)
        self._rows = rows
        self._told = ""
        self._begins: dict[str, tuple[float, int]] = {}  # where previews begin, and since when
        self._asking: set[str] = set()
        self._previewed: set[str] = set()

    def now(self) -> float:
        return self._context.clock.wall()

    def _may_read(self, subject: Subject) -> bool:
        call = self._call
        rights = self._context.rights(call.operator, subject)
        return "read" in call.session.narrowed(rights, subject)

    def rows(self) -> Sequence[Row]:
        found = self._readable.now()
        self._told = self._refused_in_short() if self._is_administrator else ""
        return found

    def widths(self) -> ListWidths:
        return self._readable.widths

    def _sees_all(self, subject: Subject) -> bool:
        """Whether the operator may look back to the beginning: a note may be as old as that."""
        return self._context.history_limit(self._call.operator, subject) is None

    # Sections

    def sections(self) -> Sequence[Section]:
        kept = self._context.bookmarks.of(self._call.operator.name)
        groups = self._context.groups(self._call.operator)
        self._rows.prepare(groups)
        mine, favourites = self._readable, frozenset(kept.favourites)
        # Each is made once for a list, however often it is looked at.
        return (
            Section(FAVOURITES_TITLE, cache(lambda: mine.members(favourites))),
            Section(RECENT_TITLE, cache(lambda: mine.rows(kept.recent)), is_ordered=True),
            *(Section(group.title, cache(partial(self._in_group, group))) for group in groups),
        )

    def _in_group(self, group: ConsoleGroup) -> Sequence[Row]:
        return self._readable.members(self._rows.members(group))

    def favourites(self) -> Set[object]:
        kept = self._context.bookmarks.of(self._call.operator.name).favourites
        get = self._context.roster.get
        return {console for console in map(get, kept) if console is not None}

    def favour(self, row: Row) -> str:
        kept = self._context.bookmarks
        if kept.favour(self._call.operator.name, console_of(row).id):
            return ""
        return f"there are {FAVOURITES} favourites already"

    # What is told

    def why_empty(self) -> Sequence[str]:
        count = self._readable.count
        if not count:
            return ("no consoles yet", "Each appears here when its virtual machine connects.")
        those = "the only console" if count == 1 else f"any of {count} consoles"
        return (
            f"no rule lets you read {those}",
            "An administrator can add one: [[access]] in the configuration.",
        )

    @property
    def _is_administrator(self) -> bool:
        return "admin" in self._call.roles

    def _refused_in_short(self) -> str:
        quarantined, refused = self._readable.quarantined, len(self._refused())
        parts = [f"{quarantined} quarantined"] if quarantined else []
        parts += [f"{refused} refused"] if refused else []
        return f"{', '.join(parts)} (^X)" if parts else ""

    def _refused(self) -> list[FailedConnection]:
        """Those that were turned away within `REFUSED_FOR`, the last one first."""
        since, attempts = self.now() - REFUSED_FOR, self._context.connections.attempts()
        return [each for each in reversed(attempts) if each.kind and each.last >= since]

    def told(self) -> str:
        return self._told

    def refusals(self) -> Sequence[str]:
        if not self._is_administrator:
            return ("only operators with the role admin are told what is refused",)
        now, lines = self.now(), list[str]()
        for row in self._readable.now():
            console = console_of(row)
            if console.quarantined:
                since = age_text(now - console.link.since)
                lines.append(f"quarantined for {since}: {row.name}, from {row.address}")
        for each in self._refused()[:REFUSED_LINES]:
            often = f", {each.count} times" if each.count > 1 else ""
            name = f" {ensure_safe(each.said.name)}" if each.said.name else ""
            ago = age_text(now - each.last)
            lines.append(f"{ago} ago: {each.address}{name}: {ensure_safe(each.reason)}{often}")
        return [*lines, "`doctor` and `refusals` say what to do"] if lines else ()

    # Previews

    def preview(self, row: Row, lines: int) -> PreviewText:
        console = console_of(row)
        if not self._may_read(console.subject):
            return PreviewText(row.name)
        begin = self._begin(console)
        if begin is None:
            return PreviewText(f"{row.name}: reading how far back you may look")
        history = console.history
        offset = max(begin, history.last_lines(lines, PREVIEW_BYTES))
        if offset >= history.end:
            return PreviewText(f"{row.name}: no output in memory")
        if console.id not in self._previewed:
            self._previewed.add(console.id)
            self._call.record("log-read", console, verb="preview", offset=offset, follow=True)
        data = history.read(offset, history.end - offset)
        return PreviewText(f"{row.name}: the last lines", preview_lines(data, lines))

    def _begin(self, console: Console) -> int | None:
        """The offset from which the operator may read; None while it is not known."""
        limit, history = self._call.history_limit(console), console.history
        if limit is None:
            return history.start
        if limit <= 0:
            return history.end
        now = self._context.clock.seconds()
        at, offset = self._begins.get(console.id, (None, 0))
        if (at is None or now - at > LIMIT_KNOWN) and console.id not in self._asking:
            self._asking.add(console.id)
            RunningCoroutine(self._find_begin(console))
        return None if at is None else max(offset, history.start)

    async def _find_begin(self, console: Console) -> None:
        earliest = self._call.earliest(console) or 0.0
        try:
            found = await ask(self._context, console, lambda kept: kept.since(earliest))
        finally:
            self._asking.discard(console.id)
        offset = console.history.end if found is None else found
        self._begins = {console.id: (self._context.clock.seconds(), offset)}


class ConsoleChooser:
    """Shows the chooser on a call's channel, then the console chosen, then the chooser again."""

    def __init__(self, call: Call, rows: ConsoleRows) -> None:
        self._call = call
        self._source = ConsoleSource(call, rows)
        self._pace = rows.pace
        self._kept: tuple[Console, int] | None = None  # a console that was left for a while

    def resume(self, console: Console, offset: int, visit: Visit | None = None) -> None:
        """The chooser for an operator who comes from `console`, where the output up to `offset` was
        shown; whoever selects it again goes on there. `visit` is where the chooser was left.
        """
        self._kept = console, offset
        row = next((row for row in self._source.rows() if row.key is console), None)
        visit = visit or Visit(None)
        self.show(visit=evolve(visit, row=row or visit.row))

    def go_on(self, console: Console, offset: int) -> None:
        """At once to `console`, where the output up to `offset` was shown; the chooser follows."""
        self._kept = console, offset
        self._attach(console, Visit(None))

    def show(self, remark: str = "", visit: Visit | None = None) -> None:
        """The chooser. `visit`: where the operator comes back from; `remark`: why, if it was not
        the operator's decision.
        """
        unsubscribe: Callable[[], None] = lambda: None  # noqa: E731

        def decided(decision: Decision) -> None:
            unsubscribe()
            self._act(decision, chooser.visit(decision if isinstance(decision, Row) else None))

        def left() -> None:
            unsubscribe()
            self._call.channel.finish(DONE)

        channel, clock = self._call.channel, self._call.context.clock
        chooser = Chooser(
            channel, clock, self._source, decided, left, "vspc", remark, visit, self._pace
        )
        unsubscribe = self._call.context.events.subscribe(lambda _event: chooser.changed())
        channel.start(chooser)

    def _act(self, decision: Decision, visit: Visit) -> None:
        match decision:
            case Watch(rows):
                self._watch(rows, visit)
            case Broadcast(rows, text):
                self._broadcast(rows, text, visit)
            case _:
                self._attach(console_of(decision), visit)

    def _attach(self, console: Console, visit: Visit) -> None:
        if self._call.may_read(console):
            kept, self._kept = self._kept, None
            began = kept[1] if kept is not None and kept[0] is console else None
            attaching = console_verb.attach(
                evolve(self._call, choose=partial(self.resume, visit=visit)),
                Arrival(console, began, resumes=began is not None),
                self._call.options,
                left=lambda why: self.show(why, visit),
            )
            run_verb(self._call, attaching, attaches=True)
        else:  # its name, or the rules, changed since it was shown
            self.show(visit=visit)

    # Verbs on the marked consoles

    def _watch(self, rows: Sequence[Row], visit: Visit) -> None:
        call = self._call_for("watch", visit, pauses=False)
        ids = [console_of(row).id for row in rows[: WATCHED + 1]]  # of more, it tells the limit
        VERBS.run(call, Invocation("", "watch", Words(ids)))

    def _broadcast(self, rows: Sequence[Row], text: str, visit: Visit) -> None:
        call = self._call_for("broadcast", visit, pauses=True)
        consoles = [c for c in map(console_of, rows) if call.may_read(c)]
        targets = [Target(each, each.title, handle_of(each)) for each in consoles]
        call.record("command", verb="broadcast")
        work = broadcast.type_on(call, targets, text.encode() + CR, TIMEOUT)
        run_verb(call, work)

    def _call_for(self, verb: str, visit: Visit, pauses: bool) -> Call:
        """The call of a verb after which the chooser is shown again; it `pauses` before, as it does
        if the verb fails.
        """

        def back() -> None:
            self.show(visit=visit)

        def ended(status: int) -> None:
            if pauses or status != DONE:
                how = "done" if status == DONE else f"status {status}"
                channel.start(Pause(channel, f"{verb}: {how}", back))
            else:
                back()

        channel = self._call.channel
        for_verb = VerbChannel(channel, ended)
        output = VerbOutput(for_verb)
        return evolve(self._call, channel=for_verb, verb=verb, target=None, output=output)
