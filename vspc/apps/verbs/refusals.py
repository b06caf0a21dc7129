"""`refusals`: the latest refused VMs and logins, with the line of the configuration to add."""

from attrs import asdict, evolve

from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, Grammar, Parsed
from vspc.common.clock import timestamp
from vspc.common.values import age_text, duration_text
from vspc.console.audit import AccessRefusal

GRAMMAR = Grammar(
    "refusals",
    "the latest refused VMs and logins, and why (administrators)",
    options=(JSON,),
    examples=("refusals",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print them, oldest first."""
    call.require_administrator()
    found = [_fitting(call, one) for one in call.context.audit_reader.refusals()]
    if parsed.has(JSON):
        shown = [
            asdict(one) | {"first": timestamp(one.first), "last": timestamp(one.last)}
            for one in found
        ]
        await call.print_json(shown)
        return
    now = call.context.clock.wall()
    lines = [line for one in found for line in _lines(one, now)] or ["no refusals"]
    await call.print("".join(line + "\n" for line in lines))


def _fitting(call: Call, one: AccessRefusal) -> AccessRefusal:
    """The same with a hint for an operator that has a table already: TOML takes no second one."""
    table, _, key = one.hint.partition("\n")
    if (
        one.what != "login"
        or not table.startswith("[operators.")
        or not call.context.is_operator(one.name)
    ):
        return one
    if not key:
        return evolve(one, hint="")
    key = key.removeprefix("authorized_keys = [").removesuffix("]")
    return evolve(one, hint=f"add to authorized_keys of {table}:\n{key}")


def _lines(one: AccessRefusal, now: float) -> list[str]:
    # To the last one: what has stopped long ago was no slower for it.
    often = f", {one.count} times in {duration_text(one.last - one.first)}" if one.count > 1 else ""
    name = " " + "/".join(filter(None, (one.name, one.vm_name))) if one.name else ""
    lines = [f"{age_text(now - one.last)} ago  {one.what} {one.address}{name}: {one.reason}{often}"]
    return lines + [f"    {line}" for line in one.hint.splitlines()]


VERB = Verb(GRAMMAR, run)
