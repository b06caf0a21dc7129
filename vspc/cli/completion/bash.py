"""The completion file for bash: a table of commands, and a function that reads command lines by it.

It needs nothing but bash 4. Words are put together again where bash has cut them at `:` or `=`.
"""

import shlex
from collections.abc import Iterable, Iterator

from vspc.cli.synopsis import CommandShape, ProgramShape, ValueShape

_HEAD = r"""# bash completion for vspc, printed by `vspc completion bash`

# Puts words together again: `words`, and `at`, the number of the one that is typed.
_vspc_split() {
    local line=$COMP_LINE word
    local -i number
    words=()
    for ((number = 0; number <= COMP_CWORD; number++)); do
        word=${COMP_WORDS[number]}
        if ((number == 0)) || [[ $line == [[:space:]]* ]]; then
            line=${line#"${line%%[![:space:]]*}"}
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        line=${line#"$word"}
    done
    at=${#words[@]}-1
}

# Offers values of the kind $1 that begin with $2, each behind $3.
_vspc_offer() {
    local -a offered=()
    local each
    case $1 in
    '' | :text) return ;;
    :file)
        compopt -o filenames 2>/dev/null
        mapfile -t offered < <(compgen -f -- "$2")
        ;;
    :console)
        mapfile -t offered < <(
            "${words[0]/#\~/$HOME}" completion names "$2" ${config:+"--config=$config"} 2>/dev/null
        )
        ;;
    :command) offered=({commands}) ;;
    *) mapfile -t offered <<<"${1//|/$'\n'}" ;;
    esac
    for each in "${offered[@]}"; do
        [[ $each == "$2"* ]] && COMPREPLY+=("$3$each")
    done
}

# Reads the words before the one that is typed.
_vspc_read() {
    local -i i
    local word
    for ((i = 1; i < at; i++)); do
        word=${words[i]}
        if [[ ! $command ]]; then
            [[ $word == reason=* ]] && continue
            command=$word
            _vspc_describe "$command"
        elif [[ $wants ]]; then
            [[ $spelling == --config ]] && config=$word
            wants=''
        elif [[ $literal ]]; then
            place+=1
        elif [[ $word == -- ]]; then
            literal=1
        elif [[ $word == --config=* ]]; then
            config=${word#*=}
        elif [[ $word == -* && " $takes" == *" $word="* ]]; then
            spelling=$word
            wants=${takes##*"$word"=}
            wants=${wants%% *}
        elif [[ $word != -* && " $more " != *" $word "* && " $more " != *" ${word%%=*}= "* ]]; then
            place+=1
        fi
    done
}

# Offers what may stand where $1 is typed.
_vspc_complete() {
    local kind=:text
    local -i last=${#places[@]}-1
    if [[ ! $command ]]; then
        _vspc_offer :command "$1" ''
    elif [[ $wants ]]; then
        _vspc_offer "$wants" "$1" ''
    elif [[ ! $literal && $1 == *=* && " $takes" == *" ${1%%=*}="* ]]; then
        kind=${takes##*"${1%%=*}"=}
        _vspc_offer "${kind%% *}" "${1#*=}" "${1%%=*}="
    elif [[ ! $literal && $1 == -* ]]; then
        _vspc_offer "${options// /|}" "$1" ''
    else
        ((last < 0)) || [[ $place -gt $last && ${places[last]} != *... ]] ||
            kind=${places[place < last ? place : last]}
        _vspc_offer "${kind%...}" "$1" ''
        [[ $literal ]] || _vspc_offer "${more// /|}" "$1" ''
    fi
}

_vspc() {
    local -a words=() places=()
    local -i at=0 place=0
    local command='' options='' takes='' more='' config='' literal='' wants='' spelling=''
    local breaks='' each current
    COMPREPLY=()
    _vspc_split
    _vspc_read
    current=${words[at]}
    _vspc_complete "$current"
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    # bash replaces only what is behind the last of these.
    for each in = :; do
        [[ $COMP_WORDBREAKS == *$each* ]] && breaks+=$each
    done
    if [[ $breaks && $current == *[$breaks]* ]]; then
        each=${current%"${current##*[$breaks]}"}
        COMPREPLY=("${COMPREPLY[@]#"$each"}")
    fi
}

# What the command $1 takes: `options`; `takes`, spellings of options with kinds of their values;
# `places`, kinds of its arguments; `more`, words behind them.
_vspc_describe() {
    case $1 in
"""

_FOOT = """    esac
}

complete -F _vspc vspc
"""


def script(program: ProgramShape) -> str:
    """The file."""
    shapes = program.by_name()
    head = _HEAD.replace("{commands}", " ".join(map(shlex.quote, sorted(shapes))))
    return head + "".join(_case(name, each) for name, each in sorted(shapes.items())) + _FOOT


def _case(name: str, command: CommandShape) -> str:
    options = [s for each in command.options for s in each.spellings if s.startswith("--")]
    bare = [
        f"{s}=" if each.value else s
        for each in command.options
        for s in each.spellings
        if not s.startswith("-")
    ]
    lines = (
        f"options={_quoted(options)}",
        f"takes={_quoted(_takes(command))}",
        f"places=({' '.join(shlex.quote(each) for each in _places(command))})",
        f"more={_quoted(bare)}",
    )
    return (
        f"    {shlex.quote(name)})\n"
        + "".join(f"        {each}\n" for each in lines)
        + "        ;;\n"
    )


def _quoted(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


def _takes(command: CommandShape) -> Iterator[str]:
    for each in command.options:
        if each.value is not None and not each.value.is_optional:
            yield from (f"{spelling}={_kind(each.value)}" for spelling in each.spellings)


def _places(command: CommandShape) -> Iterator[str]:
    for each in command.arguments:
        yield _kind(each.value) + ("..." if each.many else "")


def _kind(value: ValueShape) -> str:
    """The word of the table for a value: `:SORT`, or its choices."""
    if value.choices:
        return "|".join(value.choices)
    return f":{value.sort.value}"
