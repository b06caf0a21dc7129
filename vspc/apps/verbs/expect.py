"""`expect NAME REGEX`: wait until the VM prints something that matches."""

import json
from collections.abc import Callable, Mapping

from vspc.apps.following import Following, FollowReader, ask, look_back_denial
from vspc.apps.leasing import FOR, LEASE, lease_wish
from vspc.apps.verb_input import CR, ENTER, FORCE, VerbInput, moved_without_proof
from vspc.apps.verbs.context import DENIED, FAILED, TIMED_OUT, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import VALUES, rule
from vspc.apps.verbs.kinds import TYPED, WAIT, UsageError, ValueKind, choice, is_number
from vspc.apps.verbs.limits import EXPECTING
from vspc.apps.verbs.stream_search import REGEX, BackgroundSearch, Match, SearchPattern
from vspc.common.text import safe, safe_output
from vspc.console.attachment import Attachment, Sink
from vspc.console.console import Console
from vspc.console.events import Event, WentAway
from vspc.console.log_reading import boots
from vspc.console.logs import LogView
from vspc.console.notices import Notice
from vspc.console.session import Fact
from vspc.net.waiting import RunningCoroutine, Wakeup, within

SHOWN = 1000
"""Characters of a match of `--fail` that are shown."""

TIMEOUT = 60.0
"""Seconds that `expect` waits without `--timeout`."""

NOW, BOOT, LAST = "now", "boot", "last"
_AWAY = WAIT_FOR_IT, FAIL_THEN = "wait", "fail"


def _start(label: str, word: str, _now: float) -> int | str:
    if word in (NOW, BOOT, LAST):
        return word
    if is_number(word):
        return int(word)
    raise UsageError(f"{label} takes an offset in bytes, now, boot or last, not '{safe(word)}'")


_START = ValueKind("OFFSET|now|boot|last", _start, choices=(NOW, BOOT, LAST))

PATTERN = Argument("REGEX", "what to wait for (RE2)", REGEX)
TIME_OUT = Option("--timeout", "give up after so long (60 s)", WAIT)
FROM = Option("--from", "where to begin (now)", _START)
FAIL = Option("--fail", "end with status 1 when the output matches this", REGEX)
SEND = Option("--send", "type this when the search has begun", TYPED)
WHEN_AWAY = Option("--away", "while the VM is away: wait (the default), or fail", choice(*_AWAY))
JSON = Flag("--json", "print match, offset, end and groups")

GRAMMAR = Grammar(
    "expect",
    "wait until console output matches (RE2), and print the match",
    arguments=(NAME, PATTERN),
    options=(TIME_OUT, FROM, FAIL, SEND, ENTER, FORCE, WHEN_AWAY, LEASE, FOR, JSON),
    examples=("expect web1 login: --timeout 5m", "expect web1 --send reboot --enter 'login: $'"),
    notes=(*rule("REGEX"), *VALUES, "`help send` has examples."),
)


def patterns(
    parsed: Parsed, wanted: Argument[SearchPattern] | Option[SearchPattern] = PATTERN
) -> tuple[SearchPattern, ...]:
    """What is searched for: `wanted`, behind what `--fail` names. Raises `UsageError`."""
    pattern, fail = parsed.get(wanted), parsed.get(FAIL)
    if pattern is None:
        raise UsageError(f"{wanted.name} is missing: what to wait for")
    for option, each in ((wanted.name, pattern), ("--fail", fail)):
        if each is not None and each.is_empty:
            raise UsageError(f"{option} is empty: any output would match")
    return (pattern,) if fail is None else (fail, pattern)


def typed(parsed: Parsed) -> bytes:
    """What is typed when the search has begun. Raises `UsageError`."""
    text = parsed.get(SEND, b"") + (CR if parsed.has(ENTER) else b"")
    if parsed.has(FORCE) and not text:
        raise UsageError("--force is for --send, which is missing or empty")
    return text


async def run(call: Call, parsed: Parsed) -> None:
    """Wait for it and print it."""
    sought, text = patterns(parsed), typed(parsed)
    console = call.find(parsed[NAME])
    if text or lease_wish(parsed, "") is not None:
        call.require_right("write", console, "type on")
    call.require_place()
    found = await wait_for(call, console, parsed, sought, text)
    await call.print(_as_json(found) if parsed.has(JSON) else _as_text(found))


