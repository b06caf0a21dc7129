"""Reading the configuration again: all of it is applied, or nothing."""

from collections.abc import Callable

from vspc.config import Config, ConfigError
from vspc.console.events import RulesChanged
from vspc.doors.programs.door import SocketChanges
from vspc.doors.programs.listener import SocketError
from vspc.net.tls import Pair, TlsError
from vspc.server.config_files import load_with_files
from vspc.server.parts import ServerParts
from vspc.server.reload import changes, needs_restart


class Reloader:
    """Reloads the configuration of `parts`; `warn` logs what the new one allows and probably does
    not intend.
    """

    def __init__(self, parts: ServerParts, warn: Callable[[], None]) -> None:
        self._parts = parts
        self._warn = warn

    def reload(self) -> None:
        """Read the files and take what is in them, or log every mistake."""
        parts = self._parts
        parts.audit.reopen()
        try:
            config = load_with_files(parts.started.path, parts.operators.unread)
            sockets = self._prepare(config, parts.pair(config))
        except (SocketError, TlsError) as error:
            parts.log.error("reload-refused", what=str(error))
            parts.audit.recorder.record("reload-failed", reason=str(error))
            parts.metrics.reload_refused()
            return
        except ConfigError as error:
            for mistake in error.mistakes:
                parts.log.error("reload-mistake", what=str(mistake))
            parts.log.error("reload-refused", mistakes=len(error.mistakes))
            parts.audit.recorder.record("reload-failed", mistakes=len(error.mistakes))
            parts.metrics.reload_refused()
            return
        self._apply(config, sockets)

    def _prepare(self, config: Config, pair: Pair) -> SocketChanges:
        """All of a reload that can fail. Raises `SocketError` or `TlsError`."""
        parts = self._parts
        sockets = parts.doors.prepare(config, pair)
        try:
            parts.vm_side.reload(config, pair)
        except TlsError:
            sockets.cancel()
            raise
        return sockets

    def _apply(self, config: Config, sockets: SocketChanges) -> None:
        parts = self._parts
        changed = changes(parts.live.config, config)
        parts.live.take(config)
        parts.audit.reload(config.audit)
        parts.logs.reload(config)
        parts.metrics.reload(config)
        for console in parts.roster:
            console.reassess(parts.live.rights)
        parts.events.publish(RulesChanged())
        self._warn()
        restart = needs_restart(parts.started, config)
        for key in restart:
            parts.log.warn("reload-needs-restart", key=key)
        ended = parts.operators.reload(config) + sockets.apply()
        parts.doors.reload()
        parts.log.info("reloaded", path=config.path, logins_ended=ended)
        parts.audit.recorder.record(
            "reload", changed=" ".join(changed), restart=" ".join(restart), ended=ended
        )
