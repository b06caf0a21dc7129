"""The configuration: TOML to frozen classes, every mistake of a file named in one go."""

from vspc.config.credentials import AuthorizedKey
from vspc.config.file import ConfigError, load, state_dir
from vspc.config.mistakes import ConfigMistake
from vspc.config.settings import (
    AccessRule,
    Config,
    ConsoleSettings,
    MetricsSettings,
    OperatorSettings,
    SshSettings,
    TlsSettings,
)
from vspc.config.vm_settings import PlainSettings, VmSettings

__all__ = [
    "AccessRule",
    "AuthorizedKey",
    "Config",
    "ConfigError",
    "ConfigMistake",
    "ConsoleSettings",
    "MetricsSettings",
    "OperatorSettings",
    "PlainSettings",
    "SshSettings",
    "TlsSettings",
    "VmSettings",
    "load",
    "state_dir",
]