async def wait_for(
    call: Call, console: Console, parsed: Parsed, sought: tuple[SearchPattern, ...], text: bytes
) -> Match:
    """Type `text`, and wait for the last of `sought`, as the options say that `parsed` has: the
    match. Raises `VerbExit`.
    """
    limits, operator = call.context.limits, call.operator.name
    with limits.expecting(operator) as is_allowed:
        if not is_allowed:
            call.record("limit", console, limit="expecting", value=EXPECTING)
            raise VerbExit(FAILED, f"limit reached: you already wait for {EXPECTING} patterns")
        found = await _Expectation(call, console, parsed, sought, text).run()
    limits.matched(operator, console.id, found.end)
    return found


class _Expectation(Sink, FollowReader):
    """Searches what is attached, and types what is to be typed. All that may decide how it ends is
    looked at by `_outcome`, again after each change.
    """

    def __init__(
        self,
        call: Call,
        console: Console,
        parsed: Parsed,
        sought: tuple[SearchPattern, ...],
        text: bytes,
    ) -> None:
        self._call = call
        self._console = console
        self._parsed = parsed
        self._sought = sought
        self._text = text
        self._timeout = parsed.get(TIME_OUT, TIMEOUT)
        self._title = console.title  # when it began: the operator may not learn a later one
        self._from = console.history.end
        self._found: Match | None = None
        self._concluded: Match | None = None  # what it has ended with
        self._ended = ""  # why nothing more comes; what came is still searched
        self._changed = Wakeup(call.context.clock)
        self._attachment: Attachment | None = None
        self._following: Following | None = None
        self._input: VerbInput | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._searching = BackgroundSearch(call.context, sought, self._searched)
        self._search = RunningCoroutine(self._find())

    async def run(self) -> Match:
        """The match. Raises `VerbExit`."""
        try:
            with self._call.recording("expect", self._console, self._stop):
                self._concluded = found = await self._match()
                self._require_wanted(found)
        finally:
            if self._attachment is not None:
                self._attachment.detach()
        return found

    async def _match(self) -> Match:
        """The first match, also of `--fail`."""
        try:
            return await within(self._call.context.clock, self._timeout, self._wait())
        except TimeoutError:
            # What is there already, and takes no time, counts.
            self._searching.hurry()
            found = self._outcome()
            if found is None:
                raise self._timed_out() from None
            return found

    async def _wait(self) -> Match:
        self._from = await _start_offset(self._call, self._console, self._parsed.get(FROM, NOW))
        if not self._call.may_read(self._console):  # the rules changed while the log was asked
            text = f"{self._title}: you may no longer read this console"
            raise self._failure(FAILED, "rights", text)
        self._attach()
        while (found := self._outcome()) is None:
            await self._changed.wait()
        return found

    def _attach(self) -> None:
        """Search from where it begins, then type."""
        call, console = self._call, self._console
        attachment = console.attach(call.session, call.rights(console), self, self._from)
        self._attachment = attachment
        self._following = Following(call.context, attachment, self)
        if self._parsed.get(WHEN_AWAY) == FAIL_THEN:
            self._unsubscribe = call.context.events.subscribe(self._happened)
            if not console.live:
                self._end_away(console.link.away_reason)
        wish = lease_wish(self._parsed, "expect")
        if self._text or wish is not None:
            force = self._parsed.has(FORCE)
            self._input = VerbInput(call, console, attachment, self._changed.set_later, force, wish)
            self._input.begin(types=bool(self._text))
            self._input.type(self._text)
        self.ready()

    def _happened(self, event: Event) -> None:
        if isinstance(event, WentAway) and event.console.id == self._console.id:
            self._end_away(event.reason)

    def _end_away(self, reason: str) -> None:
        """What the VM has printed until now is searched, no more."""
        assert self._attachment is not None
        self._attachment.end(f"{self._title} is away" + (f" ({reason})" if reason else ""))

    async def _find(self) -> None:
        self._found = await self._searching.run()
        self._changed.set()

    def _searched(self) -> None:
        self.ready()
        self._changed.set()

    # What becomes of it

    def _outcome(self) -> Match | None:
        """The match, or None while it goes on. Raises `VerbExit`."""
        own_input = self._input
        if own_input is not None:
            own_input.check()
        if self._found is not None:
            # The match may be older than the text, which is typed all the same.
            return None if own_input is not None and own_input.waiting else self._found
        if self._ended and not self._searching.stream.due:
            raise self._failure(FAILED, "ended", self._ended)
        return None

    def _failure(self, status: int, detail: str, *lines: str) -> VerbExit:
        return VerbExit(status, *lines, console=self._console, detail=detail)

    def _timed_out(self) -> VerbExit:
        title, own_input = self._title, self._input
        what = "has not printed it" if self._found is None else "takes no input"
        lines = [f"timed out after {self._timeout:g} s: {title} {what}"]
        if own_input is not None and own_input.waiting:
            lines.append(own_input.give_up())
        searched = max(self._from, self._searching.stream.searched)
        lines.append(f"searched offsets {self._from} to {searched}; --from continues")
        return self._failure(TIMED_OUT, "timed-out", *lines)

    def _require_wanted(self, found: Match) -> None:
        """It must not be a match of `--fail`."""
        if found.which < len(self._sought) - 1:
            shown = safe(safe_output(found.text), SHOWN)
            text = f"--fail matched at offset {found.offset} of {self._console.title}: {shown}"
            raise self._failure(FAILED, "fail", text)

    def _stop(self) -> Mapping[str, Fact]:
        """What is recorded at the end."""
        self._unsubscribe()
        self._search.cancel()
        if self._following is not None:
            self._following.stop()
        if self._input is not None:
            self._input.stop()
        match, own_input = self._concluded, self._input
        return {
            "bytes": None if own_input is None else own_input.typed,
            "offset": None if match is None else match.offset,
            "end": None if match is None else match.end,
        }

    # `FollowReader`

    def room(self) -> int:
        return 0 if self._found is not None else self._searching.stream.room

    def take_output(self, offset: int, data: bytes) -> None:
        self._searching.feed(offset, data)

    def missing(self, start: int, end: int, why: str) -> None:
        """Nothing is found across a gap."""
        self._call.remark(
            f"output lost: offsets {start} to {end} of {self._console.title} are not kept"
        )

    def notice(self, notice: Notice) -> None:
        self._call.remark(notice.text)

    def output_ended(self, reason: str) -> None:
        self._ended = reason
        self._changed.set()

    # `Sink`

    def ready(self) -> None:
        if self._following is not None:
            self._following.go_on()

    def writable(self) -> None:
        if self._input is not None:
            self._input.pump()
            self._changed.set_later()

    def host_changed(self, old: str, new: str) -> None:
        """It may be another VM now; earlier output still counts."""
        assert self._attachment is not None
        own_input = self._input
        why = moved_without_proof(self._console, old, new)
        text = f"{why}; {'ended' if own_input is None else own_input.give_up()}"
        if self._found is not None or (own_input is not None and own_input.dropped):
            self._changed.throw(self._failure(FAILED, "host-changed", text))
        else:
            self._attachment.end(text)

    def ended(self, reason: str) -> None:
        assert self._attachment is not None
        text = f"{self._attachment.title}: {reason}"
        self._changed.throw(self._failure(FAILED, "ended", text))


