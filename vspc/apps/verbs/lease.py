"""`lease NAME`: holds the pen of a console for a program, on a channel of its own."""

import json

from vspc.apps.describe import refusal_text
from vspc.apps.leasing import FOR, LeaseWish, ProgramLease
from vspc.apps.verb_input import moved_without_proof, refused_status
from vspc.apps.verbs.context import FAILED, TIMED_OUT, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import TEXT, WAIT
from vspc.common.clock import timestamp
from vspc.console.attachment import Refusal, Sink
from vspc.console.console import Console
from vspc.console.events import Event, PenReleased, PenTaken
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended
from vspc.console.pen_events import LeaseEnded, PenUnlocked
from vspc.console.pen_locking import LEASE_TIME, LOCK_LONGEST
from vspc.net.waiting import Wakeup, within

LABEL = Argument("LABEL", "what for, as others are shown it", TEXT, required=False)
WAIT_FOR_IT = Option("--wait", "wait for the pen while others have it, at most this long", WAIT)
FORCE = Flag("--force", "take the pen from its holder (right force)")
JSON = Flag("--json", "print the id, the console and the end as JSON")

GRAMMAR = Grammar(
    "lease",
    "hold the pen of a console for programs, until the channel ends",
    arguments=(NAME, LABEL),
    options=(FOR, WAIT_FOR_IT, FORCE, JSON),
    examples=("lease web1 --for 1h build 512", "lease web1 --wait 5m"),
    notes=(
        "The id is printed first: a secret, good for your own commands only, with",
        "`--lease ID`: send, paste, expect, raw, break. A lease lasts 10m, or --for,",
        f"which is {LOCK_LONGEST / 3600:g}h at most. It ends when this command does.",
        "",
        *rule("LABEL"),
    ),
)

_OTHERS = frozenset({Refusal.PEN, Refusal.LOCKED})
"""Refusals that pass when others have done what they do."""


async def run(call: Call, parsed: Parsed) -> None:
    """Hold it until the channel ends."""
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    call.require_place()
    wish = LeaseWish("", parsed.get(FOR, LEASE_TIME), parsed.get(LABEL, ""))
    await _Leasing(call, console, wish).run(parsed)


class _Leasing(Sink):
    """The attachment that has the lease: it shows notices, skips output and types nothing."""

    def __init__(self, call: Call, console: Console, wish: LeaseWish) -> None:
        self._call = call
        self._console = console
        self._changed = Wakeup(call.context.clock)
        self._why = ""  # it waits
        self._attachment = console.attach(
            call.session, call.rights(console), self, console.history.end
        )
        self._held = ProgramLease(call, console, self._attachment, wish, self._over)

    async def run(self, parsed: Parsed) -> None:
        """Take it, print its id, and hold it. Raises `VerbExit`."""
        try:
            await self._take(parsed.get(WAIT_FOR_IT), parsed.has(FORCE))
            await self._call.print(self._as_json() if parsed.has(JSON) else f"{self._id}\n")
            while True:
                await self._changed.wait()
        finally:
            self._held.close()
            self._attachment.detach()

    @property
    def _id(self) -> str:
        assert self._held.lease is not None
        return self._held.lease.id

    def _as_json(self) -> str:
        lease, ref = self._held.lease, self._console.ref
        assert lease is not None
        facts = {
            "lease": lease.id,
            "console": {"id": ref.id, "name": ref.name, "port": ref.port, "zone": ref.zone},
            "since": timestamp(lease.since),
            "until": timestamp(lease.until),
            "label": lease.reason,
        }
        return json.dumps(facts) + "\n"

    async def _take(self, patience: float | None, force: bool) -> None:
        refusal = self._held.take(force)
        while self._attachment.waits_for_approval:
            await self._changed.wait()
            refusal = self._held.take(force)
        if refusal is not None and refusal in _OTHERS and patience is not None:
            self._why = self._text(refusal)
            self._call.remark(f"{self._why}: waiting")
            unsubscribe = self._call.context.events.subscribe(self._happened)
            try:
                refusal = await within(self._call.context.clock, patience, self._wait(force))
            except TimeoutError:
                why = f"timed out after {patience:g} s: {self._why}"
                raise VerbExit(TIMED_OUT, why, console=self._console) from None
            finally:
                unsubscribe()
        if refusal is not None:
            text, status = self._text(refusal), refused_status(refusal)
            raise VerbExit(status, text, console=self._console, detail=refusal.value)

    async def _wait(self, force: bool) -> Refusal | None:
        while (refusal := self._held.take(force)) is not None and refusal in _OTHERS:
            self._why = self._text(refusal)
            await self._changed.wait()
        return refusal

    def _text(self, refusal: Refusal) -> str:
        return refusal_text(self._call.session, self._console, refusal)

    def _happened(self, event: Event) -> None:
        match event:
            case PenReleased(attachment) | PenTaken(attachment):
                console = attachment.console
            case PenUnlocked(console) | LeaseEnded(console):
                pass
            case _:
                return
        if console.id == self._console.id:
            self._changed.set_later()

    def _over(self, why: str, status: int) -> None:
        self._changed.throw(VerbExit(status, why, console=self._console, detail="lease"))

    # `Sink`

    def ready(self) -> None:
        """Notices go to stderr; output is skipped."""
        self._attachment.cursor.skip()
        while True:
            match self._attachment.cursor.next(1):
                case Notice(text):
                    self._call.remark(text)
                case Ended(reason):
                    self.ended(reason)
                    return
                case _:
                    return

    def writable(self) -> None:
        """It types nothing, but may wait for approval."""
        self._changed.set_later()

    def host_changed(self, old: str, new: str) -> None:
        why = moved_without_proof(self._console, old, new)
        self._changed.throw(VerbExit(FAILED, f"{why}; the lease is over", detail="host-changed"))

    def ended(self, reason: str) -> None:
        self._changed.throw(VerbExit(FAILED, f"{self._attachment.title}: {reason}"))


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `lease`."""
