"""`msg NAME TEXT`: show one line to all operators on a console; the VM does not get it."""

from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Grammar, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import TEXT
from vspc.apps.verbs.limits import MESSAGES
from vspc.common.text import safe
from vspc.console.console import Console

MESSAGE = Argument("TEXT", "the message", TEXT)

GRAMMAR = Grammar(
    "msg",
    "show a message to all operators on a console, not to the VM",
    arguments=(NAME, MESSAGE),
    examples=('msg web1 "I\'ll reboot it at 14:00"',),
    notes=rule("TEXT"),
)

LIMIT = 1000
"""Characters of a message."""


async def run(call: Call, parsed: Parsed) -> None:
    """Show it. The right to read is enough; the rate is limited."""
    send_message(call, call.find(parsed[NAME]), parsed[MESSAGE])


def send_message(call: Call, console: Console, text: str) -> None:
    """Show `text` to all on `console`. Raises `VerbExit`."""
    if not text.strip() or len(text) > LIMIT:
        raise VerbExit(USAGE, f"a message must have 1 to {LIMIT} characters, not {len(text)}")
    if not console.attachments:
        raise VerbExit(FAILED, f"no operators are on {console.title}; the message was not sent")
    if not call.context.limits.may_send(call.operator.name, call.context.clock.seconds()):
        call.record("limit", console, limit="messages", value=MESSAGES)
        raise VerbExit(
            FAILED, f"limit of {MESSAGES} messages a minute reached; the message was not sent"
        )
    recipients = len(console.attachments)
    console.attachments.tell(f"message from {safe(call.operator.name)}: {safe(text, LIMIT)}")
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("msg", console, bytes=size, recipients=recipients)


VERB = Verb(GRAMMAR, run, audits_itself=True)