async def _start_offset(call: Call, console: Console, start: int | str) -> int:
    """The offset that `start` (of `--from`) means. Raises `VerbExit`."""
    now, title = console.history.end, console.title
    if start == BOOT:
        return await _last_boot_of(call, console)
    if start == LAST:
        last = call.context.limits.last_match(call.operator.name, console.id)
        if last is None:
            call.remark(f"no earlier match of yours on {title}: the search begins now")
        start = now if last is None else last
    offset = start if isinstance(start, int) else now
    if offset > now:
        text = f"offset {offset} of {title} does not exist yet; the output ends at {now}"
        raise VerbExit(FAILED, text, detail="not-said")
    denial = await look_back_denial(call, console, offset)
    if denial:
        raise VerbExit(DENIED, denial, console=console, detail="history")
    return offset


async def _last_boot_of(call: Call, console: Console) -> int:
    earliest, title = call.earliest(console), console.title
    found = await ask(call.context, console, lambda kept: (_last_boot(kept, earliest),))
    if found is None:
        raise VerbExit(FAILED, f"the log of {title} cannot be read now", detail="log")
    (offset,) = found
    if offset is None:
        raise VerbExit(FAILED, f"no boot of {title} in its log; see `boots`", detail="no-boot")
    return offset


def _last_boot(kept: LogView, earliest: float | None) -> int | None:
    """The offset of the last boot that is kept, unless it was before `earliest`."""
    found = boots(kept)
    if not found or (earliest is not None and found[-1].at < earliest):
        return None
    return found[-1].offset


def _as_text(found: Match) -> str:
    return safe_output(found.text).decode("utf-8", "replace") + "\n"


def _as_json(found: Match) -> str:
    return json.dumps(as_facts(found)) + "\n"


def as_facts(found: Match) -> dict[str, object]:
    """A match as JSON values."""
    return {
        "match": found.text.decode("utf-8", "replace"),
        "offset": found.offset,
        "end": found.end,
        "groups": [None if g is None else g.decode("utf-8", "replace") for g in found.groups],
    }


VERB = Verb(GRAMMAR, run, audits_itself=True)
