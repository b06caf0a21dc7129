"""Every fuzz target."""

from tests.fuzz.target import Target
from tests.fuzz.targets import alerts, doors, files, lines, operators, ssh, storage, streams, wire

TARGETS: tuple[Target, ...] = (
    *wire.TARGETS,
    *lines.TARGETS,
    *doors.TARGETS,
    *streams.TARGETS,
    *operators.TARGETS,
    *ssh.TARGETS,
    *files.TARGETS,
    *storage.TARGETS,
    *alerts.TARGETS,
)
