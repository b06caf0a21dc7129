"""`note NAME TEXT`: words for whoever reads the log later, and for everybody attached."""

from vspc.console.past import Kind
from vspc.text import safe
from vspc.verbs.call import DENIED, DONE, FAILED, USAGE, Call

USAGE_LINE = "note NAME TEXT"
SUMMARY = "put a note into a console's log, and tell everybody attached"

LIMIT = 1000
"""Characters of a note."""


def run(call: Call) -> None:
    """Put it there."""
    if len(call.words) < 2 or call.words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    console = call.find(call.words[0])
    if console is None:
        return
    if "write" not in call.rights(console):
        denied = f"you have no right to write on {console.title}"
        call.fail(DENIED, denied, console=console)
        return
    text = " ".join(call.words[1:])
    if len(text) > LIMIT:
        call.fail(USAGE, f"the note has {len(text)} characters, at most {LIMIT} are allowed")
        return
    archive = call.world.archive
    words = f"{call.operator.name}: {text}"
    marked = archive is not None and archive.mark(console, Kind.NOTE, words)
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("note", console, bytes=size, result="ok" if marked else "failed")
    if not marked:
        call.fail(FAILED, f"{console.title} has no log that takes a note now")
        return
    console.tell(f"note by {safe(words, LIMIT * 2)}")
    call.channel.finish(DONE)
