"""What a line is to the server, from its connection to its end, as one table. Pure.

A line is one connection from a VM. Its role decides what its bytes count for: only a LEADING line
is the line of a console, and a console has one such line at most.

    UNIDENTIFIED --identified--> CLAIMANT --assigned--> LEADING --no answer--> SUSPECT
        |   |                     |    ^                 ^   ^                    |
        |   |         quarantined |    | selected        |   +--- sends again -----+
        |   |                     v    |                 |
        |   |                   QUARANTINED              | COMPLETE
        |   |                                            |
        |   +--PEER accepted--> TARGET ------------------+
        |                         ^
        |                         | PEER accepted
        +--PEER not accepted--> FAILED_PEER

    each of them --lost, refused, no longer needed--> RETIRED

- A line identifies itself (IDENTIFIED), or proves what it is by the credential of a vMotion (PEER).
  Until then its output is buffered. A credential that is not accepted makes it a FAILED_PEER: its
  identification does not count, and the time limit closes it.
- Which console a CLAIMANT belongs to is decided by `vspc.vm.assignment`, which asks other lines
  first where the VM has some. The outcome is an event: ASSIGNED, QUARANTINED or REFUSED.
- A LEADING line that did not answer a probe gives way to another one and becomes a SUSPECT. When it
  sends anything it was alive: it gets its console back, the other line is OUSTED and quarantined.
- RETIRED lines are being closed and nothing that they send counts; no line leaves this role.

Every role has one time limit at most: to identify itself, to stay a suspect, to take part in the
close.

A pair that is not in `TABLE` is illegal. It means one thing: the role stays, and the event is
dropped with a log line of its own (law 4). docs/identity.md shows where each role leads; a test
holds it against the table.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class _Key(Enum):
    """Hashed by identity: the table is asked for each piece of output."""

    __hash__ = object.__hash__


class LineRole(_Key):
    """From connected to closed."""

    UNIDENTIFIED = "unidentified"
    FAILED_PEER = "failed-peer"
    """Its vMotion credential was not accepted."""
    CLAIMANT = "claimant"
    """It has identified itself; which console it belongs to is being decided."""
    TARGET = "target"
    """Of a vMotion that is not complete."""
    LEADING = "leading"
    """The line of its console."""
    QUARANTINED = "quarantined"
    """It claims to be a VM that has another line; it has a console of its own meanwhile."""
    SUSPECT = "suspect"
    """It did not answer a probe, and another line has its console."""
    RETIRED = "retired"
    """It is being closed."""


class LineEvent(_Key):
    """What happens to a line: its VM sends something, it is decided about, or time passes."""

    # From the VM
    OUTPUT = "output"
    BREAK = "BREAK"
    PORT_SET = "settings of the serial port"
    MODEM_CHANGED = "modem lines of the serial port"
    FLOW_CHANGED = "suspension of input"
    ANSWERED = "answer to a question"
    ALIVE = "answer to a probe"
    SECURED = "start of TLS"
    IDENTIFIED = "identification"
    RENAMED = "new name"
    UUID_CHANGED = "another UUID"
    BEGIN = "VMOTION-BEGIN"
    PEER = "VMOTION-PEER"
    COMPLETE = "VMOTION-COMPLETE"
    ABORT = "VMOTION-ABORT"
    LOST = "end of the connection"
    # Decisions
    PEER_ACCEPTED = "PEER accepted"
    PEER_FAILED = "PEER not accepted"
    SELECTED = "selected for a console"
    """It is about to get one, and leaves what it has."""
    ASSIGNED = "assigned to a console"
    QUARANTINED = "quarantined"
    RECONSIDERED = "reconsidered"
    """Another line of the VM is gone."""
    ACCEPTED = "accepted by an administrator"
    REFUSED = "refused"
    # Other lines and time
    SUSPECTED = "no answer to a probe"
    """Another line has its console now."""
    OUSTED = "console returned to the previous line"
    FORGOTTEN = "console forgotten"
    DISMISSED = "no longer needed"
    ENDED = "closed by the server"
    TIME_OVER = "time limit"


class LineAction(_Key):
    """What is to be done; `vspc.vm.session` does it."""

    REPORT_ILLEGAL = "log and drop the event"
    AGAIN = "handle the same event in the role that the line has now"
    # What it sends
    BUFFER_OUTPUT = "keep output until it has a console"
    SHOW_OUTPUT = "output of its console"
    SHOW_BREAK = "BREAK on its console"
    SHOW_PORT = "settings of its console's port"
    SHOW_MODEM = "modem lines of its console's port"
    SHOW_FLOW = "hold input, or let it go on"
    RESUME_INPUT = "let waiting input go on"
    ANSWER_PROBERS = "answer those that probed it"
    CLEAR_BUFFER = "drop what was received in clear"
    NOTE_NAME = "keep the name"
    RENAME_VM = "rename its VM"
    REPORT_UUID_CHANGE = "a security event"
    CHECK_IDENTITY = "compare with the migration's"
    # Which console
    IDENTIFY = "end the time limit, make the claim"
    DECIDE = "decide which console it belongs to"
    DECIDE_ANEW = "probe all lines again and decide"
    TAKE_CONSOLE = "take the console from the line that has it"
    LEAD = "name, buffered output and a waiting BEGIN go to its console"
    ENTER_QUARANTINE = "give it a console of its own"
    LEAVE_QUARANTINE = "buffer the output there, give the console back"
    FREE_CONSOLE = "give the console of its quarantine back"
    CONTEND = "quarantine it, as the first to be reconsidered"
    BECOME_SUSPECT = "start the time limit"
    FORGET_SUSPICION = "remove it from the suspects"
    COME_BACK = "give it its console back"
    # vMotion
    DECIDE_BEGIN = "GOAHEAD or NOTNOW"
    POSTPONE_BEGIN = "answer when its console is decided"
    REFUSE_BEGIN = "NOTNOW"
    CLAIM_MIGRATION = "look the credential up"
    AWAIT_COMPLETE = "end the time limit, take the migration's identity"
    REPORT_PEER = "log it; a security event where it is one"
    COMPLETE_MIGRATION = "look the sequence up, move the console"
    ABORT_MIGRATION = "release its console"
    # The end
    REPORT_INCOMPLETE = "log and publish what is missing"
    REPORT_FAILED_PEER = "log and publish that its credential was not accepted"
    REPORT_REFUSAL = "log and publish the reason"
    REPORT_UNIDENTIFIED = "log an end of TLS, else a debug line"
    REPORT_LOST_OUTPUT = "log how many buffered bytes are lost"
    LEAVE_MIGRATION = "release the console of its migration"
    LEAVE_CONSOLE = "its console is away, or waits for the target of its migration"
    CLOSE = "close in order, start the time limit for that"
    ABORT_CONNECTION = "close at once"


Step = tuple[LineRole, tuple[LineAction, ...]]

_Row = tuple[LineRole | None, tuple[LineAction, ...]]
_E, _A, _R = LineEvent, LineAction, LineRole


def _stay(*actions: LineAction) -> _Row:
    return None, actions


def _become(role: LineRole, *actions: LineAction) -> _Row:
    return role, actions


SHOWN = (_A.SHOW_OUTPUT,)
"""Nothing else follows from output of a console's line, which is why its traffic is not watched."""

