"""How to attach: options behind a login's comma, and words behind the name of a console."""

from attrs import evolve, frozen

from vspc.apps.verbs.commandline import Words
from vspc.apps.verbs.grammar import Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import NUMBER, WORD, UsageError, ValueKind
from vspc.apps.verbs.parser import parse
from vspc.common.values import InvalidValue
from vspc.config.values import EscapeKey, escape_key

REPLAY_LINES = 20
"""Lines of earlier output that a terminal is shown first."""

MAX_REPLAY = 10_000
"""Lines that can be asked for; the history may hold fewer."""


def _escape(_label: str, value: str, _now: float) -> EscapeKey:
    try:
        return escape_key(value)
    except InvalidValue as wrong:
        raise UsageError(f"{wrong.problem}; {wrong.allowed}") from None


_ESCAPE = ValueKind("none|^X", _escape)

READ_ONLY = Flag("ro", "only read")
REPLAY = Option("replay", f"lines shown at the beginning ({REPLAY_LINES})", NUMBER, value="LINES")
ESCAPE = Option("esc", "the key before escape commands; none: all keys are for the VM", _ESCAPE)
STRICT = Flag("strict", "refuse a port that is known only by the order of arrival")
REASON = Option("reason", "why, for the audit file", WORD, value="TEXT")

OPTIONS = (READ_ONLY, REPLAY, ESCAPE, STRICT, REASON)

LOGIN = Grammar("login", "options behind the comma of a login", options=OPTIONS)


@frozen
class AttachOptions:
    """How to attach."""

    read_only: bool = False
    replay: int = REPLAY_LINES
    escape: EscapeKey | None = None  # of the configuration
    strict: bool = False
    reason: str = ""

    def with_words(self, parsed: Parsed) -> "AttachOptions":
        """The same with the options of a verb."""
        escape = parsed.get(ESCAPE)
        return evolve(
            self,
            read_only=self.read_only or parsed.has(READ_ONLY),
            replay=min(parsed.get(REPLAY, self.replay), MAX_REPLAY),
            escape=self.escape if escape is None else escape,
            strict=self.strict or parsed.has(STRICT),
            reason=parsed.get(REASON) or self.reason,
        )


def options(words: tuple[str, ...]) -> AttachOptions:
    """Parse the options behind a login's comma. Raises `UsageError`."""
    return AttachOptions().with_words(parse(LOGIN, Words(words), 0.0))
