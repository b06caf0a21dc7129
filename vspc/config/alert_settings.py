"""[[alert]] and [panics]: what output of VMs is worth telling, to whom, and what of it is kept."""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from vspc.common.values import InvalidValue
from vspc.config.alerting import (
    BUILT_IN,
    AlertPattern,
    BuiltIn,
    HeadersFile,
    WebhookFile,
    WebhookUrl,
    alert_name,
)
from vspc.config.checks import checked, some, within_size, within_time
from vspc.config.checks import within as between
from vspc.config.values import Duration, Pattern, ProgramPath, Readable, Size, Target

MAX_ALERTS = 100
"""[[alert]] tables."""


@frozen
class AlertSettings:
    """[[alert]]: who is told when a line of output matches. Exactly one of `webhook`,
    `webhook_file`, `command` and `syslog` says how.
    """

    name: str = field(default="", metadata=checked(alert_name))
    consoles: tuple[Pattern, ...] = field(
        default=(Pattern("*"),), metadata=some("patterns of consoles")
    )
    builtin: tuple[BuiltIn, ...] = ()
    pattern: AlertPattern | None = None
    within: Duration = field(default=Duration(300.0), metadata=within_time(1, 7 * 86400))
    webhook: WebhookUrl | None = None
    webhook_file: WebhookFile | None = None
    headers_file: HeadersFile | None = None
    command: ProgramPath | None = None
    syslog: Target | None = None
    facility: int = field(default=16, metadata=between(0, 23))
    ca: Readable | None = None
    certificate: Readable | None = None
    private_key: Readable | None = None

    @property
    def url(self) -> WebhookUrl | None:
        """The webhook of either source."""
        return self.webhook or self.webhook_file

    @property
    def patterns(self) -> Mapping[str, str]:
        """All expressions, by what an alert says of them: a built-in name, or "pattern"."""
        own = {} if self.pattern is None else {"pattern": str(self.pattern)}
        return {**{name: BUILT_IN[name] for name in self.builtin}, **own}


def alert_count(value: tuple[AlertSettings, ...]) -> None:
    """All alerts. Raises `InvalidValue`."""
    if len(value) > MAX_ALERTS:
        raise InvalidValue(f"{len(value)} alerts", f"at most {MAX_ALERTS} are allowed")


def named_alerts(alerts: tuple[AlertSettings, ...]) -> tuple[AlertSettings, ...]:
    """Each with a name: one without has that of its place, `alert-1` for the first table."""
    return tuple(
        each if each.name else evolve(each, name=default_name(index))
        for index, each in enumerate(alerts)
    )


def default_name(index: int) -> str:
    """The name of a table without one, by its place from 0."""
    return f"alert-{index + 1}"


@frozen
class PanicSettings:
    """[panics]: the end of a console's output, kept apart when its VM's kernel gives up."""

    enabled: bool = True
    keep: Duration = field(default=Duration(90 * 86400.0), metadata=within_time(60, 36525 * 86400))
    before: Size = field(default=Size(1 << 20), metadata=within_size(4 << 10, 4 << 20))
    after: Duration = field(default=Duration(30.0), metadata=within_time(1, 600))
    max_console: int = field(default=10, metadata=between(1, 1000))
    max_total: Size = field(default=Size(1 << 30), metadata=within_size(1 << 20, 1 << 50))
