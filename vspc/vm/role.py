"""What a line is to us."""

from enum import Enum


class LineRole(Enum):
    """From connected to closed."""

    STRANGER = "it has not said who it is, or that is being decided"
    TARGET = "of a vMotion that is not complete"
    LEADING = "its console's line"
    HELD = "kept apart: it says that it is a VM which lives on another line"
    SUSPECT = "it did not answer, and another line took over"
    RETIRED = "nobody's any more: it is being closed"
