"""The identification of a VM on its line, in any order of messages. Pure.

`Registration.receive` takes one message of the VM and returns what is to be done, in order. The
questions go out after DO-PROXY or VMOTION-PEER, as in VMware's own sample session; WILL-PROXY
follows the first identity that is usable.
"""

import json
from fnmatch import fnmatchcase

from attrs import define, frozen

from vspc.common.text import safe
from vspc.common.values import InvalidValue
from vspc.config.dial_allow import NO_DIALS, DialAllow
from vspc.console.events import Introduction, RefusalKind
from vspc.vm.roles import LineEvent
from vspc.wire import vmware
from vspc.wire.uri import RemoteUri, ServiceUri
from vspc.wire.vmware import Suboption

NAME = 80
"""Characters of a VM's name that are shown and typed; what is cut off is counted."""


LABEL = 40
"""Characters of a port's label."""


@frozen
class Joined:
    """The complete identification of a VM. UUIDs are 32 hex digits in lower case."""

    uuid: str | None
    uuid_kind: str
    name: str
    service_uri: str
    port_label: str | None
    remote: RemoteUri | None = None


@frozen
class Report:
    """What the line's session is to handle."""

    event: LineEvent
    facts: tuple[object, ...]


Action = Suboption | Report
"""A message for the VM, or a report."""


def _report(event: LineEvent, *facts: object) -> Report:
    return Report(event, facts)


@frozen
class _Source:
    """One of the three UUIDs: its kind, the question for it, and the codes of both."""

    kind: str
    question: Suboption
    codes: frozenset[int]


_SOURCES = (
    _Source("vc", vmware.GetVmVcUuid(), frozenset({80, 81})),
    _Source("bios", vmware.GetVmBiosUuid(), frozenset({84, 85})),
    _Source("location", vmware.GetVmLocationUuid(), frozenset({86, 87})),
)

_NAME_CODES = frozenset({82, 83})


@frozen
class RegistrationState:
    """A `Registration` as a value. `request`: direction and service URI of DO-PROXY."""

    known: tuple[int, ...] | None = None
    request: tuple[bytes, bytes] | None = None
    credential: bytes | None = None
    confirmed: bool = False
    uuid: str | None = None
    uuid_kind: str = ""
    name: str | None = None
    nameless: bool = False
    over: bool = False
    remote: RemoteUri | None = None
    asked: bool = False
    answered: tuple[str, ...] = ()
    accepted: bool = False


