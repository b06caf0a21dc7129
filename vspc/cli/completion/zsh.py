"""The completion file for zsh: a function for `compsys`, to be named `_vspc` in a directory of
`fpath`, or to be read by `source <(vspc completion zsh)`.
"""

import re
from collections.abc import Iterator

from vspc.cli.synopsis import CommandShape, OptionShape, ProgramShape, ValueShape, ValueSort

_HEAD = r"""#compdef vspc
# zsh completion for vspc, printed by `vspc completion zsh`

# Names of consoles, from the server; nothing where there is none.
_vspc_consoles() {
    local -a offered ask
    local config=${opt_args[--config]}
    ask=(${~program} completion names "$PREFIX" ${config:+--config=$config})
    offered=(${(f)"$("${ask[@]}" 2>/dev/null)"})
    compadd "$@" -a offered
}

# Words behind the arguments; those that end in = take a value.
_vspc_words() {
    local -a flags=(${@:#*=}) values=(${(M)@:#*=})
    compadd -a flags
    compadd -S '' -a values
}

_vspc_commands() {
    local -a offered=(
{commands}
    )
    _describe -t commands command offered
}

_vspc() {
    local program=$words[1] curcontext=$curcontext
    local -i first=2
    typeset -A opt_args
    while [[ $words[first] == reason=* ]] && ((first < CURRENT)); do
        first+=1
    done
    if ((CURRENT == first)); then
        _vspc_commands
        return
    fi
    words=("${(@)words[first,-1]}")
    CURRENT=$((CURRENT - first + 1))
    curcontext="${curcontext%:*:*}:vspc-$words[1]:"
    case $words[1] in
"""

_FOOT = r"""    esac
}

if [[ $funcstack[1] == _vspc ]]; then
    _vspc "$@"
else
    compdef _vspc vspc
fi
"""

_SORTS = {
    ValueSort.TEXT: " ",
    ValueSort.FILE: "_files",
    ValueSort.CONSOLE: "_vspc_consoles",
    ValueSort.COMMAND: "_vspc_commands",
}


def script(program: ProgramShape) -> str:
    """The file."""
    shapes = program.by_name()
    commands = "\n".join(
        f"        {_quoted(f'{_plain(name)}:{each.summary}')}" for name, each in shapes.items()
    )
    head = _HEAD.replace("{commands}", commands)
    return head + "".join(_case(name, each) for name, each in shapes.items()) + _FOOT


def _case(name: str, command: CommandShape) -> str:
    specs = [_quoted(spec) for spec in _specs(command)]
    lines = " \\\n".join(f"            {spec}" for spec in specs)
    return f"    {name})\n        _arguments -s -S \\\n{lines}\n        ;;\n"


def _specs(command: CommandShape) -> Iterator[str]:
    """What `_arguments` gets for each option and each argument."""
    for option in command.options:
        yield from _option(option)
    for number, argument in enumerate(command.arguments, 1):
        place = "*" if argument.many else f"{number}" if argument.required else f"{number}:"
        yield f"{place}:{_plain(argument.value.name)}:{_values(argument.value)}"
    bare = [f"{s}=" if each.value else s for each in command.options for s in each.spellings]
    bare = [word for word in bare if not word.startswith("-")]
    if bare and not any(argument.many for argument in command.arguments):
        yield f"*:word:{{_vspc_words {' '.join(bare)}}}"


def _option(option: OptionShape) -> Iterator[str]:
    """A spec for each spelling with dashes; one excludes the others."""
    dashed = [spelling for spelling in option.spellings if spelling.startswith("-")]
    for spelling in dashed:
        apart = f"({' '.join(dashed)})" if len(dashed) > 1 else ""
        if option.value is None:
            yield f"{apart}{spelling}[{_plain(option.help)}]"
            continue
        mark = "=" if spelling.startswith("--") else "+"
        value = f"{_plain(option.value.name)}:{_values(option.value)}"
        before = "::" if option.value.is_optional else ":"
        yield f"{apart}{spelling}{mark}[{_plain(option.help)}]{before}{value}"


def _values(value: ValueShape) -> str:
    if value.choices:
        return f"({' '.join(value.choices)})"
    return _SORTS[value.sort]


def _plain(text: str) -> str:
    """`text` within a spec."""
    return re.sub(r"([\\:\[\]])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
