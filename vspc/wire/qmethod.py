"""The Q method of option negotiation: RFC 1143, section 7, as one table.

Both sides of an option follow the same table: `him` is what the peer does (WILL and WONT come in,
DO and DONT go out), `us` what we do (DO and DONT come in, WILL and WONT go out). An input is that a
positive or negative verb was received, or that we want the option on or off.
"""

from enum import Enum

from vspc.wire.telnet import DO, DONT, WILL, WONT

# States, one byte each: the RFC's state and queue bit in one.
NO, YES, WANTNO, WANTNO_OPPOSITE, WANTYES, WANTYES_OPPOSITE = range(6)


class _Input(Enum):
    """Hashed by identity: the table is asked for each negotiation."""

    __hash__ = object.__hash__

    AGREED = "positive received, and we agree"
    DISAGREED = "positive received, and we do not agree"
    NEGATIVE = "negative received"
    ASK = "we want it on"
    FORBID = "we want it off"


class Effect(Enum):
    """What has become of an option."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    REFUSED = "refused"


_POSITIVE, _NEGATIVE = True, False
_ON, _OFF, _DENIED = Effect.ENABLED, Effect.DISABLED, Effect.REFUSED
_Step = tuple[int, bool | None, Effect | None]

# (state, input) -> (state, what to send, what became of the option). An absent pair changes
# nothing: an acknowledgement that needs no answer, or a request that is met or queued already.
_TABLE: dict[tuple[int, _Input], _Step] = {
    (NO, _Input.AGREED): (YES, _POSITIVE, _ON),
    (NO, _Input.DISAGREED): (NO, _NEGATIVE, None),
    (NO, _Input.ASK): (WANTYES, _POSITIVE, None),
    (YES, _Input.NEGATIVE): (NO, _NEGATIVE, _OFF),
    (YES, _Input.FORBID): (WANTNO, _NEGATIVE, None),
    # Positive in answer to our negative is an error of the peer: off, or on if we queued that.
    (WANTNO, _Input.AGREED): (NO, None, _OFF),
    (WANTNO, _Input.DISAGREED): (NO, None, _OFF),
    (WANTNO, _Input.NEGATIVE): (NO, None, _OFF),
    (WANTNO, _Input.ASK): (WANTNO_OPPOSITE, None, None),
    (WANTNO_OPPOSITE, _Input.AGREED): (YES, None, _ON),
    (WANTNO_OPPOSITE, _Input.DISAGREED): (YES, None, _ON),
    (WANTNO_OPPOSITE, _Input.NEGATIVE): (WANTYES, _POSITIVE, _OFF),
    (WANTNO_OPPOSITE, _Input.FORBID): (WANTNO, None, None),
    (WANTYES, _Input.AGREED): (YES, None, _ON),
    (WANTYES, _Input.DISAGREED): (YES, None, _ON),
    (WANTYES, _Input.NEGATIVE): (NO, None, _DENIED),
    (WANTYES, _Input.FORBID): (WANTYES_OPPOSITE, None, None),
    (WANTYES_OPPOSITE, _Input.AGREED): (WANTNO, _NEGATIVE, None),
    (WANTYES_OPPOSITE, _Input.DISAGREED): (WANTNO, _NEGATIVE, None),
    (WANTYES_OPPOSITE, _Input.NEGATIVE): (NO, None, _DENIED),
    (WANTYES_OPPOSITE, _Input.ASK): (WANTYES, None, None),
}

_SAVED = 3
"""Bytes of an option as a value: its side (0 is ours), its number, its state."""

_HIS = 256
"""What is added to the number of an option that the peer does."""


class OptionStates:
    """The state of all 256 options of one connection, both sides: of those that were ever spoken of
    it is in a table, of the others it is `NO`.
    """

    __slots__ = ("_saved", "_states")

    def __init__(self, state: bytes = b"") -> None:
        """Take up `state`, which `to_bytes` gave. ValueError where it did not."""
        self._saved: bytes | None = None  # what `to_bytes` gave, until an option changes
        if len(state) % _SAVED:
            raise ValueError("not the state of an option table")
        self._states: dict[int, int] = {}
        for at in range(0, len(state), _SAVED):
            side, option, value = state[at : at + _SAVED]
            if side > 1 or not NO < value <= WANTYES_OPPOSITE:
                raise ValueError("not the state of an option table")
            self._states[side * _HIS + option] = value

    def copy(self) -> "OptionStates":
        """Another connection's that stands where this one does."""
        made = OptionStates()
        made._states, made._saved = self._states.copy(), self._saved
        return made

    def to_bytes(self) -> bytes:
        """The state as a value: what is not off, three bytes each."""
        if self._saved is None:
            there = sorted(each for each in self._states.items() if each[1] != NO)
            self._saved = b"".join(bytes((*divmod(key, _HIS), value)) for key, value in there)
        return self._saved

    def enabled(self, ours: bool, option: int) -> bool:
        """Whether we do it, or with `ours` false the peer."""
        return self._states.get(option if ours else option + _HIS, NO) == YES

    def off(self, ours: bool, option: int) -> bool:
        """Whether it is not done, nor asked for without an answer."""
        return self._states.get(option if ours else option + _HIS, NO) == NO

    def settled(self, ours: bool, option: int) -> bool:
        """Whether nothing that we asked for on that side is without its answer."""
        return self._states.get(option if ours else option + _HIS, NO) in (NO, YES)

    def receive(self, verb: int, option: int, agree: bool) -> tuple[int | None, Effect | None]:
        """WILL, WONT, DO or DONT came; `agree` says whether we want an option that is offered.

        The verb to send, if any, and what became of the option, if it changed.
        """
        if verb in (WILL, DO):
            given = _Input.AGREED if agree else _Input.DISAGREED
        else:
            given = _Input.NEGATIVE
        return self._step(verb in (DO, DONT), option, given)

    def want(self, verb: int, option: int) -> int | None:
        """We want `option` on (WILL, DO) or off (WONT, DONT): the verb to send now, if any."""
        given = _Input.ASK if verb in (WILL, DO) else _Input.FORBID
        return self._step(verb in (WILL, WONT), option, given)[0]

    def _step(self, ours: bool, option: int, given: _Input) -> tuple[int | None, Effect | None]:
        key = option if ours else option + _HIS
        step = _TABLE.get((self._states.get(key, NO), given))
        if step is None:
            return None, None
        self._states[key], positive, effect = step
        self._saved = None
        if positive is None:
            return None, effect
        if ours:
            return WILL if positive else WONT, effect
        return DO if positive else DONT, effect
