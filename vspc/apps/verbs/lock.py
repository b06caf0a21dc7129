"""`lock NAME [REASON]`: nobody else types on a console, for a while."""

from vspc.apps.verb_input import pen_refused
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import DURATION, TEXT, UsageError
from vspc.common.values import written_duration
from vspc.console.pen_events import REASON_LIMIT
from vspc.console.pen_locking import LOCK_LONGEST, LOCK_TIME

REASON = Argument("REASON", "why, as others are shown it", TEXT, required=False)
FOR = Option("--for", f"end it after this time ({written_duration(LOCK_TIME)})", DURATION)
KEEP = Flag("--keep", "keep it when your last session ends")

GRAMMAR = Grammar(
    "lock",
    "keep all others from typing on a console",
    arguments=(NAME, REASON),
    options=(FOR, KEEP),
    examples=("lock web1 --for 2h 'firmware update'", "lock web1 --keep"),
    notes=(
        f"A lock lasts {LOCK_LONGEST / 3600:g}h at most. It ends with your last session, by",
        "`unlock`, and by force, for which others need the right admin. It stays over",
        f"restarts. A reason has at most {REASON_LIMIT} characters; the rest is cut.",
        "",
        *rule("REASON"),
    ),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Lock it."""
    seconds, keeps = parsed.get(FOR, LOCK_TIME), parsed.has(KEEP)
    if seconds > LOCK_LONGEST:
        raise UsageError(f"--for is at most {LOCK_LONGEST / 3600:g}h")
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    if not keeps and not _has_more(call):
        raise VerbExit(
            FAILED,
            f"a lock ends with your last session, which is this one: `lock {parsed[NAME]} --keep` "
            "keeps it, and on the console ^EcL locks it",
        )
    locking, rights = console.pen.locking, call.rights(console)
    refusal = locking.set_lock(call.session, rights, seconds, parsed.get(REASON, ""), keeps)
    if refusal is not None:
        raise pen_refused(call, console, refusal)
    assert locking.lock is not None
    await call.print(f"{console.title} is {locking.lock.long_text}\n")


def _has_more(call: Call) -> bool:
    """Whether a session of the operator goes on when this verb is over."""
    every = call.context.sessions.of(call.operator.name)
    return any(each.session.id != call.session.id or each.attachments for each in every)


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `lock`."""
