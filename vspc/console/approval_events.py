"""The event of four eyes: what became of a request to type, and why an approval is over."""

from enum import Enum

from attrs import frozen

from vspc.console.events import AttachmentRef, Event
from vspc.console.session import Session


class ApprovalStep(Enum):
    """What became of a request; the value is the audit file's word."""

    ASKED = "asked"
    GIVEN = "given"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    WITHDRAWN = "withdrawn"  # by the one who asked, before there was an answer
    ENDED = "ended"


class ApprovalEnd(Enum):
    """Why an approval, or a request, is over; the value is the audit file's word."""

    LEFT = "left"  # who types
    APPROVER_LEFT = "approver-left"
    APPROVER_RIGHT = "approver-right"  # who approved may no longer do so
    RIGHT = "right-lost"  # who types may no longer do so
    TIME = "time"
    HOST = "host-changed"
    NEEDLESS = "not-needed"


@frozen
class Approval(Event):
    """A step of a request of `attachment`. `by`: in which session it was approved or refused."""

    attachment: AttachmentRef
    step: ApprovalStep
    by: Session | None = None
    end: ApprovalEnd | None = None
