"""What attachments are told of their console, one line each: the kinds, and their English.

docs/operators.md lists them. What begins with a notice ends with one (law 13).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import field, frozen

Hint = tuple[str, str]
"""The keys of escape commands, between spaces, and what they do, with `{}` for each where a
terminal has them.
"""


class NoticeKind(Enum):
    """The value is the text, with the names of what is filled in."""

    # The line
    AWAY = "{title} is away ({reason})"
    CONNECTED = "{title} is connected again, from {address}{after}"
    REPLACED = "{title} has a new connection from {address}: {why}{unproven}"
    HOST_CHANGED = "{title} is on {new} now; it was on {old}, and this was not a vMotion"
    UNANSWERED = "{title} does not answer: {waiting} bytes wait"
    ANSWERED = "{title} answers again{where}{rest}"
    SUSPENDED = "{title} has suspended input: {waiting} bytes wait"
    GOES_ON = "{title} takes input again{where}{rest}"
    CAUGHT_UP = "no input waits for {title} any more"
    UNSENT = "{why}: {unsent} not sent"
    BREAK = "break from the VM"
    REMOTE_CONNECTED = "{uri} is {state}"
    REMOTE_MISSING = "{title} has no remote system: {uri} is {state}"
    # vMotion
    MIGRATING = "{title} is migrating; {waiting} bytes held"
    MIGRATION_OVER = "{title} is no longer migrating"
    MOVED = "{title} moved from {source} to {target} in {seconds:.1f} s"
    NOT_MOVED = "{title} did not move: {reason}"
    RESUMED = "{title} stays on {address}: its vMotion did not happen"
    # Rights
    MAY_TYPE = "you may type here now"
    MAY_NOT_TYPE = "you may no longer type here"
    MAY_NOT_BREAK = "you may no longer send a BREAK: {unsent} not sent"
    # Other attachments, and the pen
    ATTACHED = "{who}"
    LEFT = "{who}{pen}"
    PEN_WAITED = "{who} for the pen"
    PEN_ASKED = "{asks} for the pen"
    PEN_ASK_OVER = "{asked} for the pen"
    PEN_KEPT = "{who} the pen"
    PEN_TAKEN = "{who} the pen; you are reading now"
    PEN_GIVEN = "you have the pen now: {why}"
    PEN_GONE = "{who} the pen now{why}; you are reading now"
    PEN_PASSED = "{has}"
    PEN_JOINED = "{who} here, too"
    PEN_ALONE = "you type alone now: {why}"
    PEN_LAID_DOWN = "you have laid down the pen: you {why}"
    PEN_WAITS = "you wait for the pen as number {place} in line"
    PEN_NOT_WAITED = "you no longer wait for the pen: {why}"
    PEN_FREE = "the pen is free: {who}"
    PEN_IS_TAKEN = "{operator} has the pen"  # for programs, which are told of each change
    PEN_IS_FREE = "{operator} has laid down the pen"
    PEN_LOCKED = "{locked}"
    PEN_UNLOCKED = "{over}"
    MORE = "{counts}"
    # Approval of what others type
    APPROVAL_NEEDED = "typing needs approval by {names}; {who}"
    APPROVAL_ASKED = "{asks} to type on {on}"
    APPROVAL_GIVEN = "{who}: you may type while {name} is on the console, {limit} at most"
    APPROVAL_REFUSED = "{who}: you may not type"
    APPROVAL_OVER = "{told}"
    APPROVAL_ENDED = "{why}{rest}"
    APPROVAL_NEEDLESS = "typing needs no approval any more"
    # Text of other rooms, such as an operator's message
    TEXT = "{text}"

    def notice(self, hint: Hint | None = None, **values: object) -> "Notice":
        """One of this kind."""
        facts = {name: value for name, value in values.items() if name in _FACTS}
        return Notice(self.value.format(**values), hint, self, MappingProxyType(facts))

    @property
    def event(self) -> str:
        """Its name for programs: an interface, which does not change with the wording."""
        return self.name.lower().replace("_", "-")


_FACTS = frozenset(
    {"address", "new", "old", "operator", "reason", "seconds", "session", "source", "target"}
)
"""What is filled in that programs get apart from the text."""


@frozen
class Notice:
    """One line about the console, at this place among its output; without brackets. `facts` are
    what is in it, for programs.
    """

    text: str
    hint: Hint | None = None
    kind: NoticeKind = NoticeKind.TEXT
    facts: Mapping[str, object] = field(default=MappingProxyType({}), eq=False, repr=False)
