"""`vspc completion`: a completion file."""

from collections.abc import Callable

from vspc.cli.completion import bash, zsh
from vspc.cli.synopsis import ProgramShape


def run(shell: str, program: Callable[[], ProgramShape]) -> int:
    """Print it; status 0."""
    script = bash.script if shell == "bash" else zsh.script
    print(script(program()), end="")
    return 0
