"""The configuration: TOML to frozen classes, every mistake of a file named in one go."""

from vspc.config.classes import Config, ConsoleSettings, PlainSettings, TlsSettings, VmSettings
from vspc.config.entry import AccessRule, OperatorSettings, SshSettings
from vspc.config.errors import ConfigMistake
from vspc.config.keys import AuthorizedKey
from vspc.config.load import ConfigError, load, state_dir
from vspc.config.summary import summary

__all__ = [
    "AccessRule",
    "AuthorizedKey",
    "Config",
    "ConfigError",
    "ConfigMistake",
    "ConsoleSettings",
    "OperatorSettings",
    "PlainSettings",
    "SshSettings",
    "TlsSettings",
    "VmSettings",
    "load",
    "state_dir",
    "summary",
]
