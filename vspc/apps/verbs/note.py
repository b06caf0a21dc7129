"""`note NAME TEXT`: a note in the log of a console, shown to all who are attached."""

from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Grammar, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import TEXT
from vspc.common.text import safe
from vspc.console.console import Console
from vspc.console.logs import MarkerKind
from vspc.net.waiting import RunningCoroutine

NOTE = Argument("TEXT", "the note", TEXT)

GRAMMAR = Grammar(
    "note",
    "add a note to the log of a console, and show it to all attached",
    arguments=(NAME, NOTE),
    examples=("note web1 'replaced its disk (CHG123)'",),
    notes=rule("TEXT"),
)

LIMIT = 1000
"""Characters of a note."""


async def run(call: Call, parsed: Parsed) -> None:
    """Put it there."""
    add_note(call, call.find(parsed[NAME]), parsed[NOTE])


def add_note(call: Call, console: Console, text: str) -> None:
    """Put `text` there. Raises `VerbExit`."""
    call.require_right("write", console, "write on")
    if len(text) > LIMIT:
        raise VerbExit(USAGE, f"a note must have at most {LIMIT} characters, not {len(text)}")
    logs = call.context.logs
    words = f"{call.operator.name}: {text}"
    marked = logs is not None and logs.mark(console.id, MarkerKind.NOTE, words)
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("note", console, bytes=size, result="ok" if marked else "failed")
    if not marked:
        raise VerbExit(
            FAILED, f"the log of {console.title} cannot be written; the note was not added"
        )
    console.attachments.tell(f"note by {safe(words, LIMIT * 2)}")
    RunningCoroutine(console.note(words))  # a copy: nobody waits for it


VERB = Verb(GRAMMAR, run, audits_itself=True)
