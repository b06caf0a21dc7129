"""What is learned from a line that the server has connected: whether it is what it was taken for,
and what its end probably means.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vspc.common.text import safe
from vspc.config.dialling import DialledEntry
from vspc.console.events import HOST_CLOSED
from vspc.vm.lines.binary import CUT_OFF
from vspc.vm.ports import LineObserver
from vspc.vm.roles import LineEvent
from vspc.wire.opening import DECIDED, OpeningProtocol, recognise_server

BRIEF = 2.0
"""Seconds below which a connection counts as closed at once."""

SAID = 80
"""Bytes of what such a device says that are repeated."""

_SPEAKS: Mapping[OpeningProtocol, str] = MappingProxyType(
    {
        OpeningProtocol.TELNET: "it speaks telnet: connect should begin with telnet:// or "
        "rfc2217://, so that commands of telnet do not show as output",
        OpeningProtocol.TLS: "it speaks TLS: connect should begin with telnets://",
        OpeningProtocol.SSH: "it speaks SSH, so this is not the port of a serial line",
        OpeningProtocol.HTTP: "it speaks HTTP, so this is not the port of a serial line",
    }
)


RAW_ONLY = "a Unix socket has to carry plain bytes, as QEMU's without telnet=on"


class LineWatcher:
    """The first bytes of one line, and how long it lasts. `seconds` are never set back."""

    def __init__(self, entry: DialledEntry, seconds: Callable[[], float]) -> None:
        self._entry = entry
        self._seconds = seconds
        self._began = seconds()
        self._opening: bytes | None = b""  # None: it is known what it is
        self._said = b""

    def output(self, data: bytes) -> str:
        """The device sent `data`; what is wrong with that, once."""
        if len(self._said) < SAID:
            self._said += data[: SAID - len(self._said)]
        if self._opening is None:
            return ""
        self._opening += data[:DECIDED]
        spoken = recognise_server(self._opening)
        if spoken is not None or len(self._opening) >= DECIDED:
            self._opening = None
        scheme = self._entry.scheme
        if spoken is None or (scheme and scheme.telnet and spoken is OpeningProtocol.TELNET):
            return ""
        return _SPEAKS[spoken] if scheme else f"it speaks {spoken.value}; {RAW_ONLY}"

    def explain(self, reason: str) -> str:
        """Why the line is over, where its device has closed it for `reason`."""
        if reason not in (HOST_CLOSED, CUT_OFF) or self._seconds() - self._began >= BRIEF:
            return reason
        words = self._said.decode("utf-8", "replace").split("\n")
        said = next((text for word in words if (text := safe(word.strip()))), "")
        tail = f': "{said}"' if said else "; it may be in use"
        return f"{self._entry.uri} accepts connections and closes them at once{tail}"


class DialledObserver:
    """A `LineObserver` between a dialled line and its session."""

    def __init__(
        self,
        session: LineObserver,
        watcher: LineWatcher,
        remark: Callable[[str], None],
        over: Callable[[str], None],
    ) -> None:
        """`remark` is called with what is wrong, `over` at the end, with the reason."""
        self._session = session
        self._watcher = watcher
        self._remark = remark
        self._over = over

    def handle(self, event: LineEvent, *facts: object) -> None:
        self._session.handle(event, *facts)
        if event is LineEvent.OUTPUT and isinstance(facts[0], bytes):
            what = self._watcher.output(facts[0])
            if what:
                self._remark(what)

    def traffic(self) -> bool:
        return self._session.traffic()

    def other_protocol(self, _spoken: OpeningProtocol) -> None:
        """The watcher looks at the first bytes itself."""

    def dropped(self, what: str) -> None:
        self._session.dropped(what)

    def failed(self, reason: str) -> None:
        self._session.failed(reason)

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        # Without an error it was closed by us.
        reason = reason if error is None else self._watcher.explain(reason)
        self._session.lost(reason, error)
        self._over(reason)
