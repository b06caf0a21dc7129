"""`sessions`: who is in, since when, by what proof, and on which consoles."""

import json

from vspc.console.attachment import Attachment
from vspc.console.resolve import sort_key
from vspc.console.sessions import Present
from vspc.text import age, safe
from vspc.verbs.call import DENIED, USAGE, Call, Printer, handle_of, timestamp
from vspc.verbs.words import BadWord, read

USAGE_LINE = "sessions [--operator X] [--json]"
SUMMARY = "who is in (administrators), or which sessions are yours"


def run(call: Call) -> None:
    """Print them, oldest first. Without the role `admin` there are only one's own."""
    try:
        given = read(call.words, ("--json",), ("--operator",))
        if given.rest:
            raise BadWord(f"{safe(given.rest[0])!r} is no option of sessions")
    except BadWord as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    own, administrator = call.operator.name, "admin" in call.operator.roles
    whose = given.values.get("--operator", None if administrator else own)
    if whose != own and not administrator:
        call.fail(DENIED, 'only operators with roles = ["admin"] see sessions of others')
        return
    there = call.world.sessions
    shown = list(there) if whose is None else there.of(whose)
    if "--json" in given.flags:
        Printer(call.channel, json.dumps([facts(call, each) for each in shown], indent=1) + "\n")
    else:
        lines = [line for each in shown for line in _lines(call, each)]
        Printer(call.channel, "".join(line + "\n" for line in lines))


def facts(call: Call, present: Present) -> dict[str, object]:
    """One session; of its consoles those that the operator who asks may read."""
    session = present.session
    known = session.facts
    return {
        "id": known.pop("session"),
        **known,
        "since": timestamp(session.since),
        "idle": present.idle(),
        "this": session.id == call.session.id,
        "followed": present.followed,
        "consoles": [
            {
                "console": each.console.title,
                "handle": handle_of(each.console),
                "since": timestamp(each.since),
                "writes": each.has_pen,
            }
            for each in _on(call, present)
        ],
    }


def _lines(call: Call, present: Present) -> list[str]:
    """A line for the session, and one for each of its consoles."""
    session, proof = present.session, present.session.proof
    lasted = age(call.world.clock.wall() - session.since)
    words = [session.id, session.operator.name, f"from {session.address}", f"for {lasted}"]
    words += [f"by {proof.via}", *(w for w in (proof.fingerprint, proof.key_id) if w)]
    words += [f"reason {session.reason}"] if session.reason else []
    words += ["(this one)"] if session.id == call.session.id else []
    words += ["(nothing runs in it)"] if present.idle() else []
    return [
        "  ".join(map(safe, words)),
        *(f"    {each}" for each in map(_place, _on(call, present))),
    ]


def _place(attachment: Attachment) -> str:
    does = "writes" if attachment.has_pen else "reads"
    return f"{attachment.console.title}  {does} since {timestamp(attachment.since)}"


def _on(call: Call, present: Present) -> list[Attachment]:
    """Where it is, as far as the operator who asks may know of it."""
    on = [each for each in present.attachments if call.may_read(each.console)]
    return sorted(on, key=lambda each: sort_key(each.console))