@define
class Registration:
    """The state of one line's identification. `service_uris` are globs for the word of a URI;
    `remote` is the system that a VM of direction client asks for.
    """

    service_uris: tuple[str, ...]
    known: bytes | None = None  # codes, each once, ascending
    request: vmware.DoProxy | None = None
    credential: bytes | None = None
    confirmed: bool = False
    uuid: str | None = None
    uuid_kind: str = ""
    name: str | None = None
    nameless: bool = False
    over: bool = False
    remote: RemoteUri | None = None
    _uri: ServiceUri | None = None
    _asked: bool = False
    _answered: tuple[str, ...] = ()  # kinds of UUID, usable or not
    _accepted: bool = False

    @property
    def value(self) -> RegistrationState:
        """What another process needs to go on."""
        request = self.request
        return RegistrationState(
            None if self.known is None else tuple(self.known),
            None if request is None else (request.direction, request.service_uri),
            self.credential,
            self.confirmed,
            self.uuid,
            self.uuid_kind,
            self.name,
            self.nameless,
            self.over,
            self.remote,
            self._asked,
            tuple(sorted(self._answered)),
            self._accepted,
        )

    def restore(self, state: RegistrationState) -> None:
        """Go on from `state`."""
        if state.request is not None:
            self.request = vmware.DoProxy(*state.request)
            self._uri = ServiceUri.parse(self.request.service_uri)
        self.known = None if state.known is None else bytes(state.known)
        self.credential, self.confirmed = state.credential, state.confirmed
        self.uuid, self.uuid_kind = state.uuid, state.uuid_kind
        self.name, self.nameless, self.over = state.name, state.nameless, state.over
        self.remote = state.remote
        self._asked, self._accepted = state.asked, state.accepted
        self._answered = state.answered

    @property
    def introduction(self) -> Introduction:
        """What the VM has said of itself so far."""
        uri = safe(self._uri.text) if self._uri else ""
        missing = "" if self.over else self.missing
        return Introduction(self.name or "", self.uuid or "", uri, missing)

    @property
    def missing(self) -> str:
        """What the VM has not sent yet, for the log when it never does."""
        if self.request is None and self.credential is None:
            return "DO-PROXY or VMOTION-PEER" if self.known else "VMware's telnet extension"
        lacks = [] if self._settled else ["UUID"]
        return " and ".join(lacks + ([] if self._named else ["VM-NAME"])) or "nothing"

    def receive(self, message: Suboption, dial_allow: DialAllow = NO_DIALS) -> list[Action] | None:
        """What follows from a message of the VM; None if it is one that only a proxy sends.

        `dial_allow`: the remote systems that it may ask for.
        """
        match message:
            case vmware.KnownSuboptions1(codes=codes):
                self.known = bytes(sorted(set(codes)))
                return []
            case vmware.UnknownSuboption1(code=code):
                return self._lacks(code)
            case vmware.DoProxy():
                return self._proxy_requested(message, dial_allow)
            case vmware.VmVcUuid(text=text):
                return self._uuid_received("vc", text)
            case vmware.VmBiosUuid(text=text):
                return self._uuid_received("bios", text)
            case vmware.VmLocationUuid(text=text):
                return self._uuid_received("location", text)
            case vmware.VmName(name=name):
                return self._name_received(name)
            case vmware.VMotionPeer(credential=credential):
                return self._peer_received(credential)
            case vmware.VMotionBegin(sequence=sequence):
                return [_report(LineEvent.BEGIN, sequence)]
            case vmware.VMotionComplete(sequence=sequence):
                return [_report(LineEvent.COMPLETE, sequence)]
            case vmware.VMotionAbort():
                return [_report(LineEvent.ABORT)]
        return None

    def _proxy_requested(self, request: vmware.DoProxy, dial_allow: DialAllow) -> list[Action]:
        """DO-PROXY: direction and service URI are checked; a repetition changes nothing."""
        if self.request is not None or self.credential is not None:
            return []
        refusal = self._refusal(request, dial_allow)
        if refusal is not None:
            self.over = True
            return [vmware.WontProxy(), refusal]
        self.request = request
        return self._ask() + self._progress()

    def _refusal(self, request: vmware.DoProxy, dial_allow: DialAllow) -> Report | None:
        """The reason has what to set in vSphere, the hint what to write into the configuration."""
        self._uri = uri = ServiceUri.parse(request.service_uri)
        if request.direction == b"C":
            return self._remote_refusal(uri, dial_allow)
        if request.direction != b"S":
            return _report(
                LineEvent.REFUSED,
                f"the serial port's direction is {safe(request.direction)!r}: in vSphere set "
                "Direction to Server, or to Client for a VM that is to be connected to another "
                "system",
                "",
                RefusalKind.DIRECTION,
            )
        if any(fnmatchcase(uri.word, pattern) for pattern in self.service_uris):
            return None
        allowed = ", ".join(self.service_uris)
        word = safe(uri.word)
        return _report(
            LineEvent.REFUSED,
            f"the service URI is {word!r}: in vSphere set Port URI to one of {allowed}, "
            f"or add {word!r} to vm.service_uris in the configuration",
            f"add to vm.service_uris: {json.dumps(word)}",
            RefusalKind.SERVICE_URI,
        )

    def _remote_refusal(self, uri: ServiceUri, dial_allow: DialAllow) -> Report | None:
        """Direction client: what can be said before a name is looked up."""
        try:
            self.remote = remote = RemoteUri.parse(uri.text)
        except InvalidValue as invalid:
            return _report(
                LineEvent.REFUSED,
                f"the serial port's direction is client, and its service URI names no remote "
                f"system: {invalid.problem}; {invalid.allowed}; where operators are to use the "
                "serial port, set Direction to Server in vSphere",
                "",
                RefusalKind.DIRECTION,
            )
        refusal = dial_allow.refusal(remote.host, remote.port)
        if refusal is None:
            return None
        return _report(LineEvent.REFUSED, str(refusal), refusal.hint, RefusalKind.REMOTE)

    def _peer_received(self, credential: bytes) -> list[Action]:
        """VMOTION-PEER. One that was wrong may be followed by another."""
        if self.request is not None or self.confirmed:
            return []
        first, self.credential = self.credential is None, credential
        if first:
            return [*self._ask(), _report(LineEvent.PEER, credential), *self._progress()]
        # An identification after a wrong credential did not count; now it may.
        return [_report(LineEvent.PEER, credential), *([self._joined()] if self.over else [])]

    def _ask(self) -> list[Action]:
        self._asked = True
        actions: list[Action] = []
        source = self._next_source()
        if source is not None:
            actions.append(source.question)
        if self.known is None or not _NAME_CODES.isdisjoint(self.known):
            actions.append(vmware.GetVmName())
        else:
            self.nameless = True
        return actions

    def _next_source(self) -> _Source | None:
        """The best UUID that the VM has and has not sent, if better than those that it has sent."""
        for source in _SOURCES:
            if source.kind == self.uuid_kind:
                return None
            if source.kind not in self._answered and self._is_known(source):
                return source
        return None

    def _is_known(self, source: _Source) -> bool:
        return self.known is None or not source.codes.isdisjoint(self.known)

    def _uuid_received(self, kind: str, text: bytes) -> list[Action]:
        """VM-VC-UUID, VM-BIOS-UUID or VM-LOCATION-UUID, whether it was asked for or not."""
        uuid = vmware.normalise_uuid(text)
        if self.over:
            other = kind == self.uuid_kind and uuid is not None and uuid != self.uuid
            return [_report(LineEvent.UUID_CHANGED, uuid)] if other else []
        self._note_answer(kind)
        if uuid is not None and self._better(kind):
            self.uuid, self.uuid_kind = uuid, kind
        return self._next_uuid()

    @staticmethod
    def _before(source: _Source) -> set[str]:
        """Kinds that rank before `source`, which are asked first."""
        return {s.kind for s in _SOURCES[: _SOURCES.index(source)]}

    def _better(self, kind: str) -> bool:
        order = [source.kind for source in _SOURCES]
        return self.uuid is None or order.index(kind) < order.index(self.uuid_kind)

    def _lacks(self, code: int) -> list[Action]:
        """UNKNOWN-SUBOPTION-RCVD-1 to a question for a UUID or the name."""
        source = next((each for each in _SOURCES if code == each.question.CODE), None)
        if source is not None:
            self._note_answer(source.kind)
            return [] if self.over else self._next_uuid()
        return self._nameless() if code == vmware.GetVmName.CODE else []

    def _note_answer(self, kind: str) -> None:
        if kind not in self._answered:
            self._answered += (kind,)

    def _next_uuid(self) -> list[Action]:
        source = self._next_source() if self._asked else None
        if source is not None and self._before(source).issubset(self._answered):
            return [source.question]
        return self._progress()

    def _name_received(self, name: bytes) -> list[Action]:
        """VM-NAME: the first is who it is, a later one is a rename."""
        shown = safe(name, NAME)
        if not shown:
            return self._nameless()
        if self.over:
            if shown == self.name:
                return []
            self.name = shown
            return [_report(LineEvent.RENAMED, shown)]
        self.name = shown
        return self._progress()

    def _nameless(self) -> list[Action]:
        self.nameless = True
        return [] if self.over else self._progress()

    @property
    def _settled(self) -> bool:
        return self._asked and self._next_source() is None

    @property
    def _named(self) -> bool:
        return self.name is not None or self.nameless

    def _progress(self) -> list[Action]:
        if not self._settled:
            return []
        actions: list[Action] = []
        if self.request is not None and not self._accepted:
            self._accepted = True
            actions.append(vmware.WillProxy())
        if self._named:
            self.over = True
            actions.append(self._joined())
        return actions

    def _joined(self) -> Report:
        name = self.name or self.uuid or "unnamed"
        self.name = name
        uri = self._uri
        joined = Joined(
            self.uuid,
            self.uuid_kind,
            name,
            safe(uri.text) if uri else "",
            safe(uri.port_label, LABEL) if uri and uri.port_label else None,
            self.remote,
        )
        return _report(LineEvent.IDENTIFIED, joined)
