"""A descriptor store that keeps names only, and states as another process reads them."""

from collections.abc import Callable
from itertools import count
from typing import Any

from attrs import define, field
from msgspec.structs import replace

from tests.vm.support import Scene
from vspc.console.values import SavedConsoles, save
from vspc.server.handover.places import TerminalPlaces
from vspc.server.handover.restored import read_state
from vspc.server.handover.state_file import HandoverFile
from vspc.server.handover.writer import HandoverWriter
from vspc.vm.values import SavedServer, save_line


@define(eq=False)
class FakeStore:
    """`vspc.server.handover.writer.ConnectionStore`; with `is_full` it takes nothing more."""

    kept: dict[str, Any] = field(factory=dict)
    is_full: bool = False
    _numbers: Any = field(factory=count)

    def keep(self, transport: Any) -> str | None:
        if self.is_full:
            return None
        name = f"l{next(self._numbers):05}"
        self.kept[name] = transport
        return name

    def release(self, name: str) -> None:
        self.kept.pop(name, None)


@define(eq=False)
class WrittenScene(Scene):
    """A scene whose state is written through; `problems` is what went wrong with that."""

    problems: list[str] = field(factory=list)
    store: FakeStore = field(factory=FakeStore)
    places: TerminalPlaces = field(factory=TerminalPlaces)
    writer: HandoverWriter = field(init=False)

    def __attrs_post_init__(self) -> None:
        Scene.__init__(self)
        self.events.subscribe(self.places.on_event, *self.places.EVENTS)
        self.writer = HandoverWriter(
            HandoverFile.create(),
            self.store,
            self.server,
            self.events,
            self.places,
            self.problems.append,
            self._later,
            lambda: 1000.0 + self.clock.seconds(),
        )
        self.writer.attach()

    def _later(self, call: Callable[[], None]) -> None:
        self.clock.call_later(0, call)

    def written(self) -> SavedServer:
        """The state in the file, without histories."""
        found = read_state(self.writer.file.descriptor)
        assert not found.unread, found.unread
        state = found.state
        lines = {name: replace(line, number=0) for name, line in state.lines.items()}
        return replace(state, lines=lines)

    def expected(self) -> SavedServer:
        """What has to be in it."""
        writer, server = self.writer, self.server
        lines = {
            each.name: save_line(each.session, each.account(), 0)
            for each in writer.stored.values()
            if each.name
        }
        saved = save(server.roster, server.peers, writer.name)
        consoles = SavedConsoles(saved.consoles, {}, saved.migrations, saved.past)
        return SavedServer(lines, consoles, 1000.0)

    def close(self) -> None:
        self.writer.file.close()
