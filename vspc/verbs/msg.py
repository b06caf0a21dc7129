"""`msg NAME TEXT`: one line for everybody who is on a console; the VM gets nothing."""

from vspc.text import safe
from vspc.verbs.call import DONE, FAILED, USAGE, Call
from vspc.verbs.remembered import MESSAGES

USAGE_LINE = "msg NAME TEXT"
SUMMARY = "tell everybody on a console something; its VM hears nothing of it"

LIMIT = 1000
"""Characters of a message."""


def run(call: Call) -> None:
    """Tell them. Who may read may speak, a few times a minute."""
    if len(call.words) < 2 or call.words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    text = " ".join(call.words[1:])
    if not text.strip() or len(text) > LIMIT:
        call.fail(USAGE, f"a message has from 1 to {LIMIT} characters, not {len(text)}")
        return
    console = call.find(call.words[0])
    if console is None:
        return
    if not console.attachments:
        call.fail(FAILED, f"nobody is on {console.title}; nobody was told")
        return
    if not call.world.remembered.may_say(call.operator.name, call.world.clock.seconds()):
        call.record("limit", console, limit="messages", value=MESSAGES)
        call.fail(FAILED, f"you may send {MESSAGES} messages a minute; nobody was told")
        return
    recipients = len(console.attachments)
    console.tell(f"message from {safe(call.operator.name)}: {safe(text, LIMIT)}")
    size = len(text.encode("utf-8", "surrogatepass"))
    call.record("msg", console, bytes=size, recipients=recipients)
    call.channel.finish(DONE)
