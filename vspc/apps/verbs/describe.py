"""`describe NAME TEXT`: what a console is for, as lists show it; without TEXT it is printed."""

from vspc.apps.describe import description
from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import TEXT, UsageError
from vspc.console.descriptions import LENGTH
from vspc.net.waiting import within

PATIENCE = 10.0
"""Seconds that the disk may take."""

DESCRIPTION = Argument("TEXT", "what it is for; none: print it", TEXT, required=False)
REMOVE = Flag("--remove", "remove the description, as '' does")

GRAMMAR = Grammar(
    "describe",
    "set the description of a console, which lists show (right admin)",
    arguments=(NAME, DESCRIPTION),
    options=(REMOVE,),
    examples=("describe web1 'billing, primary (rack 12)'", "describe web1 --remove"),
    notes=(f"At most {LENGTH} characters. It stays over restarts.", "", *rule("TEXT")),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Set it."""
    console = call.find(parsed[NAME])
    given = parsed.get(DESCRIPTION)
    if parsed.has(REMOVE) and given:
        raise UsageError("--remove and TEXT exclude each other")
    typed = "" if parsed.has(REMOVE) else given
    if typed is None:
        await call.print(f"{description(console) or '-'}\n")
        return
    call.require_right("admin", console, "describe")
    text = typed.strip()
    if len(text) > LENGTH:
        raise VerbExit(USAGE, f"a description has at most {LENGTH} characters, not {len(text)}")
    title = console.title
    try:
        error = await within(call.context.clock, PATIENCE, console.describe(text))
    except TimeoutError:
        error = f"it will be lost at a restart: not written to disk after {PATIENCE:g} s"
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("describe", console, bytes=size, result="failed" if error else "ok")
    if error:
        raise VerbExit(FAILED, f"{title}: {error}")


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `describe`, with the size of the text."""
