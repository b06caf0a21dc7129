"""`msg NAME TEXT`: one line for everybody who is on a console; the VM gets nothing."""

from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE, TEXT
from vspc.apps.verbs.limits import MESSAGES
from vspc.apps.verbs.verbatim import rule
from vspc.common.text import safe

NAME = Argument("NAME", "the console", CONSOLE)
MESSAGE = Argument("TEXT", "what is shown to them", TEXT)

GRAMMAR = Grammar(
    "msg",
    "tell everybody on a console something; its VM hears nothing of it",
    arguments=(NAME, MESSAGE),
    examples=('msg web1 "I\'ll reboot it at 14:00"',),
    notes=rule("TEXT"),
)

LIMIT = 1000
"""Characters of a message."""


async def run(call: Call, parsed: Parsed) -> None:
    """Tell them. Who may read may speak, a few times a minute."""
    text = parsed[MESSAGE]
    if not text.strip() or len(text) > LIMIT:
        raise VerbExit(USAGE, f"a message has from 1 to {LIMIT} characters, not {len(text)}")
    console = call.find(parsed[NAME])
    if not console.attachments:
        raise VerbExit(FAILED, f"nobody is on {console.title}; nobody was told")
    if not call.context.limits.may_say(call.operator.name, call.context.clock.seconds()):
        call.record("limit", console, limit="messages", value=MESSAGES)
        raise VerbExit(FAILED, f"you may send {MESSAGES} messages a minute; nobody was told")
    recipients = len(console.attachments)
    console.attachments.tell(f"message from {safe(call.operator.name)}: {safe(text, LIMIT)}")
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("msg", console, bytes=size, recipients=recipients)


VERB = Verb(GRAMMAR, run)