# The same in all roles that have no other row below.
_COMMON: dict[LineEvent, _Row] = {
    _E.BREAK: _stay(),
    _E.PORT_SET: _stay(),  # the line keeps it
    _E.MODEM_CHANGED: _stay(),
    _E.FLOW_CHANGED: _stay(),
    _E.ANSWERED: _stay(),
    _E.ALIVE: _stay(_A.ANSWER_PROBERS),
    _E.SECURED: _stay(_A.CLEAR_BUFFER),
    _E.RENAMED: _stay(_A.NOTE_NAME),
    _E.UUID_CHANGED: _stay(_A.REPORT_UUID_CHANGE),  # the layer ends the line
}

# Each of these shows that a suspect was alive: it is handled again once it has its console.
_SIGNS_OF_LIFE = (
    _E.OUTPUT,
    _E.BREAK,
    _E.PORT_SET,
    _E.MODEM_CHANGED,
    _E.FLOW_CHANGED,
    _E.ANSWERED,
    _E.ALIVE,
    _E.IDENTIFIED,
    _E.RENAMED,
    _E.BEGIN,
    _E.ABORT,
)

_ROWS: dict[LineRole, dict[LineEvent, _Row]] = {
    _R.UNIDENTIFIED: {
        _E.OUTPUT: _stay(_A.BUFFER_OUTPUT),
        _E.BEGIN: _stay(_A.POSTPONE_BEGIN),
        _E.IDENTIFIED: _become(_R.CLAIMANT, _A.IDENTIFY, _A.DECIDE),
        _E.PEER: _stay(_A.CLAIM_MIGRATION),
        _E.PEER_ACCEPTED: _become(_R.TARGET, _A.AWAIT_COMPLETE),
        _E.PEER_FAILED: _become(_R.FAILED_PEER, _A.REPORT_PEER),
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.CLOSE),
        _E.ENDED: _become(_R.RETIRED, _A.CLOSE),
        _E.TIME_OVER: _become(_R.RETIRED, _A.REPORT_INCOMPLETE, _A.CLOSE),
        _E.LOST: _become(_R.RETIRED, _A.REPORT_UNIDENTIFIED),
    },
    _R.FAILED_PEER: {
        _E.OUTPUT: _stay(_A.BUFFER_OUTPUT),
        _E.BEGIN: _stay(_A.POSTPONE_BEGIN),
        _E.SECURED: _become(_R.UNIDENTIFIED, _A.CLEAR_BUFFER),
        _E.IDENTIFIED: _stay(),
        _E.PEER: _stay(_A.CLAIM_MIGRATION),
        _E.PEER_ACCEPTED: _become(_R.TARGET, _A.AWAIT_COMPLETE),
        _E.PEER_FAILED: _stay(_A.REPORT_PEER),
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.CLOSE),
        _E.ENDED: _become(_R.RETIRED, _A.CLOSE),
        _E.TIME_OVER: _become(_R.RETIRED, _A.REPORT_FAILED_PEER, _A.CLOSE),
        _E.LOST: _become(_R.RETIRED, _A.REPORT_UNIDENTIFIED),
    },
    _R.CLAIMANT: {
        _E.OUTPUT: _stay(_A.BUFFER_OUTPUT),
        _E.BEGIN: _stay(_A.POSTPONE_BEGIN),
        _E.IDENTIFIED: _stay(),  # a target once: what its migration proved counts
        _E.RECONSIDERED: _stay(),
        _E.SELECTED: _stay(),
        _E.ASSIGNED: _become(_R.LEADING, _A.LEAD),
        _E.QUARANTINED: _become(_R.QUARANTINED, _A.ENTER_QUARANTINE),
        _E.TIME_OVER: _stay(_A.ABORT_CONNECTION),  # ousted while it was being closed
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.CLOSE),
        _E.ENDED: _become(_R.RETIRED, _A.CLOSE),
        _E.LOST: _become(_R.RETIRED, _A.REPORT_UNIDENTIFIED),
    },
    _R.TARGET: {
        _E.OUTPUT: _stay(_A.BUFFER_OUTPUT),
        _E.BEGIN: _stay(_A.POSTPONE_BEGIN),
        _E.IDENTIFIED: _stay(_A.CHECK_IDENTITY),
        _E.PEER: _stay(_A.CLAIM_MIGRATION),
        _E.PEER_FAILED: _stay(_A.REPORT_PEER),
        _E.COMPLETE: _stay(_A.COMPLETE_MIGRATION),
        _E.ASSIGNED: _become(_R.LEADING, _A.LEAD),
        _E.REFUSED: _become(
            _R.RETIRED, _A.REPORT_REFUSAL, _A.REPORT_LOST_OUTPUT, _A.LEAVE_MIGRATION, _A.CLOSE
        ),
        _E.DISMISSED: _become(_R.RETIRED, _A.REPORT_LOST_OUTPUT, _A.CLOSE),
        _E.ENDED: _stay(_A.CLOSE),
        _E.TIME_OVER: _stay(_A.ABORT_CONNECTION),
        _E.LOST: _become(_R.RETIRED, _A.REPORT_LOST_OUTPUT, _A.LEAVE_MIGRATION),
    },
    _R.LEADING: {
        _E.OUTPUT: (None, SHOWN),
        _E.BREAK: _stay(_A.SHOW_BREAK),
        _E.PORT_SET: _stay(_A.SHOW_PORT),
        _E.MODEM_CHANGED: _stay(_A.SHOW_MODEM),
        _E.FLOW_CHANGED: _stay(_A.SHOW_FLOW),
        _E.ANSWERED: _stay(_A.RESUME_INPUT),
        _E.IDENTIFIED: _stay(_A.CHECK_IDENTITY),  # COMPLETE may come before the name
        _E.RENAMED: _stay(_A.NOTE_NAME, _A.RENAME_VM),
        _E.BEGIN: _stay(_A.DECIDE_BEGIN),
        _E.ABORT: _stay(_A.ABORT_MIGRATION),
        _E.RECONSIDERED: _stay(),  # it has got a console since
        _E.SUSPECTED: _become(_R.SUSPECT, _A.BECOME_SUSPECT),
        _E.OUSTED: _become(_R.CLAIMANT, _A.CONTEND),
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.LEAVE_CONSOLE, _A.CLOSE),
        _E.DISMISSED: _become(_R.RETIRED, _A.CLOSE),
        _E.ENDED: _stay(_A.CLOSE),  # it leads until the connection is closed
        _E.TIME_OVER: _stay(_A.ABORT_CONNECTION),
        _E.LOST: _become(_R.RETIRED, _A.LEAVE_CONSOLE),
    },
    _R.QUARANTINED: {
        _E.OUTPUT: (None, SHOWN),
        _E.PORT_SET: _stay(_A.SHOW_PORT),
        _E.BEGIN: _stay(_A.REFUSE_BEGIN),
        _E.IDENTIFIED: _stay(_A.CHECK_IDENTITY),
        _E.RECONSIDERED: _stay(_A.DECIDE_ANEW),
        _E.ACCEPTED: _stay(_A.TAKE_CONSOLE),
        _E.SELECTED: _become(_R.CLAIMANT, _A.LEAVE_QUARANTINE),
        _E.TIME_OVER: _stay(_A.ABORT_CONNECTION),
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.FREE_CONSOLE, _A.CLOSE),
        _E.DISMISSED: _become(_R.RETIRED, _A.FREE_CONSOLE, _A.CLOSE),
        _E.ENDED: _become(_R.RETIRED, _A.FREE_CONSOLE, _A.CLOSE),
        _E.LOST: _become(_R.RETIRED, _A.FREE_CONSOLE),
    },
    _R.SUSPECT: {
        **dict.fromkeys(_SIGNS_OF_LIFE, _stay(_A.COME_BACK, _A.AGAIN)),
        _E.ASSIGNED: _become(_R.LEADING, _A.LEAD),
        _E.FORGOTTEN: _become(_R.CLAIMANT, _A.DECIDE),
        _E.REFUSED: _become(_R.RETIRED, _A.REPORT_REFUSAL, _A.FORGET_SUSPICION, _A.CLOSE),
        _E.DISMISSED: _become(_R.RETIRED, _A.FORGET_SUSPICION, _A.CLOSE),
        _E.ENDED: _become(_R.RETIRED, _A.FORGET_SUSPICION, _A.CLOSE),
        _E.TIME_OVER: _become(_R.RETIRED, _A.FORGET_SUSPICION, _A.CLOSE),
        _E.LOST: _become(_R.RETIRED, _A.FORGET_SUSPICION),
    },
    _R.RETIRED: {
        **dict.fromkeys((_E.OUTPUT, _E.IDENTIFIED, _E.BEGIN, _E.PEER), _stay()),
        **dict.fromkeys((_E.COMPLETE, _E.ABORT, _E.LOST), _stay()),
        **dict.fromkeys((_E.RECONSIDERED, _E.REFUSED, _E.DISMISSED, _E.ENDED), _stay()),
        _E.TIME_OVER: _stay(_A.ABORT_CONNECTION),
    },
}

TABLE: Mapping[tuple[LineRole, LineEvent], Step] = MappingProxyType(
    {
        (role, event): (after or role, actions)
        for role, rows in _ROWS.items()
        for event, (after, actions) in {**_COMMON, **rows}.items()
    }
)
"""Every legal pair."""


def step(role: LineRole, event: LineEvent) -> Step:
    """The role after `event`, and what is to be done, in order."""
    return TABLE.get((role, event)) or (role, (LineAction.REPORT_ILLEGAL,))
