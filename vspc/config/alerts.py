"""Mistakes and warnings in [[alert]]: what an alert looks for, and the one thing that it does."""

from collections.abc import Iterator
from typing import Any, get_args

from vspc.config.alert_settings import default_name
from vspc.config.alerting import BuiltIn
from vspc.config.mistakes import Finding
from vspc.config.settings import Config

ACTIONS = ("webhook", "webhook_file", "command", "syslog")
"""Keys of which an alert has one."""

_TLS = ("ca", "certificate", "private_key")


def mistakes(alerts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Mistakes that show in the tables of the file."""
    seen: dict[str, str] = {}
    for index, alert in enumerate(alerts):
        key = f"alert[{index}]"
        name = alert.get("name") or default_name(index)
        if isinstance(name, str):
            if name in seen:
                problem = f"{name} is also the name of {seen[name]}"
                yield f"{key}.name", problem, "names must be unique"
            seen.setdefault(name, key)
        if "pattern" not in alert and alert.get("builtin", []) == []:
            allowed = f"set pattern, or builtin: {', '.join(get_args(BuiltIn))}"
            yield key, "the alert looks for nothing", allowed
        yield from _action(key, alert)


def _action(key: str, alert: dict[str, Any]) -> Iterator[Finding]:
    there = [each for each in ACTIONS if each in alert]
    if len(there) != 1:
        problem = f"both {there[0]} and {there[1]} are set" if there else "the alert does nothing"
        yield key, problem, f"expected one of {', '.join(ACTIONS)}"
        return
    target = alert.get("syslog")
    kind = target.partition(":")[0] if isinstance(target, str) else ""
    if "syslog" in alert and kind not in ("tcp", "tls", "udp", "unix"):
        allowed = 'expected "unix:/dev/log", "udp:HOST:514", "tcp:HOST:514" or "tls:HOST:6514"'
        yield f"{key}.syslog", "not a syslog target", allowed
    is_web = there[0].startswith("webhook")
    if "headers_file" in alert and not is_web:
        yield f"{key}.headers_file", "used with a webhook only", "remove it"
    if "facility" in alert and there != ["syslog"]:
        yield f"{key}.facility", "used with syslog only", "remove it"
    for each in _TLS:
        if each in alert and kind != "tls" and not (is_web and each == "ca"):
            where = "a webhook or syslog over TLS" if each == "ca" else "syslog over TLS"
            yield f"{key}.{each}", f"used with {where} only", "remove it"
    if ("certificate" in alert) != ("private_key" in alert):
        yield key, "one of certificate and private_key is missing", "set both or neither"


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably unintended."""
    for index, alert in enumerate(config.alert):
        if alert.url is not None and alert.url.is_plain:
            yield f"alert[{index}]: without TLS, the webhook's alerts can be read on the network"
        if alert.pattern in get_args(BuiltIn) and not alert.builtin:
            text = f'the text {alert.pattern} is looked for; builtin = ["{alert.pattern}"] has the'
            yield f"alert[{index}].pattern: {text} patterns of that name"
