"""The serial port at the VM's end of a console, as far as its line has said how it is set."""

from vspc.common.clock import Timer
from vspc.common.serial import ModemState, PortSettings
from vspc.console.context import ConsoleContext
from vspc.console.events import EventSource, ModemChanged, SettingsChanged

SETTLING = 1.0
"""Seconds after a change until it is published: speed, data bits, parity and stop bits come in a
command each."""

IN_A_ROW = 10
"""Changes that are published so."""

APART = 60.0
"""Seconds between those that follow: a VM may set its port as often as it likes."""


class PortState:
    """`settings` and `modem` are in force; None: not known. What is published is bounded."""

    __slots__ = (
        "_console",
        "_context",
        "_earliest",
        "_modem_said",
        "_said",
        "_settling",
        "_showing",
        "modem",
        "settings",
    )

    def __init__(self, context: ConsoleContext, console: EventSource) -> None:
        self._context = context
        self._console = console
        self.settings: PortSettings | None = None
        self.modem: ModemState | None = None
        self._said = ""  # of the settings, as they were published last
        self._earliest = 0.0  # when one more is due if all had been `APART`
        self._settling: Timer | None = None
        self._modem_said: ModemState | None = None
        self._showing: Timer | None = None

    def set(self, settings: PortSettings) -> None:
        """`settings` are in force."""
        self.settings = settings
        if self._settling is None:
            self._settling = Timer(self._context.clock)
        if self._settling.left is None and str(settings) != self._said:
            wait = self._earliest - (IN_A_ROW - 1) * APART - self._context.clock.seconds()
            self._settling.start(max(SETTLING, wait), self._publish_settings)

    def _publish_settings(self) -> None:
        settings = self.settings
        if settings is not None and str(settings) != self._said:
            self._said = str(settings)
            self._earliest = max(self._earliest, self._context.clock.seconds()) + APART
            self._context.events.publish(SettingsChanged(self._console.ref, settings))

    def set_modem(self, modem: ModemState) -> None:
        """`modem` are on."""
        self.modem = modem
        if self._showing is None:
            self._showing = Timer(self._context.clock)
        if self._showing.left is None and modem != self._modem_said:
            self._showing.start(0, self._publish_modem)

    def _publish_modem(self) -> None:
        modem = self.modem
        if modem is not None and modem != self._modem_said:
            self._modem_said = modem
            self._context.events.publish(ModemChanged(self._console.ref, modem))

    def forget(self) -> None:
        """There is no line, or another one that may have another port."""
        self.settings = self.modem = self._modem_said = None
        for timer in (self._settling, self._showing):
            if timer is not None:
                timer.stop()

    def restore(self, settings: PortSettings | None, modem: ModemState | None) -> None:
        """Go on in another process; the log has them already."""
        self.settings, self.modem, self._modem_said = settings, modem, modem
        self._said = "" if settings is None else str(settings)
