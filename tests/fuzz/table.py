"""Every fuzz target."""

from tests.fuzz.target import Target
from tests.fuzz.targets import alerts, files, lines, operators, ssh, storage, streams, wire

TARGETS: tuple[Target, ...] = (
    *wire.TARGETS,
    *lines.TARGETS,
    *streams.TARGETS,
    *operators.TARGETS,
    *ssh.TARGETS,
    *files.TARGETS,
    *storage.TARGETS,
    *alerts.TARGETS,
)


def target(name: str) -> Target:
    """The target of that name; KeyError."""
    return {each.name: each for each in TARGETS}[name]
