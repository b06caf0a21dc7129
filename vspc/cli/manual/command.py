"""vspc(1): the command, from its declarations and the grammars of verbs."""

from collections.abc import Iterator

from vspc.apps.verbs import help_text
from vspc.cli.manual import roff
from vspc.cli.synopsis import (
    CONFIG,
    HELP,
    ArgumentShape,
    CommandShape,
    OptionShape,
    ProgramShape,
)

_DESCRIPTION = """\
vspc connects operators to the serial consoles of virtual machines. A VM connects in by telnet or
telnets and speaks the extension of VMware; operators log in by SSH, or are on the machine of the
server.

`vspc run` is the server. Commands read the configuration, or make files of it. Verbs are what
operators type behind `ssh HOST`, too: `vspc VERB` runs one through the control socket of the
server of this machine, as `root@local`. A word `reason=TEXT` before the verb is recorded with what
it does.

All take `--help`, and verbs take `--config FILE` anywhere before a `--`.
"""

_STATUS = (
    ("0", "done"),
    ("1", "failed"),
    ("2", "the command line is wrong"),
    ("3", "no such console, or several"),
    ("4", "you may see it, and not do this"),
    ("5", "timed out"),
)

_FILES = (
    ("/etc/vspc/vspc.toml", "The configuration, where neither --config nor VSPC_CONFIG names one."),
    ("/var/lib/vspc", "The state_dir of that configuration, unless it names another one."),
)


def page(program: ProgramShape, date: str, version: str) -> Iterator[str]:
    """Its lines."""
    yield from roff.title("VSPC", "1", date, version)
    yield from roff.heading("Name")
    yield r"vspc \- console access server for virtual machines"
    yield from roff.heading("Synopsis")
    yield rf"{roff.bold('vspc')} {roff.italic('COMMAND')} [{roff.italic('OPTION')}...]"
    yield ".br"
    reason = f"[{roff.bold('reason=')}{roff.italic('TEXT')}]"
    config = f"[{roff.bold('--config')} {roff.italic('FILE')}]"
    yield f"{roff.bold('vspc')} {reason} {roff.italic('VERB')} ... {config}"
    yield from roff.heading("Description")
    for text in _DESCRIPTION.split("\n\n"):
        yield from roff.paragraph(" ".join(text.split()))
    yield from _options(program.options)
    yield from roff.heading("Commands")
    for each in program.commands:
        yield from _command(each)
    yield from roff.heading("Verbs")
    rule = " ".join((*help_text.rule("TEXT at the end of a verb"), *help_text.VALUES))
    yield from roff.paragraph(rule)
    for each in program.verbs:
        yield from _command(each)
    yield from _ends()


def _ends() -> Iterator[str]:
    yield from roff.heading("Exit status")
    for status, text in _STATUS:
        yield from roff.item(roff.bold(status), [text])
    yield from roff.heading("Environment")
    yield from roff.item(roff.bold("VSPC_CONFIG"), ["The configuration, where `--config` is not."])
    yield from roff.heading("Files")
    for path, text in _FILES:
        yield from roff.item(roff.bold(path), [text])
    yield from roff.heading("See also")
    yield from roff.paragraph("**vspc.toml**(5), **ssh**(1), **twistd**(1)")


def _command(command: CommandShape) -> Iterator[str]:
    """One command or verb: how it is written, what it is for, and its words."""
    yield from roff.subheading(roff.bold(", ".join(command.names)))
    for number, form in enumerate(command.usage):
        yield ".br" if number else ".PP"
        name, _, rest = form.partition(" ")
        yield f"{roff.bold(f'vspc {name}')} {roff.escaped(rest, True)}".rstrip()
    yield from roff.paragraph(f"{command.summary[:1].upper()}{command.summary[1:]}.")
    for argument in command.arguments:
        yield from roff.item(_argument(argument), [argument.help] if argument.help else [])
    yield from _options(command.options)
    if command.notes:
        yield from roff.verbatim(command.notes)
    for number, example in enumerate(command.examples):
        if not number:
            yield from roff.paragraph("Example:")
        yield from roff.verbatim([f"vspc {example}"])


def _argument(argument: ArgumentShape) -> str:
    return roff.italic(argument.value.name) + ("..." if argument.many else "")


def _options(options: tuple[OptionShape, ...]) -> Iterator[str]:
    for option in options:
        if option in (CONFIG, HELP):
            continue  # all verbs have them
        names = [name for name in option.spellings if not _is_double(name, option)]
        term = ", ".join(map(roff.bold, names))
        if option.value is not None:
            mark = " " if names[-1].startswith("-") else ""
            equals = "" if mark else r"\fB=\fR"
            term += f"{mark}{equals}{roff.italic(option.value.name)}"
        yield from roff.item(term, [option.help] if option.help else [])


def _is_double(name: str, option: OptionShape) -> bool:
    """Whether it is the spelling with dashes of a word that is written without."""
    return name.startswith("--") and name.removeprefix("--") in option.spellings
