"""Every fuzz target."""

from tests.fuzz.target import Target
from tests.fuzz.targets import files, lines, ssh, streams, wire

TARGETS: tuple[Target, ...] = (
    *wire.TARGETS,
    *lines.TARGETS,
    *streams.TARGETS,
    *ssh.TARGETS,
    *files.TARGETS,
)


def target(name: str) -> Target:
    """The target of that name; KeyError."""
    return {each.name: each for each in TARGETS}[name]
