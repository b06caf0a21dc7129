"""BREAKs that an operator sends by an escape command: what becomes of each is told."""

from collections.abc import Callable

from vspc.apps.terminal.screen import Screen
from vspc.console.attachment import Attachment


class BreakReports:
    """Those of one terminal. `send` sends a BREAK behind what was typed; False: it is refused,
    which is told elsewhere.
    """

    def __init__(self, attachment: Attachment, screen: Screen, send: Callable[[], bool]) -> None:
        self._attachment = attachment
        self._screen = screen
        self._send = send
        self._waiting = 0  # that are to be told when they are sent

    def send(self) -> None:
        """Send one, and say that it was sent, or what it waits for."""
        flow = self._attachment.console.input
        if not flow.waiting:  # those that waited have gone, or were dropped
            self._forget()
        if not self._send():
            return
        waits = bool(flow.waiting)
        self._screen.line(f"BREAK waits for {flow.obstacle}" if waits else "BREAK")
        if waits:
            self._waiting += 1
            self._attachment.account.on_break = self._sent

    def _sent(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._forget()
        self._attachment.notice("BREAK")

    def _forget(self) -> None:
        self._waiting = 0
        self._attachment.account.on_break = None
