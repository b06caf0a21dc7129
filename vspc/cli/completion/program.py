"""`vspc completion`: a completion file, or the names that one asks for."""

from collections.abc import Callable

from vspc.cli.completion import bash, zsh
from vspc.cli.completion.names import names
from vspc.cli.synopsis import ProgramShape
from vspc.config.file import chosen

NAMES = "names"
"""In place of a shell: names of consoles that begin with what follows, a line for each."""


def run(what: str, beginning: str, config: str | None, program: Callable[[], ProgramShape]) -> int:
    """Print it; status 0."""
    if what == NAMES:
        for name in names(chosen(config), beginning):
            print(name)
        return 0
    script = bash.script if what == "bash" else zsh.script
    print(script(program()), end="")
    return 0
