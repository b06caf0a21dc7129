"""`sessions`: the sessions of operators, with their proofs and consoles."""

from collections.abc import Sequence

from vspc.apps.verbs.context import DENIED, Call, Verb, VerbExit, handle_of
from vspc.apps.verbs.grammar import JSON, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import NAME
from vspc.common.clock import timestamp
from vspc.common.columns import Heading, table
from vspc.common.text import ensure_safe
from vspc.common.values import age_text
from vspc.console.attachment import Attachment
from vspc.console.names import reading_order
from vspc.console.sessions import OpenSession

OPERATOR = Option("--operator", "only sessions of this operator", NAME)

GRAMMAR = Grammar(
    "sessions",
    "the sessions of all operators (administrators), or yours",
    options=(OPERATOR, JSON),
    examples=("sessions --operator alice",),
)

_HEADINGS = (
    Heading("SESSION"),
    Heading("OPERATOR", names=True),
    Heading("FROM", names=True, least=15),
    Heading("FOR", right=True),
    Heading("BY"),
    Heading("KEY", names=True, least=15),
    Heading("REMARKS"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print them, oldest first; without the role `admin` only those of the operator."""
    own, administrator = call.operator.name, "admin" in call.operator.roles
    whose = parsed.get(OPERATOR) or (None if administrator else own)
    if whose != own and not administrator:
        raise VerbExit(DENIED, 'only operators with roles = ["admin"] see sessions of others')
    there = call.context.sessions
    shown = list(there) if whose is None else there.of(whose)
    if parsed.has(JSON):
        await call.print_json([facts(call, each) for each in shown])
    elif shown:
        await call.print(_table(call, shown))
    else:
        of = "" if whose is None else f" of {ensure_safe(whose)}"
        await call.print(f"no sessions{of}\n")


def facts(call: Call, opened: OpenSession) -> dict[str, object]:
    """One session; of its consoles only those that exist for the operator of `call`."""
    session = opened.session
    known = session.facts
    return {
        "id": known.pop("session"),
        **known,
        "since": timestamp(session.since),
        "idle": opened.idle(),
        "this": session.id == call.session.id,
        "followed": opened.followed,
        "consoles": [
            {
                "console": each.console.title,
                "handle": handle_of(call.context.console_of(each)),
                "since": timestamp(each.since),
                "writes": each.has_pen,
            }
            for each in _on(call, opened)
        ],
    }


def _table(call: Call, shown: Sequence[OpenSession]) -> str:
    """A line for each session, and below it one for each of its consoles."""
    heading, *rows = table(_HEADINGS, [_row(call, each) for each in shown], call.columns).split(
        "\n"
    )
    lines = [heading]
    for row, opened in zip(rows, shown, strict=False):
        lines += [row, *(f"    {_place(each)}" for each in _on(call, opened))]
    return "".join(f"{line}\n" for line in lines)


def _row(call: Call, opened: OpenSession) -> list[str]:
    session, proof = opened.session, opened.session.proof
    remarks = ["this one"] if session.id == call.session.id else []
    remarks += ["idle"] if opened.idle() else []
    remarks += [proof.socket] if proof.socket else []
    remarks += [f"key id {proof.key_id}"] if proof.key_id else []
    remarks += [f"reason {session.reason}"] if session.reason else []
    lasted = age_text(call.context.clock.wall() - session.since)
    facts = (session.id, session.operator.name, session.address, lasted, proof.via)
    return [*map(ensure_safe, (*facts, proof.fingerprint or "-", ", ".join(remarks)))]


def _place(attachment: Attachment) -> str:
    does = "writes" if attachment.has_pen else "reads"
    return f"{attachment.console.title}  {does} since {timestamp(attachment.since)}"


def _on(call: Call, opened: OpenSession) -> list[Attachment]:
    """Its attachments to consoles that exist for the operator of `call`."""
    find = call.context.console_of
    on = [each for each in opened.attachments if call.may_read(find(each))]
    return sorted(on, key=lambda each: reading_order(find(each)))


VERB = Verb(GRAMMAR, run)
